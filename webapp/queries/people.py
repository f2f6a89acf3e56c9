"""Reads members, invitations and who is where, a page at a time and in a number of statements that stays the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from peewee import fn

from core.database import is_sqlite
from core.models import Invitation, Member, Team, TeamMember, User
from webapp.queries.keyset import At, By, Part, counted_to, part_of
from webapp.queries.searched import people_found


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member as lists show them."""

    user_id: str
    name: str
    email: str
    role: str
    department_id: str | None
    disabled_at: datetime | None
    has_password: bool


BY_NAME = (By(User.name, "name", lower=True), By(User.id, "id"))


def members_page(organization_id: str, search: str, at: At) -> tuple[Part, int]:
    """Return members by name, and how many there are up to a bound; in two statements, a search in four."""
    query = (
        User.select()
        .join(Member, on=(User.id == Member.user_id))
        .where(Member.organization_id == organization_id)
    )
    if search:
        query = query.where(people_found(organization_id, search).among(Member.user_id))
    total = counted_to(query)
    rows = query.select(
        User.id,
        User.name,
        User.email,
        Member.role,
        Member.department_id,
        Member.disabled_at,
        User.password_hash.is_null(False).alias("has_password"),
    )
    part = part_of(rows, BY_NAME, at)
    return replace(part, rows=[_row(row) for row in part.rows]), total


def _row(row: Any) -> MemberRow:
    return MemberRow(
        row.id,
        row.name,
        row.email,
        row.role,
        row.department_id,
        row.disabled_at,
        bool(row.has_password),
    )


def teams_of(organization_id: str, user_ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return, for each of these people, the shared teams they are in: name and role. One statement."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows: Any = (
        TeamMember.select(TeamMember.user_id, Team.name, TeamMember.role)
        .join(Team, on=(Team.id == TeamMember.team_id))
        .where(
            TeamMember.organization_id == organization_id,
            TeamMember.user_id.in_(list(user_ids)),
            Team.archived_at.is_null(),
            ~Team.is_personal,
        )
        .order_by(Team.name)
        .tuples()
    )
    for user_id, name, role in rows:
        found.setdefault(user_id, []).append((name, role))
    return found


def people_named(user_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return name and e-mail of these people by id, in one statement."""
    rows = User.select(User.id, User.name, User.email).where(User.id.in_(list(user_ids)))
    return {row.id: (row.name, row.email) for row in rows}


def open_invitations(organization_id: str, limit: int) -> list[Invitation]:
    """Return the invitations that wait, newest first."""
    return list(_waiting(organization_id).order_by(Invitation.id.desc()).limit(limit))


def invitations_page(organization_id: str, search: str, at: At) -> tuple[Part, int]:
    """Return the invitations that wait, newest first, and how many there are up to a bound; in two statements."""
    query = _waiting(organization_id)
    if search:
        query = query.where(matches(search, Invitation.email, Invitation.name))
    return part_of(query, (By(Invitation.id, "id", descending=True),), at), counted_to(query)


def _waiting(organization_id: str) -> Any:
    return Invitation.select().where(
        Invitation.organization_id == organization_id,
        Invitation.accepted_at.is_null(),
        Invitation.cancelled_at.is_null(),
    )


def matches(search: str, *columns: Any) -> Any:
    """Return the condition that a text stands in one of these columns, whatever its case. For small tables only."""
    return reduce(or_, (_holds(column, search.lower()) for column in columns))


def _holds(column: Any, text: str) -> Any:
    # Position, not LIKE: it needs no escaping, and a table that is searched in the middle is read whole anyway.
    position = fn.INSTR if is_sqlite() else fn.STRPOS
    return position(fn.LOWER(column), text) > 0
