"""Creates, changes and deletes an organization's own roles. Who gets them is the work of ``bindings`` and teams."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring import versions
from core.authoring.actor import Actor
from core.authoring.delegation import grants_beyond
from core.authoring.names import taken_error
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import CustomRole, RoleBinding, TeamMember
from rules.permissions import CUSTOM, EVERYWHERE, Grant, bound_grant, canonical, is_known

KIND = "custom_role"


@dataclass(frozen=True, slots=True)
class NewRole:
    """A role as it shall be; each permission is ``resource:verb``. An empty list grants what a viewer has."""

    name: str
    permissions: tuple[str, ...]
    description: str = ""


def create(actor: Actor, new: NewRole, now: datetime) -> CustomRole:
    """Create a role. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, own_id="").refuse_any()
        row = CustomRole.create(
            id=new_id("role", now),
            organization_id=actor.organization_id,
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


def differences(row: CustomRole, wanted: NewRole) -> list[str]:
    """Return the names of the fields in which a stored role differs from the wanted one."""
    return [field for field, value in _columns(wanted).items() if getattr(row, field) != value]


def update(
    actor: Actor, role_id: str, wanted: NewRole, now: datetime, version: str | None = None
) -> CustomRole:
    """Make a role what is wanted, for everyone who has it. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, role_id)
        versions.hold(row, version, _target("updated", row))
        if not differences(row, wanted):
            return row
        complaints = _check(actor, wanted, own_id=row.id)
        complaints.add("permissions", _widened(actor, row, wanted))
        complaints.refuse_any()
        before = snapshot(row)
        for field, value in _columns(wanted).items():
            setattr(row, field, value)
        row.revision += 1
        row.updated_at = now
        row.save()
        audited(actor, _target("updated", row), now, before, snapshot(row))
    return row


def delete(actor: Actor, role_id: str, now: datetime) -> None:
    """Delete a role that nobody has. Raises Refused(CONFLICT) while somebody has it."""
    with change():
        row = find(actor.organization_id, role_id)
        uses = RoleBinding.select().where(RoleBinding.custom_role_id == row.id).count()
        uses += TeamMember.select().where(TeamMember.custom_role_id == row.id).count()
        if uses:
            raise Refused(Fault.CONFLICT, f"The role is in use {uses} times; take it away first.")
        row.delete_instance()
        audited(actor, _target("deleted", row), now, before=snapshot(row))


def find(organization_id: str, role_id: str) -> CustomRole:
    """Return a role of this organization. Raises Refused(NOT_FOUND)."""
    row = CustomRole.get_or_none(
        CustomRole.id == role_id, CustomRole.organization_id == organization_id
    )
    if row is None:
        raise not_found("role")
    return row


def role_error(organization_id: str, role: str, custom_role_id: str, known: Iterable[str]) -> str:
    """Return what is wrong with a role as a team or binding names it, or an empty string."""
    if role not in known:
        return f"Choose one of {', '.join(known)}."
    if role != "custom":
        return "Only a custom role names one." if custom_role_id else ""
    is_there = CustomRole.select().where(
        CustomRole.id == custom_role_id, CustomRole.organization_id == organization_id
    )
    return "" if is_there.exists() else "Choose which custom role."


def _columns(new: NewRole) -> dict[str, Any]:
    return {
        "name": new.name.strip(),
        "description": new.description,
        "permissions": sorted({canonical(p) for p in new.permissions}),
    }


def _check(actor: Actor, new: NewRole, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    unknown = sorted(p for p in new.permissions if not is_known(p))
    complaints.need(
        not unknown, "permissions", f"There is no permission {', '.join(unknown[:3])[:120]}."
    )
    complaints.add("name", taken_error(CustomRole, actor.organization_id, new.name, own_id, "role"))
    return complaints


def _widened(actor: Actor, row: CustomRole, wanted: NewRole) -> str:
    """Return why an actor can't add what a role would hold besides, for all who have it or are invited to it."""
    before, after = (
        bound_grant(CUSTOM, permissions, EVERYWHERE).permissions
        for permissions in (row.permissions, wanted.permissions)
    )
    return grants_beyond(actor, (Grant(after - before),))


def _target(verb: str, row: CustomRole) -> Target:
    return Target(f"custom_role.{verb}", KIND, row.id)
