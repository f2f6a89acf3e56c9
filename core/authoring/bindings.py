"""Gives principals roles at scopes, and takes them away. What a role grants is judged in ``rules.permissions``."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from core.authoring.actor import Actor
from core.authoring.custom_roles import role_error
from core.authoring.delegation import role_beyond
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.scopes import scope_error
from core.authoring.validation import Complaints, not_found
from core.grants import API_KEY, GROUP, SERVICE_ACCOUNT, USER
from core.ids import new_id
from core.models import (
    ApiKey,
    CustomRole,
    Group,
    Member,
    Project,
    RoleBinding,
    ServiceAccount,
    Team,
)
from rules.permissions import CUSTOM, EVERYWHERE, SCOPES, TEAM_ROLES, Place, misplaced

PRINCIPAL_KINDS = (USER, GROUP, SERVICE_ACCOUNT, API_KEY)


@dataclass(frozen=True, slots=True)
class NewBinding:
    """A role for a principal at a scope; ``custom_role_id`` only with the role custom."""

    principal_kind: str
    principal_id: str
    role: str
    scope: str
    scope_id: str
    custom_role_id: str = ""


def create(actor: Actor, new: NewBinding, now: datetime) -> RoleBinding:
    """Bind a role; a binding that exists is returned as it is. Raises Refused(VALIDATION_ERROR)."""
    with change():
        found = _same(new)
        if found is not None and found.organization_id == actor.organization_id:
            return found
        _check(actor, new).refuse_any()
        row = RoleBinding.create(
            id=new_id("binding", now),
            organization_id=actor.organization_id,
            created_at=now,
            **asdict(new),
        )
        if new.principal_kind == API_KEY:
            ApiKey.update(is_bound=True).where(ApiKey.id == new.principal_id).execute()
        target = Target("role_binding.created", "role_binding", row.id)
        audited(actor, target, now, after=snapshot(row))
    return row


def delete(actor: Actor, binding_id: str, now: datetime) -> None:
    """Take a role away. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, binding_id)
        row.delete_instance()
        target = Target("role_binding.deleted", "role_binding", row.id)
        audited(actor, target, now, before=snapshot(row))


def delete_all(actor: Actor, principal_kind: str, principal_id: str, now: datetime) -> None:
    """Take every role of a principal away, when it leaves."""
    with change():
        rows = RoleBinding.select(RoleBinding.id).where(
            RoleBinding.organization_id == actor.organization_id,
            RoleBinding.principal_kind == principal_kind,
            RoleBinding.principal_id == principal_id,
        )
        for row in list(rows):
            delete(actor, row.id, now)


def delete_at(actor: Actor, scope: str, scope_id: str, now: datetime) -> None:
    """Take away every role at a scope, when the scope goes."""
    with change():
        rows = RoleBinding.select(RoleBinding.id).where(
            RoleBinding.organization_id == actor.organization_id,
            RoleBinding.scope == scope,
            RoleBinding.scope_id == scope_id,
        )
        for row in list(rows):
            delete(actor, row.id, now)


def find(organization_id: str, binding_id: str) -> RoleBinding:
    """Return a binding of this organization. Raises Refused(NOT_FOUND)."""
    row = RoleBinding.get_or_none(
        RoleBinding.id == binding_id, RoleBinding.organization_id == organization_id
    )
    if row is None:
        raise not_found("role binding")
    return row


def _same(new: NewBinding) -> RoleBinding | None:
    row: RoleBinding | None = RoleBinding.get_or_none(
        *(getattr(RoleBinding, field) == value for field, value in asdict(new).items())
    )
    return row


def _check(actor: Actor, new: NewBinding) -> Complaints:
    complaints, organization_id = Complaints(), actor.organization_id
    complaints.add("principal", _principal_error(organization_id, new))
    complaints.add("role", role_error(organization_id, new.role, new.custom_role_id, TEAM_ROLES))
    if new.scope not in SCOPES:
        complaints.add("scope", f"Choose one of {', '.join(SCOPES)}.")
        return complaints
    complaints.add("scope", scope_error(organization_id, new.scope, new.scope_id))
    complaints.add("scope", _personal_error(new))
    if new.role == CUSTOM and new.scope != "organization" and not complaints.errors:
        lost = misplaced(CustomRole.get_by_id(new.custom_role_id).permissions)
        complaints.need(
            not lost,
            "scope",
            f"This role holds {', '.join(lost[:3])}, which the organization alone can grant.",
        )
    if not (complaints.errors or _is_first_of_key(new)):
        beyond = role_beyond(actor, new.role, new.custom_role_id, _place(new))
        complaints.add("role", beyond)
    return complaints


def _is_first_of_key(new: NewBinding) -> bool:
    """Say whether a binding takes from an API key, as its first does; each one after that adds to it."""
    if new.principal_kind != API_KEY:
        return False
    return not ApiKey.get_by_id(new.principal_id).is_bound


def _place(new: NewBinding) -> Place:
    if new.scope == "organization":
        return EVERYWHERE
    if new.scope == "team":
        return Place(new.scope_id)
    return Place(Project.get_by_id(new.scope_id).team_id, new.scope_id)


def _principal_error(organization_id: str, new: NewBinding) -> str:
    if new.principal_kind == USER:
        member = Member.select().where(
            Member.organization_id == organization_id, Member.user_id == new.principal_id
        )
        return "" if member.exists() else "There is no such person."
    models: dict[str, tuple[Any, str]] = {
        GROUP: (Group, "group"),
        SERVICE_ACCOUNT: (ServiceAccount, "service account"),
        API_KEY: (ApiKey, "API key"),
    }
    if new.principal_kind not in models:
        return f"Choose one of {', '.join(PRINCIPAL_KINDS)}."
    model, what = models[new.principal_kind]
    found = model.select().where(
        model.id == new.principal_id, model.organization_id == organization_id
    )
    return "" if found.exists() else f"There is no such {what}."


def _personal_error(new: NewBinding) -> str:
    models: dict[str, Any] = {"team": Team, "project": Project}
    if new.scope not in models:
        return ""
    row = models[new.scope].get_or_none(models[new.scope].id == new.scope_id)
    is_personal = row is not None and row.is_personal
    return "A personal workspace has no one but its owner." if is_personal else ""
