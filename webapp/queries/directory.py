"""Reads teams, projects, groups, roles and accounts for the settings pages, each list in a fixed number of reads."""

from __future__ import annotations

from typing import Any

from peewee import JOIN, fn

from core.models import (
    ApiKey,
    CustomRole,
    Group,
    GroupMember,
    Member,
    Project,
    RoleBinding,
    ServiceAccount,
    Team,
    TeamMember,
    User,
)
from rules.permissions import Reach
from webapp.queries.keyset import At, By, Part, part_of
from webapp.queries.people import matches

SHARED_PROJECT = "application"
_OFFERED = 1000


def teams_page(organization_id: str, within: Reach, search: str, at: At) -> Part:
    """Return shared teams by name with ``people`` and ``projects`` counted."""
    people = (
        TeamMember.select(fn.COUNT(TeamMember.id))
        .where(TeamMember.team_id == Team.id)
        .alias("people")
    )
    projects = (
        Project.select(fn.COUNT(Project.id))
        .where(
            Project.team_id == Team.id,
            Project.archived_at.is_null(),
            Project.kind == SHARED_PROJECT,
        )
        .alias("projects")
    )
    query = Team.select(Team, people, projects).where(
        Team.organization_id == organization_id, ~Team.is_personal, Team.archived_at.is_null()
    )
    if not within.is_everywhere:
        query = query.where(Team.id.in_(list(within.team_ids)))
    if search:
        query = query.where(matches(search, Team.name, Team.slug))
    return part_of(query, _by_name(Team), at)


def projects_page(organization_id: str, within: Reach, search: str, at: At) -> Part:
    """Return shared projects by name with ``team_name``."""
    query = (
        Project.select(Project, Team.name.alias("team_name"))
        .join(Team, on=(Team.id == Project.team_id))
        .where(
            Project.organization_id == organization_id,
            Project.kind == SHARED_PROJECT,
            ~Project.is_personal,
            Project.archived_at.is_null(),
        )
    )
    if not within.is_everywhere:
        is_within = Project.team_id.in_(list(within.team_ids)) | Project.id.in_(
            list(within.project_ids)
        )
        query = query.where(is_within)
    if search:
        query = query.where(matches(search, Project.name, Project.slug))
    return part_of(query, _by_name(Project), at)


def projects_of(team_id: str) -> list[Project]:
    """Return a team's projects by name."""
    rows = Project.select().where(
        Project.team_id == team_id,
        Project.archived_at.is_null(),
        Project.kind == SHARED_PROJECT,
    )
    return list(rows.order_by(Project.name))


def people_of_team(team_id: str) -> list[Any]:
    """Return a team's people by name: TeamMember rows with ``name``, ``email`` and ``is_off``."""
    rows = (
        TeamMember.select(
            TeamMember,
            User.name.alias("name"),
            User.email.alias("email"),
            Member.disabled_at.is_null(False).alias("is_off"),
        )
        .join(User, on=(User.id == TeamMember.user_id))
        .join(
            Member,
            on=(
                (Member.user_id == TeamMember.user_id)
                & (Member.organization_id == TeamMember.organization_id)
            ),
        )
        .where(TeamMember.team_id == team_id)
    )
    return list(rows.order_by(fn.LOWER(User.name)).limit(1000).objects())


def groups_page(organization_id: str, search: str, at: At) -> Part:
    """Return groups by name with ``people`` counted."""
    people = (
        GroupMember.select(fn.COUNT(GroupMember.id))
        .where(GroupMember.group_id == Group.id)
        .alias("people")
    )
    query = Group.select(Group, people).where(Group.organization_id == organization_id)
    if search:
        query = query.where(matches(search, Group.name))
    return part_of(query, _by_name(Group), at)


def people_of_group(group_id: str, limit: int = 1000) -> list[User]:
    """Return a group's people by name."""
    rows = (
        User.select(User.id, User.name, User.email)
        .join(GroupMember, on=(GroupMember.user_id == User.id))
        .where(GroupMember.group_id == group_id)
    )
    return list(rows.order_by(fn.LOWER(User.name)).limit(limit))


def custom_roles_of(organization_id: str) -> list[CustomRole]:
    """Return the organization's own roles by name."""
    rows = CustomRole.select().where(CustomRole.organization_id == organization_id)
    return list(rows.order_by(CustomRole.name))


def bindings_page(organization_id: str, at: At) -> Part:
    """Return role bindings, newest first, each with the names of its principal, scope and role; one statement."""
    kind = RoleBinding.principal_kind
    rows = (
        RoleBinding.select(
            RoleBinding,
            fn.COALESCE(User.name, Group.name, ServiceAccount.name, ApiKey.name).alias("principal"),
            fn.COALESCE(Team.name, Project.name).alias("place"),
            CustomRole.name.alias("custom_name"),
        )
        .join(User, JOIN.LEFT_OUTER, on=((User.id == RoleBinding.principal_id) & (kind == "user")))
        .switch(RoleBinding)
        .join(Group, JOIN.LEFT_OUTER, on=(Group.id == RoleBinding.principal_id))
        .switch(RoleBinding)
        .join(ServiceAccount, JOIN.LEFT_OUTER, on=(ServiceAccount.id == RoleBinding.principal_id))
        .switch(RoleBinding)
        .join(ApiKey, JOIN.LEFT_OUTER, on=(ApiKey.id == RoleBinding.principal_id))
        .switch(RoleBinding)
        .join(Team, JOIN.LEFT_OUTER, on=(Team.id == RoleBinding.scope_id))
        .switch(RoleBinding)
        .join(Project, JOIN.LEFT_OUTER, on=(Project.id == RoleBinding.scope_id))
        .switch(RoleBinding)
        .join(CustomRole, JOIN.LEFT_OUTER, on=(CustomRole.id == RoleBinding.custom_role_id))
        .where(RoleBinding.organization_id == organization_id)
    )
    return part_of(rows, (By(RoleBinding.id, "id", descending=True),), at)


def service_accounts_of(organization_id: str) -> list[ServiceAccount]:
    """Return the service accounts in use by name, as a control offers them."""
    rows = ServiceAccount.select().where(
        ServiceAccount.organization_id == organization_id, ServiceAccount.archived_at.is_null()
    )
    return list(rows.order_by(ServiceAccount.name).limit(_OFFERED))


def service_accounts_page(organization_id: str, at: At) -> Part:
    """Return the service accounts in use by name."""
    rows = ServiceAccount.select().where(
        ServiceAccount.organization_id == organization_id, ServiceAccount.archived_at.is_null()
    )
    return part_of(rows, _by_name(ServiceAccount), at)


def api_keys_page(organization_id: str, at: At, owner_id: str = "") -> Part:
    """Return API keys that are not revoked, newest first, with ``owner_name``."""
    rows = (
        ApiKey.select(ApiKey, fn.COALESCE(User.name, ServiceAccount.name).alias("owner_name"))
        .join(User, JOIN.LEFT_OUTER, on=(User.id == ApiKey.owner_id))
        .switch(ApiKey)
        .join(ServiceAccount, JOIN.LEFT_OUTER, on=(ServiceAccount.id == ApiKey.owner_id))
        .where(ApiKey.organization_id == organization_id, ApiKey.revoked_at.is_null())
    )
    if owner_id:
        rows = rows.where(ApiKey.owner_id == owner_id)
    return part_of(rows, (By(ApiKey.id, "id", descending=True),), at)


def _by_name(model: Any) -> tuple[By, By]:
    return By(model.name, "name", lower=True), By(model.id, "id")
