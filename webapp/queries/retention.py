"""Counts what retention policies would delete if the job ran now. Deletes nothing."""

from __future__ import annotations

from datetime import datetime

from core.authoring import retention
from core.authoring.retention import NewRetentionPolicy, policy_of
from core.lake import LakeReader
from core.lake.expiry import expired_events
from core.models import CapturedContent, RetentionPolicy, captures
from rules.retention import ACTIVITY, CONTENT, DAYS, SCOPES, Policy, Slice, slices


def would_delete(
    lake: LakeReader,
    organization_id: str,
    wanted: NewRetentionPolicy,
    row: RetentionPolicy | None,
    now: datetime,
) -> tuple[int, int]:
    """Return what ``due_with`` does; nothing for a policy that is going to be refused for its form."""
    least, most = DAYS
    days = [d for d in (wanted.activity_days, wanted.content_days) if d is not None]
    if wanted.scope not in SCOPES or any(not least <= d <= most for d in days):
        return 0, 0
    return due_with(lake, organization_id, wanted, row, now)


def due_with(
    lake: LakeReader,
    organization_id: str,
    wanted: NewRetentionPolicy,
    row: RetentionPolicy | None,
    now: datetime,
) -> tuple[int, int]:
    """Return how many events, and how many calls' content, a wanted policy would delete at its scope."""
    others = [
        policy_of(each)
        for each in retention.all_of(organization_id)
        if row is None or each.id != row.id
    ]
    new = Policy(
        wanted.scope,
        wanted.scope_id,
        wanted.activity_days,
        wanted.content_days,
        retention.holding_from(row, wanted, now),
    )
    events = [
        expired_events(lake, part)
        for part in _of(wanted, slices(organization_id, [*others, new], ACTIVITY, now))
    ]
    content = [
        CapturedContent.select().where(captures.in_slice(part)).count()
        for part in _of(wanted, slices(organization_id, [*others, new], CONTENT, now))
    ]
    return sum(events), sum(content)


def _of(wanted: NewRetentionPolicy, parts: list[Slice]) -> list[Slice]:
    return [
        part for part in parts if (part.scope, part.scope_id) == (wanted.scope, wanted.scope_id)
    ]


def due_words(events: int, content: int) -> str:
    """Return what the next run deletes, in words; empty when that is nothing."""
    parts = []
    if events:
        parts.append(f"{events:,} event{'' if events == 1 else 's'}")
    if content:
        parts.append(f"the prompts and answers of {content:,} call{'' if content == 1 else 's'}")
    return " and ".join(parts)
