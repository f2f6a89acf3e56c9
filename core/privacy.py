"""Looks up which privacy holds for a key's calls or a source's deliveries. The cascade is ``rules.privacy``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from peewee import JOIN

from core.bulk import among
from core.models import (
    IngestionSource,
    Member,
    Organization,
    PrivacyRule,
    Project,
    Team,
    VirtualKey,
)
from rules.privacy import CATEGORIES, DEPARTMENT, STRIP_ALL, Place, Privacy, Rule, resolve

_COLUMNS = (
    *("scope", "scope_id", "is_personal_only", *CATEGORIES),
    *("drop_keys", "secret_patterns", "personal_data", "secrets", "audience"),
)


def rule_of(row: PrivacyRule) -> Rule:
    """Return a stored rule as the value that the cascade knows."""
    return Rule(
        row.scope,
        row.scope_id,
        {category: getattr(row, category) for category in CATEGORIES},
        bool(row.is_personal_only),
        tuple(row.drop_keys),
        tuple(row.secret_patterns),
        row.personal_data,
        row.secrets,
        tuple(row.audience),
    )


def for_keys(placed: Sequence[tuple[VirtualKey, Project]]) -> dict[str, Privacy]:
    """Return what holds for the calls of keys, by key; one statement, and two more where departments have rules."""
    told = _told({key.organization_id for key, _ in placed})
    homes = [
        each
        for each in placed
        if any(rule.scope == DEPARTMENT for rule in told[each[0].organization_id][1])
    ]
    departments = _departments(homes) if homes else {}
    found: dict[str, Privacy] = {}
    resolved: dict[Place, Privacy] = {}
    for key, project in placed:
        place = Place(
            key.organization_id,
            project.team_id,
            project.id,
            departments.get(key.id, ""),
            bool(project.is_personal),
        )
        if place not in resolved:
            resolved[place] = resolve(*told[key.organization_id], place)
        found[key.id] = resolved[place]
    return found


def for_source(source: IngestionSource) -> Privacy:
    """Return what holds for a source's deliveries: its team's, that team's department's, the organization's."""
    mode, rules = _told({source.organization_id})[source.organization_id]
    department_id = ""
    if source.team_id and any(rule.scope == DEPARTMENT for rule in rules):
        department_id = _team_department(source.team_id)
    return resolve(
        mode, rules, Place(source.organization_id, source.team_id or "", "", department_id)
    )


def _told(organization_ids: Collection[str]) -> dict[str, tuple[str, list[Rule]]]:
    """Return the content mode and the rules of organizations, in one statement."""
    columns = [getattr(PrivacyRule, name) for name in _COLUMNS]
    query: Any = (
        Organization.select(Organization.id, Organization.content_mode, *columns)
        .join(PrivacyRule, JOIN.LEFT_OUTER, on=(PrivacyRule.organization_id == Organization.id))
        .where(Organization.id.in_(organization_ids))
        .tuples()
    )
    # Without an organization there is nobody who allowed anything to be kept.
    found: dict[str, tuple[str, list[Rule]]] = {each: (STRIP_ALL, []) for each in organization_ids}
    for home, mode, *columns in query:
        rules = found[home][1]
        found[home] = (mode, rules)
        values = dict(zip(_COLUMNS, columns, strict=True))
        if values["scope"]:
            rules.append(rule_of(PrivacyRule(**values)))
    return found


def _departments(placed: Sequence[tuple[VirtualKey, Project]]) -> dict[str, str]:
    """Return whom the calls of keys count for: the person's department, else the team's, else the project's."""
    users = {key.principal_user_id for key, _ in placed if key.principal_user_id}
    members = Member.select(Member.organization_id, Member.user_id, Member.department_id).where(
        Member.organization_id.in_({key.organization_id for key, _ in placed}),
        among(Member.user_id, users),
        Member.department_id.is_null(False),
    )
    theirs = {(row.organization_id, row.user_id): row.department_id for row in members}
    teams = Team.select(Team.id, Team.department_id).where(
        Team.id.in_({project.team_id for _, project in placed})
    )
    of_teams = {row.id: row.department_id for row in teams}
    return {
        key.id: theirs.get((key.organization_id, key.principal_user_id or ""))
        or of_teams.get(project.team_id)
        or project.department_id
        or ""
        for key, project in placed
    }


def _team_department(team_id: str) -> str:
    team = Team.get_or_none(Team.id == team_id)
    return "" if team is None else team.department_id or ""
