"""Where things are, for routes that ask a permission at the scope of what their address names. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.authoring import (
    budgets,
    guardrails,
    increases,
    policy_rule_sets,
    privacy,
    projects,
    routing_policies,
    teams,
    virtual_keys,
)
from core.models import Budget, Project, VirtualKey
from rules.permissions import EVERYWHERE, Place


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


def budget_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the budget that ``budget_id`` names. Raises Refused(NOT_FOUND)."""
    row = budgets.find(organization_id, arguments["budget_id"])
    return place_of_budget(row, *homes_of([row]))


def increase_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the budget that a request is about. Raises Refused(NOT_FOUND)."""
    row = increases.find(organization_id, arguments["increase_id"])
    return budget_place(organization_id, {"budget_id": row.budget_id})


def privacy_rule_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the scope that a privacy rule stands at. Raises Refused(NOT_FOUND)."""
    row = privacy.find(organization_id, arguments["rule_id"])
    return _home(row)


def guardrail_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the scope that a guardrail stands at. Raises Refused(NOT_FOUND)."""
    return _home(guardrails.find(organization_id, arguments["guardrail_id"]))


def rule_set_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the scope that policy rules stand at. Raises Refused(NOT_FOUND)."""
    set_id = arguments.get("set_id") or arguments["policy_rule_set_id"]
    return _home(policy_rule_sets.find(organization_id, set_id))


def routing_policy_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the scope that a routing policy stands at. Raises Refused(NOT_FOUND)."""
    policy_id = arguments.get("policy_id") or arguments["routing_policy_id"]
    return _home(routing_policies.find(organization_id, policy_id))


def _home(row: Any) -> Place:
    """Return where a permission over a row's scope must be held; over a project that is gone, everywhere."""
    if row.scope == "project":
        project = Project.get_or_none(Project.id == row.scope_id)
        return EVERYWHERE if project is None else Place(project.team_id, project.id)
    return Place(row.scope_id) if row.scope == "team" else EVERYWHERE


Homes = tuple[dict[str, str], dict[str, str]]
"""The team of each project, and the project of each key, that some budgets stand at."""


def homes_of(rows: Sequence[Budget]) -> Homes:
    """Return what ``place_of_budget`` needs of any number of budgets, in two statements at most."""
    key_ids = [row.scope_id for row in rows if row.scope == "virtual_key"]
    keys: dict[str, str] = {}
    if key_ids:
        found = VirtualKey.select(VirtualKey.id, VirtualKey.project_id)
        keys = {row.id: row.project_id for row in found.where(VirtualKey.id.in_(key_ids))}
    project_ids = {row.scope_id for row in rows if row.scope == "project"} | set(keys.values())
    teams_: dict[str, str] = {}
    if project_ids:
        homes = Project.select(Project.id, Project.team_id).where(Project.id.in_(project_ids))
        teams_ = {row.id: row.team_id for row in homes}
    return teams_, keys


def place_at_scope(scope: str, scope_id: str) -> Place:
    """Return where a permission to make a budget at a scope must be held."""
    row = Budget(scope=scope, scope_id=scope_id)
    return place_of_budget(row, *homes_of([row]))


def place_of_budget(row: Budget, teams_: Mapping[str, str], keys: Mapping[str, str]) -> Place:
    """Return where a permission over a budget must be held: at its scope; for a person's, everywhere."""
    if row.scope == "team":
        return Place(row.scope_id)
    project_id = row.scope_id if row.scope == "project" else keys.get(row.scope_id, "")
    if row.scope in ("project", "virtual_key") and project_id in teams_:
        return Place(teams_[project_id], project_id)
    return EVERYWHERE
