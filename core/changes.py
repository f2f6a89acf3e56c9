"""The change feed that gateways follow. Writing the change itself is the work of ``core.authoring``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from peewee import fn

from core.database import connection, database, is_sqlite
from core.models import ChangeEvent

# Unlike any other advisory lock in the same database; `core.database` has the first three.
_CHANGES_LOCK = 7_551_004
PAGE_EVENTS = 500


class ChangeKind(StrEnum):
    """What happened, as gateways are told."""

    VK_CREATED = "VK_CREATED"
    VK_CONFIG_UPDATED = "VK_CONFIG_UPDATED"
    VK_ROTATED = "VK_ROTATED"
    VK_REVOKED = "VK_REVOKED"
    VK_DISABLED = "VK_DISABLED"
    VK_ENABLED = "VK_ENABLED"
    PROVIDER_UPDATED = "PROVIDER_UPDATED"
    BUDGET_CREATED = "BUDGET_CREATED"
    BUDGET_UPDATED = "BUDGET_UPDATED"
    BUDGET_DELETED = "BUDGET_DELETED"
    ROUTING_POLICY_UPDATED = "ROUTING_POLICY_UPDATED"
    ROUTING_POLICY_DELETED = "ROUTING_POLICY_DELETED"
    POLICY_UPDATED = "POLICY_UPDATED"
    CACHE_RULE_UPDATED = "CACHE_RULE_UPDATED"
    GUARDRAIL_UPDATED = "GUARDRAIL_UPDATED"
    TRACE_DESTINATION_UPDATED = "TRACE_DESTINATION_UPDATED"
    ORGANIZATION_UPDATED = "ORGANIZATION_UPDATED"


@dataclass(frozen=True, slots=True)
class Change:
    """What a gateway needs to know of one change: its kind and which row it is about."""

    organization_id: str
    kind: ChangeKind
    virtual_key_id: str | None = None
    budget_id: str | None = None
    provider_id: str | None = None


def serialise_changes() -> None:
    """Let administrative writers commit one after the other, so that revisions and audit rows appear in order.

    SQLite has one writer anyway. Must be called first in the transaction; the lock ends with it. It may be
    taken again in the same transaction at no cost.
    """
    if not is_sqlite():
        database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_CHANGES_LOCK,))


def append(change: Change, now: datetime) -> int:
    """Add a line to the feed in the caller's transaction and return its revision."""
    serialise_changes()
    row = ChangeEvent.create(
        organization_id=change.organization_id,
        kind=change.kind.value,
        virtual_key_id=change.virtual_key_id,
        budget_id=change.budget_id,
        provider_id=change.provider_id,
        created_at=now,
    )
    revision: int = row.revision
    return revision


def since(revision: int, limit: int = PAGE_EVENTS) -> Sequence[ChangeEvent]:
    """Return the changes after a revision, oldest first, at most ``limit``."""
    with connection():
        query = ChangeEvent.select().where(ChangeEvent.revision > revision)
        return list(query.order_by(ChangeEvent.revision).limit(limit))


def current_revision() -> int:
    """Return the newest revision, 0 before the first change."""
    with connection():
        newest: int | None = ChangeEvent.select(fn.MAX(ChangeEvent.revision)).scalar()
        return newest or 0
