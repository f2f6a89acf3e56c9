"""Which rules of a scope are within somebody's reach, and where they may make more. Judges no call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.models import Project
from rules.permissions import Reach
from webapp.callers import Viewer
from webapp.queries.privacy import place_at, places, team_and_project_scopes

Names = dict[tuple[str, str], str]


def judge(who: Viewer, rows: Sequence[Any]) -> Callable[[str, Any], bool]:
    """Return a function that says whether somebody holds a permission where a row stands; one statement."""
    homes = places(who.organization_id, [row.scope_id for row in rows if row.scope == "project"])
    return lambda permission, row: who.may(permission, place_at(row.scope, row.scope_id, homes))


def within_reach(model: Any, within: Reach) -> Any:
    """Return the condition that rows with a scope stand within reach."""
    if within.is_everywhere:
        return model.organization_id.is_null(False)
    teams, singles = list(within.team_ids), list(within.project_ids)
    projects = Project.select(Project.id).where(
        Project.team_id.in_(teams) | Project.id.in_(singles)
    )
    at_team = (model.scope == "team") & model.scope_id.in_(teams)
    return at_team | ((model.scope == "project") & model.scope_id.in_(projects))


def choices_for(who: Viewer, permission: str) -> Names:
    """Return the teams and projects for which somebody may make rules, by scope and id; two statements."""
    found = team_and_project_scopes(who, permission, permission)
    names: Names = {}
    for choice, label in found:
        scope, _, scope_id = choice.partition(":")
        names[scope, scope_id] = label
    return names


def refuse_at(who: Viewer, permission: str, scope: str, scope_id: str) -> None:
    """Raise Refused unless somebody holds a permission at a scope; an unknown scope is judged elsewhere."""
    if scope not in ("organization", "team", "project"):
        return
    homes = places(who.organization_id, [scope_id]) if scope == "project" else {}
    who.need_at(permission, place_at(scope, scope_id, homes), "rule")
