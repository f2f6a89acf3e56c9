"""Looks up which privacy holds for a key's calls or a source's deliveries. The cascade is ``rules.privacy``."""

from __future__ import annotations

from typing import Any

from peewee import JOIN

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
    *("drop_keys", "secret_patterns"),
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
    )


def for_key(key: VirtualKey, project: Project) -> Privacy:
    """Return what holds for a key's calls; one statement, and two more where departments have rules."""
    mode, rules = _told(key.organization_id)
    department_id = ""
    if any(rule.scope == DEPARTMENT for rule in rules):
        department_id = _department_of(key.organization_id, key.principal_user_id, project)
    place = Place(
        key.organization_id,
        project.team_id,
        project.id,
        department_id,
        bool(project.is_personal),
    )
    return resolve(mode, rules, place)


def for_source(source: IngestionSource) -> Privacy:
    """Return what holds for a source's deliveries: its team's, that team's department's, the organisation's."""
    mode, rules = _told(source.organization_id)
    department_id = ""
    if source.team_id and any(rule.scope == DEPARTMENT for rule in rules):
        department_id = _team_department(source.team_id)
    return resolve(
        mode, rules, Place(source.organization_id, source.team_id or "", "", department_id)
    )


def _told(organization_id: str) -> tuple[str, list[Rule]]:
    columns = [getattr(PrivacyRule, name) for name in _COLUMNS]
    query: Any = (
        Organization.select(Organization.content_mode, *columns)
        .join(PrivacyRule, JOIN.LEFT_OUTER, on=(PrivacyRule.organization_id == Organization.id))
        .where(Organization.id == organization_id)
        .tuples()
    )
    rows = list(query)
    found = [dict(zip(_COLUMNS, row[1:], strict=True)) for row in rows]
    # Without an organisation there is nobody who allowed anything to be kept.
    mode = rows[0][0] if rows else STRIP_ALL
    return mode, [rule_of(PrivacyRule(**values)) for values in found if values["scope"]]


def _department_of(organization_id: str, user_id: str | None, project: Project) -> str:
    """Return whom a call counts for: the person's department, else the team's, else the project's."""
    if user_id:
        member = Member.get_or_none(
            Member.organization_id == organization_id, Member.user_id == user_id
        )
        if member is not None and member.department_id:
            return str(member.department_id)
    return _team_department(project.team_id) or project.department_id or ""


def _team_department(team_id: str) -> str:
    team = Team.get_or_none(Team.id == team_id)
    return "" if team is None else team.department_id or ""
