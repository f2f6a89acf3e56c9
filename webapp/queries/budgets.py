"""Reads budgets, and the names of what they stand at. Judges nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from core.authoring.governance_project import KIND as HIDDEN
from core.models import Budget, BudgetIncrease, Member, Project, Provider, Team, User, VirtualKey
from rules.permissions import Reach
from webapp.queries.keyset import At, By, Part, part_of

BY_NAME = (By(Budget.name, "name"), By(Budget.id, "id"))


def budgets_page(organization_id: str, within: Reach, at: At) -> Part:
    """Return budgets that are not archived and stand within reach, by name; one statement."""
    query = Budget.select().where(
        Budget.organization_id == organization_id, Budget.archived_at.is_null()
    )
    return part_of(query.where(reached(within)), BY_NAME, at)


def reached(within: Reach) -> Any:
    """Return the condition of ``places.place_of_budget``: at a team or project in reach, or at a key in one."""
    if within.is_everywhere:
        return Budget.id.is_null(False)
    teams, singles = list(within.team_ids), list(within.project_ids)
    projects = Project.select(Project.id).where(
        Project.team_id.in_(teams) | Project.id.in_(singles)
    )
    keys = VirtualKey.select(VirtualKey.id).where(VirtualKey.project_id.in_(projects))
    at_team = (Budget.scope == "team") & Budget.scope_id.in_(teams)
    at_project = (Budget.scope == "project") & Budget.scope_id.in_(projects)
    return at_team | at_project | ((Budget.scope == "virtual_key") & Budget.scope_id.in_(keys))


def personal_budgets(organization_id: str, user_id: str) -> list[Budget]:
    """Return the budgets that stand at one person."""
    rows = Budget.select().where(
        Budget.organization_id == organization_id,
        Budget.scope == "principal",
        Budget.scope_id == user_id,
        Budget.archived_at.is_null(),
    )
    return list(rows.order_by(Budget.name))


def labels_of(rows: Sequence[Budget]) -> dict[tuple[str, str], str]:
    """Return the name of what each budget stands at, by scope and id, and of its provider, as ("provider", id).

    One statement for each scope that occurs.
    """
    found: dict[tuple[str, str], str] = {}
    columns = (
        ("team", Team, Team.name),
        ("project", Project, Project.name),
        ("virtual_key", VirtualKey, VirtualKey.name),
        ("principal", User, User.name),
    )
    for scope, model, name in columns:
        ids = {row.scope_id for row in rows if row.scope == scope}
        if ids:
            query = model.select(model.id, name).where(model.id.in_(ids))
            found |= {(scope, row.id): row.name for row in query}
    return found | provider_labels(row.provider_id for row in rows)


def provider_labels(provider_ids: Iterable[str | None]) -> dict[tuple[str, str], str]:
    """Return the names of providers, as ("provider", id)."""
    ids = {provider_id for provider_id in provider_ids if provider_id}
    if not ids:
        return {}
    query = Provider.select(Provider.id, Provider.name).where(Provider.id.in_(ids))
    return {("provider", row.id): row.name for row in query}


def pending_increases(organization_id: str, within: Reach) -> Any:
    """Return the query of the requests that nobody has decided about budgets within reach, with ``budget_name``."""
    query = (
        BudgetIncrease.select(BudgetIncrease, Budget.name.alias("budget_name"))
        .join(Budget, on=(Budget.id == BudgetIncrease.budget_id))
        .where(
            BudgetIncrease.organization_id == organization_id,
            BudgetIncrease.status == "pending",
            Budget.archived_at.is_null(),
        )
    )
    return query.where(reached(within))


def increases_of(organization_id: str, user_id: str, limit: int = 20) -> list[BudgetIncrease]:
    """Return one person's requests, newest first."""
    rows = BudgetIncrease.select().where(
        BudgetIncrease.organization_id == organization_id,
        BudgetIncrease.requester_user_id == user_id,
    )
    return list(rows.order_by(BudgetIncrease.created_at.desc()).limit(limit))


def increases_by_link(budget_id: str, virtual_key_id: str, limit: int = 5) -> list[BudgetIncrease]:
    """Return what was asked for through links of one key for one budget, newest first."""
    rows = BudgetIncrease.select().where(
        BudgetIncrease.budget_id == budget_id, BudgetIncrease.virtual_key_id == virtual_key_id
    )
    return list(rows.order_by(BudgetIncrease.created_at.desc()).limit(limit))


MOST_CHOICES = 200
"""How many keys, and how many people, a control offers."""


def scope_choices(organization_id: str, within: Reach) -> tuple[list[tuple[str, str]], bool]:
    """Return what a budget may stand at, as ``scope:id`` and label, and whether that is all; in four statements.

    Without a reach over everything that is teams, projects and keys within it.
    """
    people = User.select(User.id, User.name, User.email).join(Member, on=Member.user_id == User.id)
    people = people.where(Member.organization_id == organization_id, Member.disabled_at.is_null())
    teams = Team.select(Team.id, Team.name).where(
        Team.organization_id == organization_id, Team.archived_at.is_null(), ~Team.is_personal
    )
    projects = Project.select(Project.id, Project.name).where(
        Project.organization_id == organization_id,
        Project.archived_at.is_null(),
        ~Project.is_personal,
        Project.kind != HIDDEN,
    )
    keys = VirtualKey.select(VirtualKey.id, VirtualKey.name).where(
        VirtualKey.organization_id == organization_id, VirtualKey.status != "revoked"
    )
    if not within.is_everywhere:
        team_ids, single_ids = list(within.team_ids), list(within.project_ids)
        people, teams = people.where(User.id.in_([])), teams.where(Team.id.in_(team_ids))
        projects = projects.where(Project.team_id.in_(team_ids) | Project.id.in_(single_ids))
        keys = keys.where(VirtualKey.project_id.in_(projects.select(Project.id)))
    some_keys = list(keys.order_by(VirtualKey.name).limit(MOST_CHOICES + 1))
    some_people = list(people.order_by(Member.id).limit(MOST_CHOICES + 1))
    is_all = max(len(some_keys), len(some_people)) <= MOST_CHOICES
    by_name = sorted(some_people[:MOST_CHOICES], key=lambda row: str(row.name))
    whole = [(f"organization:{organization_id}", "Whole organization")]
    choices = [
        *(whole if within.is_everywhere else []),
        *((f"team:{row.id}", f"Team {row.name}") for row in teams.order_by(Team.name)),
        *((f"project:{row.id}", f"Project {row.name}") for row in projects.order_by(Project.name)),
        *((f"virtual_key:{row.id}", f"Key {row.name}") for row in some_keys[:MOST_CHOICES]),
        *((f"principal:{row.id}", f"{row.name} ({row.email})") for row in by_name),
    ]
    return choices, is_all


def scope_named(organization_id: str, name: str) -> str | None:
    """Return what a name or an e-mail address stands for, as ``scope:id``; None for nothing."""
    person = (
        User.select(User.id)
        .join(Member, on=Member.user_id == User.id)
        .where(
            Member.organization_id == organization_id,
            Member.disabled_at.is_null(),
            User.email == name.lower(),
        )
        .first()
    )
    if person is not None:
        return f"principal:{person.id}"
    key = VirtualKey.get_or_none(
        VirtualKey.organization_id == organization_id,
        VirtualKey.name == name,
        VirtualKey.status != "revoked",
    )
    return None if key is None else f"virtual_key:{key.id}"


def provider_choices(organization_id: str) -> list[tuple[str, str]]:
    """Return the providers that a budget may be for."""
    rows = Provider.select(Provider.id, Provider.name).where(
        Provider.organization_id == organization_id, Provider.archived_at.is_null()
    )
    return [("", "All providers"), *((row.id, row.name) for row in rows.order_by(Provider.name))]
