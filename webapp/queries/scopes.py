"""Reads the names of what a rule may be about: teams, projects and sources of one organization."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.authoring.governance_project import KIND as HIDDEN
from core.bulk import among
from core.models import Department, IngestionSource, Project, Team

_KINDS: tuple[tuple[str, Any], ...] = (
    ("department", Department),
    ("team", Team),
    ("project", Project),
    ("source", IngestionSource),
)


def team_names(organization_id: str) -> dict[str, str]:
    """Return the name of every team by its id, in order of the names; archived ones too."""
    rows = Team.select(Team.id, Team.name).where(Team.organization_id == organization_id)
    return {row.id: row.name for row in rows.order_by(Team.name)}


def names_at(rows: Iterable[Any]) -> dict[tuple[str, str], str]:
    """Return the label of each scope that some rows stand at, archived ones too, by scope and id; four statements."""
    wanted = {(row.scope, row.scope_id) for row in rows}
    found: dict[tuple[str, str], str] = {}
    for scope, model in _KINDS:
        ids = [scope_id for kind, scope_id in wanted if kind == scope]
        named = model.select(model.id, model.name).where(among(model.id, ids))
        found |= {(scope, row.id): f"{scope.capitalize()} {row.name}" for row in named}
    return found


def shared_team_names(organization_id: str) -> dict[str, str]:
    """Return the teams that something can be booked on: shared and not archived."""
    rows = Team.select(Team.id, Team.name).where(
        Team.organization_id == organization_id,
        ~Team.is_personal,
        Team.archived_at.is_null(),
    )
    return {row.id: row.name for row in rows.order_by(Team.name)}


def home_names(organization_id: str) -> dict[tuple[str, str], str]:
    """Return the label of every team and project that a rule may be made for, as ``scope_names``."""
    found = scope_names(organization_id)
    return {key: label for key, label in found.items() if key[0] != "source"}


def scope_names(organization_id: str) -> dict[tuple[str, str], str]:
    """Return the label of every team, project and source that a rule may be made for, by scope and id.

    Not of what is archived, and not of anybody's personal workspace.
    """
    found: dict[tuple[str, str], str] = {}
    for scope, model in _KINDS[1:]:
        rows = model.select(model.id, model.name).where(
            model.organization_id == organization_id, model.archived_at.is_null()
        )
        if "is_personal" in model._meta.fields:
            rows = rows.where(~model._meta.fields["is_personal"])
        if model is Project:
            rows = rows.where(Project.kind != HIDDEN)
        for row in rows.order_by(model.name):
            found[scope, row.id] = f"{scope.capitalize()} {row.name}"
    return found
