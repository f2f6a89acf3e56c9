"""Reads the names of what a rule may be about: teams, projects and sources of one organisation."""

from __future__ import annotations

from core.models import IngestionSource, Project, Team


def team_names(organization_id: str) -> dict[str, str]:
    """Return the name of every team by its id, in order of the names; archived ones too."""
    rows = Team.select(Team.id, Team.name).where(Team.organization_id == organization_id)
    return {row.id: row.name for row in rows.order_by(Team.name)}


def shared_team_names(organization_id: str) -> dict[str, str]:
    """Return the teams that something can be booked on: shared and not archived."""
    rows = Team.select(Team.id, Team.name).where(
        Team.organization_id == organization_id,
        ~Team.is_personal,
        Team.archived_at.is_null(),
    )
    return {row.id: row.name for row in rows.order_by(Team.name)}


def home_names(organization_id: str, *, is_live: bool = False) -> dict[tuple[str, str], str]:
    """Return the label of every team and project by scope and id, as ``scope_names``."""
    found = scope_names(organization_id, is_live=is_live)
    return {key: label for key, label in found.items() if key[0] != "source"}


def scope_names(organization_id: str, *, is_live: bool = False) -> dict[tuple[str, str], str]:
    """Return the label of every team, project and source by scope and id.

    With ``is_live`` only those a rule may be made for: not archived, not somebody's personal workspace.
    """
    found: dict[tuple[str, str], str] = {}
    for scope, model in (("team", Team), ("project", Project), ("source", IngestionSource)):
        rows = model.select(model.id, model.name).where(model.organization_id == organization_id)
        if is_live:
            rows = rows.where(model.archived_at.is_null())
        if is_live and "is_personal" in model._meta.fields:
            rows = rows.where(~model._meta.fields["is_personal"])
        for row in rows.order_by(model.name):
            found[scope, row.id] = f"{scope.capitalize()} {row.name}"
    return found
