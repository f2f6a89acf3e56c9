"""Loads what a principal holds: roles in the organization, in teams and through bindings. Judges nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import JOIN

from core.models import ApiKey, CustomRole, GroupMember, Project, RoleBinding, Team, TeamMember
from rules.permissions import (
    ADMIN,
    EVERYWHERE,
    EXTERNAL,
    VIEWER,
    Grant,
    Grants,
    Place,
    bound_grant,
    mask_of,
    masked,
    narrowed,
    organization_grant,
    own_grant,
)

USER = "user"
GROUP = "group"
SERVICE_ACCOUNT = "service_account"
API_KEY = "api_key"


def person_grants(organization_id: str, user_id: str, role: str) -> Grants:
    """Return what a member holds, in two statements; in none for an administrator, who holds everything."""
    own = organization_grant(role)
    if role == ADMIN:
        return (own,)
    groups = GroupMember.select(GroupMember.group_id).where(
        GroupMember.organization_id == organization_id, GroupMember.user_id == user_id
    )
    is_theirs = ((RoleBinding.principal_kind == USER) & (RoleBinding.principal_id == user_id)) | (
        (RoleBinding.principal_kind == GROUP) & RoleBinding.principal_id.in_(groups)
    )
    bound = _bindings(organization_id, is_theirs)
    return (own, *_team_grants(organization_id, user_id, role), *bound)


def service_account_grants(organization_id: str, account_id: str) -> Grants:
    """Return what a service account holds: its bindings alone. One statement."""
    return principal_grants(organization_id, SERVICE_ACCOUNT, account_id)


def principal_grants(organization_id: str, kind: str, principal_id: str) -> Grants:
    """Return what the bindings of one principal grant, in one statement."""
    is_theirs = (RoleBinding.principal_kind == kind) & (RoleBinding.principal_id == principal_id)
    return _bindings(organization_id, is_theirs)


def key_grants(key: ApiKey, owner: Grants) -> Grants:
    """Return what an API key holds of its owner's grants: as far as its mode, and its bindings if it ever had any."""
    own = principal_grants(key.organization_id, API_KEY, key.id)
    held = masked(owner, mask_of(key.permission_mode, key.scopes))
    return narrowed(held, own) if own or key.is_bound else held


def _team_grants(organization_id: str, user_id: str, role: str) -> Iterable[Grant]:
    rows = (
        TeamMember.select(
            TeamMember.team_id, TeamMember.role, Team.is_personal, CustomRole.permissions
        )
        .join(Team, on=(Team.id == TeamMember.team_id))
        .join(CustomRole, JOIN.LEFT_OUTER, on=(CustomRole.id == TeamMember.custom_role_id))
        .where(
            TeamMember.organization_id == organization_id,
            TeamMember.user_id == user_id,
            Team.archived_at.is_null(),
        )
    )
    found: Any = rows.tuples()
    for team_id, team_role, is_personal, custom in found:
        # Somebody external keeps their workspace, and only looks at it.
        held = VIEWER if role == EXTERNAL and is_personal else team_role
        granted = bound_grant(held, custom or (), Place(team_id))
        yield own_grant(granted) if is_personal else granted


def _bindings(organization_id: str, is_theirs: Any) -> Grants:
    rows = (
        RoleBinding.select(
            RoleBinding.role,
            RoleBinding.scope,
            RoleBinding.scope_id,
            Project.team_id,
            CustomRole.permissions,
        )
        .join(Project, JOIN.LEFT_OUTER, on=(Project.id == RoleBinding.scope_id))
        .switch(RoleBinding)
        .join(CustomRole, JOIN.LEFT_OUTER, on=(CustomRole.id == RoleBinding.custom_role_id))
        .where(RoleBinding.organization_id == organization_id, is_theirs)
    )
    found: Any = rows.tuples()
    return tuple(
        bound_grant(role, custom or (), _place(scope, scope_id, team_id or ""))
        for role, scope, scope_id, team_id, custom in found
    )


def _place(scope: str, scope_id: str, team_id: str) -> Place:
    if scope == "organization":
        return EVERYWHERE
    return Place(scope_id) if scope == "team" else Place(team_id, scope_id)
