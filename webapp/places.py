"""Where things are, for routes that ask a permission at the scope of what their address names. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.authoring import projects, teams, virtual_keys
from core.models import Project
from rules.permissions import Place


def team_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the team that ``team_id`` names. Raises Refused(NOT_FOUND)."""
    return Place(teams.find(organization_id, arguments["team_id"]).id)


def project_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the project that ``project_id`` names. Raises Refused(NOT_FOUND)."""
    project = projects.find(organization_id, arguments["project_id"])
    return Place(project.team_id, project.id)


def virtual_key_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the virtual key that ``key_id`` names: its project. Raises Refused(NOT_FOUND)."""
    key = virtual_keys.find(organization_id, arguments["key_id"])
    return Place(Project.get_by_id(key.project_id).team_id, key.project_id)
