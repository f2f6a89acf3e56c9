"""Reads what forms offer to choose from: departments, teams, custom roles. Personal and hidden things are left out."""

from __future__ import annotations

from core.models import CustomRole, Department, Team
from rules.permissions import Reach

Choices = list[tuple[str, str]]
NO_DEPARTMENT = ("", "Unassigned")


def departments(organization_id: str, kept: str | None = None) -> Choices:
    """Return the departments in use, and the one kept if it was archived since."""
    rows = Department.select().where(
        Department.organization_id == organization_id,
        Department.archived_at.is_null() | (Department.id == (kept or "")),
    )
    return [NO_DEPARTMENT, *((row.id, row.name) for row in rows.order_by(Department.name))]


def department_names(organization_id: str) -> dict[str, str]:
    """Return the name of every department in use by id; an archived one counts as none."""
    rows = Department.select(Department.id, Department.name).where(
        Department.organization_id == organization_id, Department.archived_at.is_null()
    )
    return {row.id: row.name for row in rows}


def shared_teams(organization_id: str, within: Reach, kept: str = "") -> Choices:
    """Return the shared teams within reach, and the one kept."""
    rows = Team.select(Team.id, Team.name).where(
        Team.organization_id == organization_id, ~Team.is_personal, Team.archived_at.is_null()
    )
    if not within.is_everywhere:
        rows = rows.where(Team.id.in_([*within.team_ids, kept]))
    return [(row.id, row.name) for row in rows.order_by(Team.name)]


def custom_roles(organization_id: str) -> Choices:
    """Return the organization's own roles."""
    rows = CustomRole.select(CustomRole.id, CustomRole.name).where(
        CustomRole.organization_id == organization_id
    )
    return [(row.id, row.name) for row in rows.order_by(CustomRole.name)]


def role_choices(organization_id: str) -> Choices:
    """Return the roles that a team or a binding may give: the built-in ones and ``custom:<id>``."""
    own = [(f"custom:{role_id}", name) for role_id, name in custom_roles(organization_id)]
    return [("viewer", "Viewer"), ("member", "Member"), ("admin", "Admin"), *own]


def role_and_custom(chosen: str) -> tuple[str, str | None]:
    """Return the role and the custom role's id that a choice stands for."""
    role, _, custom_id = chosen.partition(":")
    return role, custom_id or None


def role_label(role: str, custom_role_id: str | None, names: dict[str, str]) -> str:
    """Return how a role is written on a page."""
    return names.get(custom_role_id or "", "Custom") if role == "custom" else role.capitalize()
