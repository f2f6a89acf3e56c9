"""Reads trace destinations of one organization, and how many spans wait for each."""

from __future__ import annotations

from typing import Any

from peewee import fn

from core.models import SpanBatch, TraceDestination


def live_destinations(organization_id: str) -> list[TraceDestination]:
    """Return the destinations that are not archived, by name."""
    rows = TraceDestination.select().where(
        TraceDestination.organization_id == organization_id, TraceDestination.archived_at.is_null()
    )
    return list(rows.order_by(fn.LOWER(TraceDestination.name), TraceDestination.id))


def waiting_spans(organization_id: str) -> dict[str, int]:
    """Return how many spans wait, by the id of their destination; one statement."""
    query: Any = (
        SpanBatch.select(SpanBatch.destination_id, fn.SUM(SpanBatch.spans))
        .join(TraceDestination, on=(TraceDestination.id == SpanBatch.destination_id))
        .where(TraceDestination.organization_id == organization_id)
        .group_by(SpanBatch.destination_id)
    )
    return {destination_id: int(spans) for destination_id, spans in query.tuples()}
