"""Turns inbox rows into activity events. Reads names from the control database; writes nothing.

A payload that can't be read is set aside and counted: whatever it provokes, the rows behind it go on.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from core import otlp
from core.clock import to_ms
from core.database import connection
from core.models import InboxRow, IngestionSource, User, VirtualKey
from rules.activity_events import AGENT_ACTION, ActivityEvent, cut_payload, envelope_event_id
from rules.telemetry_events import Origin, TelemetryRecord, is_allowed
from rules.telemetry_events import event_from as telemetry_event
from streamer.gateway_events import Names
from streamer.gateway_events import event_from as gateway_event

LOG = logging.getLogger(__name__)
GATEWAY = "gateway"
WEBHOOK = "webhook"
METRICS = "otlp_metrics"


@dataclass(slots=True)
class Taken:
    """What a batch of inbox rows came to."""

    events: list[ActivityEvent] = field(default_factory=list)
    set_aside: int = 0
    """Payloads, or records of a payload, that could not be read."""
    rejected: int = 0
    """Records without the label that their source asks for."""
    errors_by_source: dict[str, int] = field(default_factory=dict)


def take(rows: Sequence[InboxRow]) -> Taken:
    """Return the events of inbox rows, in order."""
    taken = Taken()
    batches = {row.id: _ledger_rows(row, taken) for row in rows if row.kind == GATEWAY}
    names = _names(record for batch in batches.values() for record in batch)
    origins = _origins({row.source_id for row in rows if row.source_id})
    for row in rows:
        if row.kind == GATEWAY:
            for record in batches[row.id]:
                _try(row, taken, partial(_gateway_events, record, names, row))
        else:
            _try(row, taken, partial(_source_events, row, origins, taken))
    return taken


def set_aside(row: InboxRow, taken: Taken, reason: str) -> None:
    """Note that something of this row could not be read."""
    taken.set_aside += 1
    if row.source_id:
        taken.errors_by_source[row.source_id] = taken.errors_by_source.get(row.source_id, 0) + 1
    LOG.error(
        "payload_set_aside",
        extra={
            "inbox_id": row.id,
            "kind": row.kind,
            "organization_id": row.organization_id,
            "source_id": row.source_id or "",
            "size_bytes": len(row.payload),
            "reason": reason,
        },
    )


def _try(row: InboxRow, taken: Taken, read: Callable[[], list[ActivityEvent]]) -> None:
    try:
        taken.events += read()
    except Exception as error:  # noqa: BLE001 - a payload is a stranger's; the queue goes on whatever it provokes
        set_aside(row, taken, f"{type(error).__name__}: {error}"[:200])


def _ledger_rows(row: InboxRow, taken: Taken) -> list[dict[str, Any]]:
    try:
        found = orjson.loads(bytes(row.payload))
    except orjson.JSONDecodeError as error:
        set_aside(row, taken, str(error)[:200])
        return []
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        set_aside(row, taken, "not a list of ledger rows")
        return []
    return found


def _gateway_events(record: dict[str, Any], names: Names, row: InboxRow) -> list[ActivityEvent]:
    return [gateway_event(record, names, row.received_at)]


def _source_events(row: InboxRow, origins: dict[str, Origin], taken: Taken) -> list[ActivityEvent]:
    if row.kind == METRICS:
        # Metrics are sums of what spans and logs say one by one; counting them too would double it.
        return []
    origin = origins[row.source_id or ""]
    if row.kind == WEBHOOK:
        return [_envelope(row, origin)]
    events = []
    for record in otlp.records(row.kind, bytes(row.payload), row.content_type):
        if is_allowed(record, origin):
            events += _record_event(row, record, origin, taken)
        else:
            taken.rejected += 1
    return events


def _record_event(
    row: InboxRow, record: TelemetryRecord, origin: Origin, taken: Taken
) -> list[ActivityEvent]:
    try:
        return [telemetry_event(record, origin, row.received_at)]
    except (ValueError, TypeError, ArithmeticError) as error:
        set_aside(row, taken, f"{type(error).__name__}: {error}"[:200])
        return []


def _envelope(row: InboxRow, origin: Origin) -> ActivityEvent:
    """A webhook's body is one event; what it means is not known, so it is kept word for word."""
    return ActivityEvent(
        event_id=envelope_event_id(to_ms(row.received_at), row.id),
        organization_id=origin.organization_id,
        source_type=origin.source_type,
        source_id=origin.source_id,
        event_type=AGENT_ACTION,
        event_timestamp=row.received_at,
        ingested_at=row.received_at,
        team_id=origin.team_id,
        raw_payload=cut_payload(bytes(row.payload).decode(errors="replace")),
    )


def _names(records: Iterable[dict[str, Any]]) -> Names:
    users: set[str] = set()
    keys: set[str] = set()
    for record in records:
        principal = record.get("principal_user_id")
        (users if principal else keys).add(str(principal or record.get("virtual_key_id")))
    if not users and not keys:
        return Names()
    with connection():
        emails = {u.id: u.email for u in User.select().where(User.id.in_(list(users)))}
        query = VirtualKey.select().where(VirtualKey.id.in_(list(keys)))
        return Names(emails, {key.id: key.name for key in query})


def _origins(source_ids: set[str]) -> dict[str, Origin]:
    if not source_ids:
        return {}
    with connection():
        query = IngestionSource.select().where(IngestionSource.id.in_(list(source_ids)))
        return {
            source.id: Origin(
                source.organization_id,
                source.id,
                source.type,
                source.team_id,
                str(source.parser_config.get("allowedSourceTypeLabel") or ""),
            )
            for source in query
        }
