"""Takes what an ingestion source delivers: reads how much it is, cleans it and commits it to the
inbox. What its events mean is the streamer's business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from core import otlp, privacy
from core.clock import to_ms
from core.database import serialise_inbox, transaction
from core.models import InboxRow, IngestionSource
from core.otlp_encoding import JSON_TYPE, encoded
from rules.activity_events import envelope_event_id
from rules.cleaning import Cleaner
from rules.privacy import Privacy
from rules.telemetry_events import Origin, is_allowed
from rules.telemetry_privacy import cleaned_body, cleaned_record
from webapp.content_coding import CodingError, decoded

BODY_BYTES = 10 * 1024 * 1024
METRICS = "otlp_metrics"
WEBHOOK = "webhook"
_EMPTY = "The body is empty."
_NO_RECORDS = "The body holds no record; check that it is OTLP for this path, as JSON or protobuf."
_METRICS_NOT_KEPT = "Metrics are taken and not kept; activity is read from spans and log records."


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authenticated request. ``kind`` is the inbox row's."""

    source: IngestionSource
    kind: str
    body: bytes
    content_type: str
    coding: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a body comes to. ``payload`` is what the inbox keeps, cleaned; None keeps nothing."""

    size_bytes: int
    events: int = 0
    payload: bytes | None = None
    content_type: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of the answer."""


def accept(delivery: Delivery, now: datetime) -> dict[str, Any]:
    """Commit a delivery and return the answer, which is always that it was accepted.

    The payload and the source's new state are one transaction: whoever hears of an event is not lied to.
    """
    contents = _contents(delivery, privacy.for_source(delivery.source))
    answer: dict[str, Any] = {"accepted": True, "bytes": contents.size_bytes}
    answer["events"] = contents.events
    with transaction():
        serialise_inbox()
        if contents.payload is not None:
            row = _store(delivery, contents, now)
            if delivery.kind == WEBHOOK:
                answer["eventId"] = envelope_event_id(to_ms(now), row.id)
        _mark_received(delivery.source, now)
    return answer | contents.extra


def _contents(delivery: Delivery, held: Privacy) -> Contents:
    cleaner = Cleaner(held, redacts_secrets=True)
    try:
        body = decoded(delivery.body, delivery.coding, BODY_BYTES)
    except CodingError as error:
        return Contents(len(delivery.body), extra={"hint": str(error)})
    if not body:
        return Contents(0, extra={"hint": _EMPTY})
    if delivery.kind == WEBHOOK:
        return Contents(len(body), 1, cleaned_body(body, cleaner), delivery.content_type)
    if delivery.kind == METRICS:
        return _metrics(delivery, body)
    return _records(delivery, body, cleaner, has_rules=bool(held))


def _records(delivery: Delivery, body: bytes, cleaner: Cleaner, has_rules: bool) -> Contents:
    try:
        found = otlp.records(delivery.kind, body, delivery.content_type)
    except otlp.Undecodable as error:
        return Contents(len(body), extra={"hint": f"Nothing could be read: {error}."})
    source = delivery.source
    label = str(source.parser_config.get("allowedSourceTypeLabel") or "")
    origin = Origin(source.organization_id, source.id, source.type, source.team_id, label)
    events = sum(is_allowed(record, origin) for record in found)
    extra: dict[str, Any] = {}
    if events < len(found):
        extra["rejectedSpans" if delivery.kind == otlp.TRACES else "rejectedLogRecords"] = (
            len(found) - events
        )
        extra["hint"] = f"This source takes records labelled LangWatchSourceType={label} only."
    elif not found:
        extra["hint"] = _NO_RECORDS
    if not events:
        return Contents(len(body), extra=extra)
    cleaned = [cleaned_record(record, cleaner) for record in found]
    if cleaned == found and not has_rules:
        return Contents(len(body), events, body, delivery.content_type, extra)
    # Written anew from what was understood, so that nothing is stored that nobody looked at.
    payload = encoded(delivery.kind, cleaned)
    return Contents(len(body), events, payload, JSON_TYPE, extra)


def _metrics(delivery: Delivery, body: bytes) -> Contents:
    readers: list[Callable[[bytes], int]] = [_json_metrics, _protobuf_metrics]
    if "json" not in delivery.content_type.lower():
        readers.reverse()
    for read in readers:
        try:
            metrics = read(body)
        except (ValueError, TypeError, AttributeError, DecodeError, RecursionError):
            continue
        if metrics:
            return Contents(len(body), extra={"metrics": metrics, "hint": _METRICS_NOT_KEPT})
    return Contents(len(body), extra={"metrics": 0, "hint": _NO_RECORDS})


def _json_metrics(body: bytes) -> int:
    def entries(item: dict[str, Any], camel: str, snake: str) -> list[Any]:
        return item.get(camel) or item.get(snake) or []

    return sum(
        len(scope.get("metrics") or [])
        for group in entries(orjson.loads(body), "resourceMetrics", "resource_metrics")
        for scope in entries(group, "scopeMetrics", "scope_metrics")
    )


def _protobuf_metrics(body: bytes) -> int:
    request = ExportMetricsServiceRequest.FromString(body)
    return sum(
        len(scope.metrics) for group in request.resource_metrics for scope in group.scope_metrics
    )


def _store(delivery: Delivery, contents: Contents, now: datetime) -> InboxRow:
    return InboxRow.create(
        kind=delivery.kind,
        organization_id=delivery.source.organization_id,
        source_id=delivery.source.id,
        content_type=contents.content_type,
        payload=contents.payload,
        received_at=now,
    )


def _mark_received(source: IngestionSource, now: datetime) -> None:
    """Move the last event forward, never back; the first one makes the source active."""
    is_later = IngestionSource.last_event_at.is_null() | (IngestionSource.last_event_at < now)
    IngestionSource.update(last_event_at=now, status="active").where(
        IngestionSource.id == source.id, IngestionSource.status != "disabled", is_later
    ).execute()
