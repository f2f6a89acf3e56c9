"""The queue of spans on their way to tenants' endpoints. One sender at a time takes from a destination, in order."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from core.database import connection, transaction
from core.models.tracing import SpanBatch, TraceDestination

# Longer than the slowest sending; a sender that is silent this long has died.
STALE_CLAIM = timedelta(seconds=120)
BATCHES_AT_ONCE = 64


def destinations_of(organization_ids: Iterable[str]) -> list[TraceDestination]:
    """Return the destinations of organizations that spans are queued for now."""
    with connection():
        query = TraceDestination.select().where(
            TraceDestination.organization_id.in_(list(organization_ids)),
            TraceDestination.archived_at.is_null(),
            TraceDestination.is_enabled == True,  # noqa: E712 - a column, not a value
        )
        return list(query)


def put(batches: Sequence[dict[str, Any]]) -> None:
    """Queue batches; one that is queued already, or was sent since, is queued once."""
    if not batches:
        return
    with transaction():
        SpanBatch.insert_many(batches).on_conflict_ignore().execute()


def claim_next(now: datetime, served: Collection[str] = ()) -> TraceDestination | None:
    """Claim the destination whose oldest batch has waited the longest, ``served`` ones left out, or return None."""
    is_free = TraceDestination.claimed_at.is_null() | (
        TraceDestination.claimed_at < now - STALE_CLAIM
    )
    is_due = TraceDestination.retry_at.is_null() | (TraceDestination.retry_at <= now)
    is_on = TraceDestination.archived_at.is_null() & (TraceDestination.is_enabled == True)  # noqa: E712
    while True:
        with connection():
            oldest = fn.MIN(SpanBatch.id)
            candidate: TraceDestination | None = (
                TraceDestination.select()
                .join(SpanBatch, on=SpanBatch.destination_id == TraceDestination.id)
                .where(is_free, is_due, is_on, TraceDestination.id.not_in(list(served)))
                .group_by(TraceDestination)
                .order_by(oldest)
                .first()
            )
        if candidate is None:
            return None
        with transaction():
            changed: int = (
                TraceDestination.update(claimed_at=now)
                .where(TraceDestination.id == candidate.id, is_free)
                .execute()
            )
        if changed:
            candidate.claimed_at = now
            return candidate


def next_batches(destination_id: str, most_spans: int) -> list[SpanBatch]:
    """Return the oldest batches of a destination, up to a number of spans; one that is larger comes alone."""
    with connection():
        query = SpanBatch.select().where(SpanBatch.destination_id == destination_id)
        found = list(query.order_by(SpanBatch.id).limit(BATCHES_AT_ONCE))
    chosen: list[SpanBatch] = []
    for batch in found:
        if chosen and sum(b.spans for b in chosen) + batch.spans > most_spans:
            break
        chosen.append(batch)
    return chosen


def finish(destination: TraceDestination, batches: Sequence[SpanBatch], **values: Any) -> None:
    """Forget batches that were sent or given up, and write down how the destination stands."""
    with transaction():
        if batches:
            sent = SpanBatch.id.in_([batch.id for batch in batches])
            SpanBatch.delete().where(sent).execute()  # type: ignore[misc]
        TraceDestination.update(**values).where(TraceDestination.id == destination.id).execute()


def forget(destination_id: str) -> None:
    """Delete what waits for a destination, in the caller's transaction."""
    waiting = SpanBatch.destination_id == destination_id
    SpanBatch.delete().where(waiting).execute()  # type: ignore[misc]


def drop_older(before: datetime) -> dict[str, int]:
    """Delete what has waited for too long; return how many spans, by destination."""
    is_old = SpanBatch.queued_at < before
    with connection():
        if not SpanBatch.select().where(is_old).exists():
            return {}
    lost: Counter[str] = Counter()
    with transaction():
        old: list[SpanBatch] = list(
            SpanBatch.select(SpanBatch.destination_id, SpanBatch.spans).where(is_old)
        )
        for batch in old:
            lost[batch.destination_id] += batch.spans
        SpanBatch.delete().where(is_old).execute()  # type: ignore[misc]
        for destination_id, spans in lost.items():
            TraceDestination.update(dropped_spans=TraceDestination.dropped_spans + spans).where(
                TraceDestination.id == destination_id
            ).execute()
    return dict(lost)
