"""The audit log: append-only, each row's hash covering the row and the hash before it. It decides nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.changes import serialise_changes
from core.clock import EPOCH
from core.database import connection
from core.models import AuditRow

GENESIS_HASH = "0" * 64
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One administrative change. ``before`` and ``after`` are JSON objects and never hold a secret."""

    organization_id: str
    actor_id: str
    action: str
    target_kind: str
    target_id: str
    surface: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    ip_address: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row of a chain that does not follow from the row before it."""

    row_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a walk over one chain found. ``head`` is the newest hash: kept elsewhere, it proves the end as well."""

    rows: int
    head: str
    broken: Broken | None


def append(entry: Entry, now: datetime) -> AuditRow:
    """Add a row to its organization's chain, in the caller's transaction."""
    serialise_changes()
    previous = _newest_hash(entry.organization_id)
    row = AuditRow(
        organization_id=entry.organization_id,
        actor_id=entry.actor_id,
        action=entry.action,
        target_kind=entry.target_kind,
        target_id=entry.target_id,
        before=None if entry.before is None else dict(entry.before),
        after=None if entry.after is None else dict(entry.after),
        surface=entry.surface,
        ip_address=entry.ip_address,
        created_at=now,
        previous_hash=previous,
    )
    row.hash = row_hash(row)
    row.save(force_insert=True)
    return row


def verify(organization_id: str) -> Broken | None:
    """Return the first broken row of an organization's chain, or None when it holds from its start."""
    return walk(organization_id).broken


def walk(organization_id: str, known_hash: str = "") -> Checked:
    """Check an organization's chain from its start, up to the first row that does not follow.

    It finds altered, inserted and removed rows. Rows cut off at the end are found with a ``known_hash`` that was
    noted earlier and must still be in the chain.
    """
    previous, count, is_met = GENESIS_HASH, 0, not known_hash
    with connection():
        query = AuditRow.select().where(AuditRow.organization_id == organization_id)
        for row in query.order_by(AuditRow.id).iterator():
            if reason := _break_reason(row, previous):
                return Checked(count, previous, Broken(row.id, reason))
            previous, count = row.hash, count + 1
            is_met = is_met or previous == known_hash
    missing = None if is_met else Broken(0, "the hash that was noted earlier is not in the chain")
    return Checked(count, previous, missing)


def _break_reason(row: AuditRow, previous: str) -> str:
    if row.previous_hash != previous:
        return "a row before it is missing, added or altered"
    return "" if row.hash == row_hash(row) else "its content does not match its hash"


def row_hash(row: AuditRow) -> str:
    """Return the hex SHA-256 over a row's canonical JSON, which holds the hash before it."""
    content = {
        "organization_id": row.organization_id,
        "actor_id": row.actor_id,
        "action": row.action,
        "target_kind": row.target_kind,
        "target_id": row.target_id,
        "before": row.before,
        "after": row.after,
        "surface": row.surface,
        "ip_address": row.ip_address,
        "created_at_us": (row.created_at - EPOCH) // _MICROSECOND,
        "previous_hash": row.previous_hash,
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _newest_hash(organization_id: str) -> str:
    query = AuditRow.select(AuditRow.hash).where(AuditRow.organization_id == organization_id)
    newest = query.order_by(AuditRow.id.desc()).first()
    return GENESIS_HASH if newest is None else str(newest.hash)
