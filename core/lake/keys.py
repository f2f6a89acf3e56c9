"""What virtual keys and people have done lately, call by call and summed up. The lake's questions alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.lake.activity import event_of
from core.lake.reader import LakeReader
from rules.activity_events import GATEWAY_SOURCE, ActivityEvent

CALLS_WINDOW = timedelta(days=30)
"""How far back the latest calls are looked for."""


@dataclass(frozen=True, slots=True)
class ModelDay:
    """What a key did with one model on one UTC day; refused calls are not in it."""

    day: date
    model: str
    spend_nanousd: int
    requests: int


def spend_by_key(
    reader: LakeReader,
    organization_id: str,
    key_ids: Sequence[str],
    since: datetime,
    until: datetime,
) -> dict[str, int]:
    """Return what each of these keys spent in a window, in nano-USD; a key without a call is left out."""
    found = reader.rows(
        "key_spend",
        organization_id=organization_id,
        source_id=GATEWAY_SOURCE,
        key_ids=list(key_ids),
        since=since,
        until=until,
    )
    return dict(found)


def usage_of_key(
    reader: LakeReader, organization_id: str, key_id: str, since: datetime, until: datetime
) -> list[ModelDay]:
    """Return a key's days by model, in order of the day; days without a call are left out."""
    found = reader.rows(
        "key_usage",
        organization_id=organization_id,
        source_id=GATEWAY_SOURCE,
        key_id=key_id,
        since=since,
        until=until,
    )
    return [ModelDay(*row) for row in found]


def latest_calls(
    reader: LakeReader, organization_id: str, owner: tuple[str, str], now: datetime, limit: int
) -> list[ActivityEvent]:
    """Return the latest calls, refused ones too, of ``("virtual_key", id)`` or ``("principal", user id)``."""
    found = reader.rows(
        "calls_of",
        organization_id=organization_id,
        source_id=GATEWAY_SOURCE,
        owner=owner[0],
        owner_id=owner[1],
        since=now - CALLS_WINDOW,
        limit=limit,
    )
    return [event_of(row) for row in found]
