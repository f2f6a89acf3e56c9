"""Counts and deletes the events of a slice of an organization. Which slice, retention policies decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.lake.reader import LakeReader
from core.lake.writer import LakeWriter
from rules.retention import PROJECT, TEAM, Slice

# One transaction deletes at most so much, so that readers and the drain wait for none of them long.
BATCH = timedelta(days=31)


def expired_events(reader: LakeReader, part: Slice) -> int:
    """Return how many events of a slice are due to be deleted."""
    rows = reader.rows("expired_count", **_parameters(part))
    return int(rows[0][0]) if rows else 0


def delete_expired(writer: LakeWriter, part: Slice) -> int:
    """Delete the events of a slice that are due, oldest first, a transaction a month; return how many."""
    deleted = 0
    while True:
        count, oldest = writer.row("expired_count", **_parameters(part))
        if not count:
            return deleted
        batch = replace(part, before=min(part.before, _end_of_batch(oldest)))
        deleted += writer.change("expired_delete", **_parameters(batch))


def _end_of_batch(oldest: datetime) -> datetime:
    return oldest + BATCH


def _parameters(part: Slice) -> dict[str, Any]:
    return {
        "organization_id": part.organization_id,
        "before": part.before,
        "holds_from": part.holds_from,
        "team_id": part.scope_id if part.scope == TEAM else "",
        "project_id": part.scope_id if part.scope == PROJECT else "",
        "except_teams": list(part.except_teams),
        "except_projects": list(part.except_projects),
    }
