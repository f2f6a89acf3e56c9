"""Deletes what has been stored for as long as it may be: events, captured content, ledger rows. Once a day.

One transaction a batch, so that nothing waits long; a run that is cut short is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from core.authoring.retention import policy_of
from core.database import connection, transaction
from core.lake import LakeWriter
from core.lake.expiry import delete_expired
from core.models import CapturedContent, LedgerRow, Organization, RetentionPolicy, captures
from rules.retention import ACTIVITY, CONTENT, ORGANIZATION, Policy, ledger_floor, slices

BATCH_ROWS = 2000


@dataclass(slots=True)
class Forgotten:
    """How many rows a run deleted."""

    events: int = 0
    content: int = 0
    ledger: int = 0

    def facts(self) -> dict[str, int]:
        """Return the counts that are not zero, by name."""
        return {name: count for name, count in asdict(self).items() if count}


def forget_expired(
    writer: LakeWriter,
    now: datetime,
    keep_content: timedelta,
    is_stopping: Callable[[], bool] = bool,
) -> Forgotten:
    """Delete everything that is due, and return how much that was.

    ``keep_content`` is how long captured content stays where no policy says anything of it.
    """
    forgotten = Forgotten()
    with connection():
        ids = [row.id for row in Organization.select(Organization.id)]
        rows = list(RetentionPolicy.select())
    for organization_id in ids:
        policies = [policy_of(row) for row in rows if row.organization_id == organization_id]
        for part in slices(organization_id, policies, ACTIVITY, now):
            if is_stopping():
                return forgotten
            forgotten.events += delete_expired(writer, part)
        for part in slices(organization_id, with_default(policies, keep_content), CONTENT, now):
            if is_stopping():
                return forgotten
            forgotten.content += _in_batches(CapturedContent, captures.in_slice(part), is_stopping)
    if forgotten.events:
        writer.rewrite()
    is_old = LedgerRow.admitted_at < ledger_floor(now)
    forgotten.ledger = _in_batches(LedgerRow, is_old, is_stopping)
    return forgotten


def with_default(policies: list[Policy], keep_content: timedelta) -> list[Policy]:
    """Return policies with one for content that no policy of the organization's speaks of."""
    is_said = any(p.scope == ORGANIZATION and p.content_days is not None for p in policies)
    default = Policy(ORGANIZATION, "", None, keep_content.days)
    return policies if is_said else [*policies, default]


def _in_batches(model: Any, condition: Any, is_stopping: Callable[[], bool]) -> int:
    deleted, key = 0, model._meta.primary_key
    while not is_stopping():
        with transaction():
            due = model.select(key).where(condition).limit(BATCH_ROWS)
            count = int(model.delete().where(key.in_(due)).execute())
        deleted += count
        if count < BATCH_ROWS:
            break
    return deleted
