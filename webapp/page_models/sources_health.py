"""How an ingestion source is doing, in one word and one line; pure, so that list, strip and detail agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.lake.activity import SourceActivity
from core.models import IngestionSource
from webapp import filters

STALE_AFTER = timedelta(hours=24)
DOWN_AFTER = timedelta(days=7)
DOWN_ERRORS = 3

MODES = {
    "otel_generic": "push",
    "claude_cowork": "push",
    "workato": "push",
    "copilot_studio": "pull",
    "claude_compliance": "pull",
    "openai_compliance": "s3",
    "s3_custom": "s3",
}
"""How events of each source type arrive."""


@dataclass(frozen=True, slots=True)
class Health:
    """A state with its label and tone; ``line`` says when the last event came."""

    label: str
    tone: str
    line: str


@dataclass(frozen=True, slots=True)
class SourceChip:
    """A source with its health and its recent activity."""

    id: str
    name: str
    type: str
    description: str
    health: Health
    events_24h: int
    is_awaiting: bool


def health_of(source: IngestionSource, now: datetime) -> Health:
    """Return the source's health: archived, disabled, awaiting, then by errors and by the age of the last event."""
    last: datetime | None = source.last_event_at
    line = f"last event {filters.age(last, now)}" if last else "no event yet"
    if bool(source.archived_at):
        return Health("Archived", "off", line)
    if source.status == "disabled":
        return Health("Disabled", "off", line)
    if last is None or source.status == "awaiting_first_event":
        return Health("Awaiting first event", "waiting", line)
    if source.error_count >= DOWN_ERRORS or now - last > DOWN_AFTER:
        return Health("Down", "critical", line)
    if source.error_count:
        return Health("Degraded", "warning", line)
    return (
        Health("Stale", "warning", line)
        if now - last > STALE_AFTER
        else Health("Active", "positive", line)
    )


def chips(
    sources: Iterable[IngestionSource], seen: Mapping[str, SourceActivity], now: datetime
) -> tuple[SourceChip, ...]:
    """Return a chip per source, in the order given."""
    return tuple(
        SourceChip(
            id=source.id,
            name=source.name,
            type=source.type,
            description=source.description,
            health=health_of(source, now),
            events_24h=seen[source.id].events_24h if source.id in seen else 0,
            is_awaiting=source.status == "awaiting_first_event",
        )
        for source in sources
    )
