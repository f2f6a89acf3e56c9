"""Tells an organization's Slack channel that somebody asks for a higher budget. It decides nothing."""

from __future__ import annotations

import logging
import threading

import httpx
import orjson
from flask import request

from core.authoring.request_channel import channel_of
from core.models import Organization
from core.outbound import AddressRefused, NameUnknown, Reach, exchange
from core.secrets import SealError
from webapp.page_models.budgets import IncreaseRow
from webapp.state import control_plane

LOG = logging.getLogger(__name__)


def post_increase(organization: Organization, asked: IncreaseRow, path: str) -> None:
    """Tell the organization's Slack channel that somebody asks for a higher budget, beside this request."""
    plane = control_plane()
    try:
        url = channel_of(organization, plane.sealer)
    except SealError:
        LOG.warning("request_channel_failed", extra={"error": "SealError"})
        return
    if url is None:
        return
    base = plane.settings.web_url or request.host_url.rstrip("/")
    said = f"*{_plain(asked.requester)}* asks for a higher limit of *{_plain(asked.budget)}*: "
    reason = _plain(" ".join(asked.reason.split()))
    said += f"{_plain(asked.wanted)}, {_plain(asked.until)}.\n>{reason}\n"
    body = orjson.dumps({"text": f"{said}<{base}{path}|Decide it here>"})
    reach = Reach(False, plane.settings.allowed_private_networks)

    def run() -> None:
        try:
            answer = exchange(
                "POST", url.reveal(), {"Content-Type": "application/json"}, body, reach
            )
        except (AddressRefused, NameUnknown, httpx.HTTPError, httpx.InvalidURL) as error:
            # What the error says may hold the address, which is a secret.
            LOG.warning("request_channel_failed", extra={"error": type(error).__name__})
            return
        if answer.status >= 300:
            LOG.warning("request_channel_failed", extra={"status": answer.status})

    threading.Thread(target=run, name="increase in slack").start()


def _plain(text: str) -> str:
    """Return text that Slack takes for nothing but text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
