"""Reads what privacy rules and retention policies stand at: names of scopes, and those that a viewer may choose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.authoring.privacy import PERMISSIONS
from core.bulk import among
from core.models import Department, Group, Project, Team
from rules.permissions import Place
from webapp.callers import Viewer
from webapp.queries.scopes import names_at

Scopes = list[tuple[str, str]]


def labels(organization_id: str, rows: Iterable[Any]) -> dict[tuple[str, str], str]:
    """Return what the scopes of some rows are called, archived ones too; four statements."""
    return {("organization", organization_id): "Whole organization", **names_at(rows)}


def places(organization_id: str, project_ids: Iterable[str]) -> dict[str, Place]:
    """Return where each of these projects is; one statement."""
    rows = Project.select(Project.id, Project.team_id).where(
        Project.organization_id == organization_id, among(Project.id, list(project_ids))
    )
    return {row.id: Place(row.team_id, row.id) for row in rows}


def place_at(scope: str, scope_id: str, projects: dict[str, Place]) -> Place:
    """Return where a permission over a scope must be held. A scope that is not there is held nowhere."""
    if scope == "team":
        return Place(scope_id)
    if scope == "project":
        return projects.get(scope_id, Place("-", scope_id))
    return Place()


def may_rule_at(who: Viewer, scope: str, scope_id: str, projects: dict[str, Place]) -> bool:
    """Say whether somebody may write a privacy rule at a scope."""
    return who.may(PERMISSIONS[scope], place_at(scope, scope_id, projects))


def refuse_rule_at(who: Viewer, scope: str, scope_id: str) -> None:
    """Raise Refused unless somebody may write a privacy rule at a scope; an unknown one is judged elsewhere."""
    permission = PERMISSIONS.get(scope)
    if permission:
        homes = places(who.organization_id, [scope_id])
        who.need_at(permission, place_at(scope, scope_id, homes), "rule")


def privacy_scopes(who: Viewer) -> Scopes:
    """Return where the viewer may write privacy rules, as ``scope:id`` and label; personal projects are their own."""
    found: Scopes = []
    organization_id = who.organization_id
    if who.may("organization:manage"):
        found.append((f"organization:{organization_id}", "Whole organization"))
        rows = Department.select().where(
            Department.organization_id == organization_id, Department.archived_at.is_null()
        )
        found += [
            (f"department:{row.id}", f"Department {row.name}")
            for row in rows.order_by(Department.name)
        ]
    return found + team_and_project_scopes(who, "team:manage", "project:update")


def audiences(organization_id: str) -> Scopes:
    """Return the groups and departments that may be let read, as ``kind:id`` and label; two statements."""
    groups = Group.select(Group.id, Group.name).where(Group.organization_id == organization_id)
    rows = Department.select(Department.id, Department.name).where(
        Department.organization_id == organization_id, Department.archived_at.is_null()
    )
    return [
        *((f"group:{row.id}", f"Group {row.name}") for row in groups.order_by(Group.name)),
        *(
            (f"department:{row.id}", f"Department {row.name}")
            for row in rows.order_by(Department.name)
        ),
    ]


def team_and_project_scopes(who: Viewer, team_permission: str, project_permission: str) -> Scopes:
    """Return the teams and projects at which the viewer holds a permission, in two statements."""
    teams = Team.select().where(
        Team.organization_id == who.organization_id, ~Team.is_personal, Team.archived_at.is_null()
    )
    projects = Project.select().where(
        Project.organization_id == who.organization_id,
        Project.archived_at.is_null(),
        Project.kind == "application",
        ~Project.is_personal | (Project.owner_user_id == who.user_id),
    )
    found = [
        (f"team:{row.id}", f"Team {row.name}")
        for row in teams.order_by(Team.name)
        if who.may(team_permission, Place(row.id))
    ]
    return found + [
        (f"project:{row.id}", f"Project {row.name}")
        for row in projects.order_by(Project.name)
        if who.may(project_permission, Place(row.team_id, row.id))
    ]
