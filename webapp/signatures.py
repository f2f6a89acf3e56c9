"""Checks that a call of the internal API was signed by a gateway that shares our secret. Knows no database."""

from __future__ import annotations

import re

from flask import Request

from core.secrets import signature_matches
from core.settings import Settings

HEADER = "X-LangWatch-Gateway"
SKEW_SECONDS = 300
_TIMESTAMP = re.compile(r"[0-9]{1,15}")


def signature_error(request: Request, settings: Settings, now_seconds: float) -> str:
    """Return the code of what is wrong with a request's signature, or an empty string.

    The path is signed without its query. The time is judged last, so that only a peer learns of a skewed clock.
    """
    signature = request.headers.get(f"{HEADER}-Signature", "")
    timestamp = request.headers.get(f"{HEADER}-Timestamp", "")
    if not signature or not timestamp:
        return "missing_signature"
    secrets = (settings.internal_secret, settings.internal_secret_previous)
    body = request.get_data(cache=True)
    if not signature_matches(secrets, signature, request.method, request.path, timestamp, body):
        return "invalid_signature"
    if not _TIMESTAMP.fullmatch(timestamp):
        return "invalid_timestamp"
    if abs(now_seconds - int(timestamp)) > SKEW_SECONDS:
        return "timestamp_out_of_window"
    return ""
