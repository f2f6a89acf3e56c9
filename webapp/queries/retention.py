"""Counts what retention policies would delete if the job ran now. Deletes nothing."""

from __future__ import annotations

from datetime import datetime

from core.authoring import retention
from core.authoring.retention import NewRetentionPolicy, policy_of
from core.lake import LakeReader
from core.lake.expiry import expired_events
from core.models import CapturedContent, RetentionPolicy, captures
from rules.retention import ACTIVITY, CONTENT, Policy, Slice, slices


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
