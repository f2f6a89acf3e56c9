"""Reads the audit log of one organization: a page of rows, or all of them in batches. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from core.authoring.governance_project import KIND as HIDDEN
from core.models import AuditRow, Budget, Project, User, VirtualKey
from webapp.queries.searched import people_found

EXPORT_BATCH_ROWS = 5000
MOST_PROJECTS = 1000


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are asked for; an empty field asks for all."""

    who: str = ""
    """The beginnings of words of a name or e-mail address, or the start of an actor's id."""
    action: str = ""
    """Part of an action's code."""
    target_kind: str = ""
    target_id: str = ""
    since: datetime | None = None
    project_id: str = ""
    """Of the project itself, of whatever says that it stands in the project, and of its keys with their budgets."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows, newest first, and the id that the page of older rows begins below; 0 when there is none."""

    rows: list[AuditRow]
    people: dict[str, str]
    """E-mail address by user id, for the actors of these rows."""
    older: int


def audit_page(
    organization_id: str, wanted: AuditFilter, size: int, below_id: int = 0
) -> AuditPage:
    """Return up to ``size`` rows below an id, in two statements; in two more when somebody is asked for."""
    query = audit_rows(organization_id, wanted)
    if below_id:
        query = query.where(AuditRow.id < below_id)
    rows = list(query.order_by(AuditRow.id.desc()).limit(size + 1))
    shown = rows[:size]
    return AuditPage(shown, people_of(shown), shown[-1].id if len(rows) > size else 0)


def project_choices(organization_id: str) -> list[tuple[str, str]]:
    """Return the shared projects, archived ones too, by name."""
    rows = Project.select(Project.id, Project.name).where(
        Project.organization_id == organization_id, ~Project.is_personal, Project.kind != HIDDEN
    )
    return [(row.id, row.name) for row in rows.order_by(Project.name).limit(MOST_PROJECTS)]


def people_of(rows: Iterable[AuditRow]) -> dict[str, str]:
    """Return the e-mail address of each actor who is a person."""
    ids = {row.actor_id for row in rows}
    users: Iterable[Any] = User.select(User.id, User.email).where(User.id.in_(list(ids)))
    return {user.id: user.email for user in users}


def audit_batches(
    organization_id: str, wanted: AuditFilter
) -> Iterator[tuple[list[AuditRow], dict[str, str]]]:
    """Yield every row asked for, newest first, with the addresses of its actors, a bounded batch at a time."""
    below_id = 0
    while True:
        page = audit_page(organization_id, wanted, EXPORT_BATCH_ROWS, below_id)
        if page.rows:
            yield page.rows, page.people
        if not page.older:
            return
        below_id = page.older


def audit_rows(organization_id: str, wanted: AuditFilter) -> Any:
    """Return the query of every row asked for, in no order yet."""
    query = AuditRow.select().where(AuditRow.organization_id == organization_id)
    if wanted.action:
        query = query.where(AuditRow.action.contains(wanted.action))
    if wanted.target_kind:
        query = query.where(AuditRow.target_kind == wanted.target_kind)
    if wanted.target_id:
        query = query.where(AuditRow.target_id == wanted.target_id)
    if wanted.since is not None:
        query = query.where(AuditRow.created_at >= wanted.since)
    if wanted.project_id:
        query = query.where(_of_project(organization_id, wanted.project_id))
    if wanted.who:
        people = people_found(organization_id, wanted.who)
        query = query.where(
            people.among(AuditRow.actor_id) | AuditRow.actor_id.startswith(wanted.who)
        )
    return query


def _of_project(organization_id: str, project_id: str) -> Any:
    """Return the condition that a row is about a project or what is in it.

    Most rows name the project in their states. What the gateway writes of a key, such as what a policy blocked, and
    the budgets of a single key name only the key.
    """
    keys = VirtualKey.select(VirtualKey.id).where(
        VirtualKey.organization_id == organization_id, VirtualKey.project_id == project_id
    )
    budgets = Budget.select(Budget.id).where(
        Budget.organization_id == organization_id,
        Budget.scope == "virtual_key",
        Budget.scope_id.in_(keys),
    )
    is_its = AuditRow.target_id == project_id
    is_its |= AuditRow.target_id.in_(keys) | AuditRow.target_id.in_(budgets)
    for state in (fn.LOWER(AuditRow.before), fn.LOWER(AuditRow.after)):
        is_its |= state.contains(f'"{project_id.lower()}"')
    return is_its
