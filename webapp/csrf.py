"""Tells forms of ours from forms of others: a token in the session and what the browser says of the sender."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import request, session

from core.fault import Fault, Refused
from core.ids import new_token
from core.settings import Settings

_KEY = "csrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token() -> str:
    """Return this session's token, made at the first call."""
    if _KEY not in session:
        session[_KEY] = new_token()
    return str(session[_KEY])


def check_csrf(settings: Settings) -> None:
    """Raise Refused(CSRF_FAILED) for a change that one of our own pages did not send."""
    if request.method in _SAFE:
        return
    if not _is_own_origin(settings):
        raise Refused(Fault.CSRF_FAILED, "The request came from another site.")
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not hmac.compare_digest(given.encode(), str(session.get(_KEY, "")).encode()) or not given:
        raise Refused(Fault.CSRF_FAILED, "The form is too old or its session has ended.")


def _is_own_origin(settings: Settings) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    # A proxy in front may speak https while we see http, so only the host is compared.
    return urlsplit(origin).netloc in {request.host, urlsplit(settings.web_url).netloc} - {""}
