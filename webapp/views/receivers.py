"""Where ingestion sources deliver: OTLP over HTTP and webhooks. Authenticates by the source's own secret.

The order is fixed: rate, secret, source, path, body. Everything up to the source is answered alike, so that
nobody learns which sources exist.
"""

from __future__ import annotations

import re

from flask import Blueprint, Response, request

from core import otlp
from core.authoring import ingestion_sources
from core.clock import utcnow
from core.database import connection
from core.models import IngestionSource
from rules.source_types import CREATABLE, OTEL
from webapp.access import machine
from webapp.deliveries import METRICS, WEBHOOK, Delivery, accept
from webapp.faults import json_answer
from webapp.security import client_ip
from webapp.state import control_plane

_BEARER = re.compile(r"[Bb]earer +(lw_is_[A-Za-z0-9_-]+) *")
_UNAUTHORIZED = {"error": "unauthorized"}
_CONTENT_TYPE_CHARACTERS = 200

blueprint = Blueprint("receivers", __name__, url_prefix="/api/ingest")


@blueprint.before_request
def check_rate() -> Response | None:
    """Answer 429 to an address that delivers too often."""
    state = control_plane()
    if state.settings.ingest_rate_limit_off:
        return None
    wait_seconds = state.deliveries.retry_after_seconds(client_ip(state.settings))
    if not wait_seconds:
        return None
    response = json_answer({"error": "rate_limited"}, 429)
    response.headers["Retry-After"] = str(wait_seconds)
    return response


@blueprint.post("/otel/<source_id>")
@blueprint.post("/otel/<source_id>/v1/traces")
@machine
def traces(source_id: str) -> Response:
    """Take spans."""
    return _received(source_id, otlp.TRACES, OTEL)


@blueprint.post("/otel/<source_id>/v1/logs")
@machine
def logs(source_id: str) -> Response:
    """Take log records, from a source of any type."""
    return _received(source_id, otlp.LOGS, "")


@blueprint.post("/otel/<source_id>/v1/metrics")
@machine
def metrics(source_id: str) -> Response:
    """Take metrics, from a source of any type."""
    return _received(source_id, METRICS, "")


@blueprint.post("/webhook/<source_id>")
@machine
def webhook(source_id: str) -> Response:
    """Take any body as one event."""
    return _received(source_id, WEBHOOK, WEBHOOK)


def _received(source_id: str, kind: str, family: str) -> Response:
    now = utcnow()
    with connection():
        source = _authenticated(source_id)
        if source is None:
            return json_answer(_UNAUTHORIZED, 401)
        if not _belongs(source, family):
            return json_answer(_wrong_endpoint(source), 400)
        delivery = Delivery(
            source,
            kind,
            request.get_data(),
            (request.content_type or "")[:_CONTENT_TYPE_CHARACTERS],
            request.headers.get("Content-Encoding", ""),
        )
        return json_answer(accept(delivery, now), 202)


def _authenticated(source_id: str) -> IngestionSource | None:
    found = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if found is None:
        return None
    pepper = control_plane().settings.pepper
    source = ingestion_sources.find_by_secret(pepper, found.group(1), utcnow())
    return source if source is not None and source.id == source_id else None


def _belongs(source: IngestionSource, family: str) -> bool:
    known = CREATABLE.get(source.type)
    return not family or (known is not None and family in known.receivers)


def _wrong_endpoint(source: IngestionSource) -> dict[str, str]:
    families = CREATABLE[source.type].receivers if source.type in CREATABLE else ()
    paths = " or ".join(f"/api/ingest/{family}/{source.id}" for family in sorted(families))
    text = f"A {source.type} source delivers to {paths}." if paths else "This source pulls."
    return {"error": "wrong_endpoint", "error_description": text}
