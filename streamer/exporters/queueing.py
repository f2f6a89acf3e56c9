"""Queues the calls of inbox rows for the destinations that want their spans. Builds and sends none.

It runs before the lake takes the same rows: a crash in between repeats both, and both know what they had.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from core.models import InboxRow, TraceDestination, span_queue

GATEWAY = "gateway"


def enqueue(rows: Sequence[InboxRow]) -> int:
    """Queue what the rows tell of calls; return how many spans that makes. Costs a query when nobody wants any."""
    calls = [row for row in rows if row.kind == GATEWAY]
    if not calls:
        return 0
    wanting: dict[str, list[TraceDestination]] = {}
    for destination in span_queue.destinations_of({row.organization_id for row in calls}):
        wanting.setdefault(destination.organization_id, []).append(destination)
    batches = []
    for row in calls:
        if row.organization_id in wanting:
            batches += _batches(row, wanting[row.organization_id])
    span_queue.put(batches)
    return sum(batch["spans"] for batch in batches)


def _batches(row: InboxRow, destinations: Iterable[TraceDestination]) -> list[dict[str, Any]]:
    try:
        records = orjson.loads(bytes(row.payload))
    except orjson.JSONDecodeError:
        return []  # The drain sets such a row aside and says so.
    if not isinstance(records, list):
        return []
    found = []
    for destination in destinations:
        meant = [
            record for record in records if isinstance(record, dict) and covers(destination, record)
        ]
        if meant:
            found.append(
                {
                    "destination_id": destination.id,
                    "inbox_id": row.id,
                    "payload": orjson.dumps(meant),
                    "spans": len(meant),
                    "queued_at": row.received_at,
                }
            )
    return found


def covers(destination: TraceDestination, record: dict[str, Any]) -> bool:
    """Say whether a call's span may go to a destination: same organization, and within its scope."""
    if record.get("organization_id") != destination.organization_id:
        return False
    return destination.scope == "organization" or (
        record.get(f"{destination.scope}_id") == destination.scope_id
    )
