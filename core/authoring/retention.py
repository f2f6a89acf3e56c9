"""Creates, changes and deletes retention policies. What they delete is the work of the streamer's daily job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring import versions
from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.scopes import scope_error
from core.authoring.validation import Complaints, not_found
from core.ids import new_id
from core.models import RetentionPolicy
from rules.retention import DAYS, SCOPES, Policy

_KIND = "retention_policy"


@dataclass(frozen=True, slots=True)
class NewRetentionPolicy:
    """A policy as it shall be; ``is_retroactive`` lets it hold for what is stored already."""

    scope: str
    scope_id: str
    activity_days: int | None = None
    content_days: int | None = None
    is_retroactive: bool = False


def create(actor: Actor, new: NewRetentionPolicy, now: datetime) -> RetentionPolicy:
    """Create a policy; a scope has one. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new).refuse_any()
        complaints = Complaints()
        is_taken = at_scope(actor.organization_id, new.scope, new.scope_id) is not None
        complaints.need(not is_taken, "scope_id", "This scope has a policy already; change that.")
        complaints.refuse_any()
        row = RetentionPolicy.create(
            id=new_id("retention", now),
            organization_id=actor.organization_id,
            scope=new.scope,
            scope_id=new.scope_id,
            activity_days=new.activity_days,
            content_days=new.content_days,
            holds_from=None if new.is_retroactive else now,
            created_at=now,
            updated_at=now,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


def update(
    actor: Actor,
    policy_id: str,
    wanted: NewRetentionPolicy,
    now: datetime,
    version: str | None = None,
) -> RetentionPolicy:
    """Make a policy what is wanted; its scope stays. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, policy_id)
        versions.hold(row, version, _target("updated", row))
        if not differences(row, wanted):
            return row
        complaints = _check(actor, wanted, row.scope_id)
        is_same = (row.scope, row.scope_id) == (wanted.scope, wanted.scope_id)
        complaints.need(is_same, "scope", "A policy keeps its scope.")
        complaints.refuse_any()
        before = snapshot(row)
        row.activity_days, row.content_days = wanted.activity_days, wanted.content_days
        row.holds_from = holding_from(row, wanted, now)  # type: ignore[assignment]
        row.updated_at = now
        row.revision += 1
        row.save()
        audited(actor, _target("updated", row), now, before, snapshot(row))
    return row


def holding_from(
    row: RetentionPolicy | None, wanted: NewRetentionPolicy, now: datetime
) -> datetime | None:
    """Return from when what is stored falls under a wanted policy; None is from the beginning."""
    if wanted.is_retroactive:
        return None
    return now if row is None or row.holds_from is None else row.holds_from


def differences(row: RetentionPolicy, wanted: NewRetentionPolicy) -> list[str]:
    """Return the names of the fields in which a stored policy differs from the wanted one."""
    names = ("scope", "scope_id", "activity_days", "content_days")
    found = [name for name in names if getattr(row, name) != getattr(wanted, name)]
    if (row.holds_from is None) is not wanted.is_retroactive:
        found.append("is_retroactive")
    return found


def delete(actor: Actor, policy_id: str, now: datetime) -> RetentionPolicy:
    """End a policy; a wider one decides from then on, or nothing is deleted. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, policy_id)
        before = snapshot(row)
        row.delete_instance()
        audited(actor, _target("deleted", row), now, before)
    return row


def find(organization_id: str, policy_id: str) -> RetentionPolicy:
    """Return a policy of this organization. Raises Refused(NOT_FOUND)."""
    row = RetentionPolicy.get_or_none(
        RetentionPolicy.id == policy_id, RetentionPolicy.organization_id == organization_id
    )
    if row is None:
        raise not_found("retention policy")
    return row


def at_scope(organization_id: str, scope: str, scope_id: str) -> RetentionPolicy | None:
    """Return the policy of a scope, or None."""
    row: RetentionPolicy | None = RetentionPolicy.get_or_none(
        RetentionPolicy.organization_id == organization_id,
        RetentionPolicy.scope == scope,
        RetentionPolicy.scope_id == scope_id,
    )
    return row


def all_of(organization_id: str) -> list[RetentionPolicy]:
    """Return the policies of an organization, oldest first."""
    query = RetentionPolicy.select().where(RetentionPolicy.organization_id == organization_id)
    return list(query.order_by(RetentionPolicy.id))


def policy_of(row: RetentionPolicy) -> Policy:
    """Return a stored policy as the value that the rules know."""
    return Policy(row.scope, row.scope_id, row.activity_days, row.content_days, row.holds_from)


def _check(actor: Actor, new: NewRetentionPolicy, own_scope_id: str = "") -> Complaints:
    complaints = Complaints()
    if new.scope not in SCOPES:
        complaints.add("scope", f"Choose one of {', '.join(SCOPES)}.")
    elif new.scope_id != own_scope_id:
        complaints.add("scope_id", scope_error(actor.organization_id, new.scope, new.scope_id))
    least, most = DAYS
    values: dict[str, Any] = {
        "activity_days": new.activity_days,
        "content_days": new.content_days,
    }
    for name, days in values.items():
        is_right = days is None or (type(days) is int and least <= days <= most)
        complaints.need(is_right, name, f"Give a whole number of days from {least} to {most}.")
    is_any = any(days is not None for days in values.values())
    complaints.need(is_any, "activity_days", "Say how long at least one of the two stays.")
    return complaints


def _target(action: str, row: RetentionPolicy) -> Target:
    return Target(f"governance.{_KIND}.{action}", _KIND, row.id)
