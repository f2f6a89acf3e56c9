"""Judges a pasted list of people: whom it would invite, as what, and what is wrong in which line. Writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from core.authoring.invitations import MOST_PEOPLE, MOST_TEAMS, NewInvitation, TeamPlace
from core.authoring.validation import email_error, invalid, name_error
from core.models import CustomRole, Department, Invitation, Member, Team, User
from rules import people_list
from rules.people_list import DEPARTMENT, EMAIL, NAME, ROLE, TEAM_ROLE, Line
from rules.permissions import CUSTOM, ROLES, TEAM_ROLES

_SHOWN_CHARACTERS = 60
_BUILT_IN = tuple(role for role in TEAM_ROLES if role != CUSTOM)


class State(Enum):
    """What becomes of a line."""

    NEW = "new"
    AGAIN = "again"
    """Invited already: they get a fresh link, and the one before stops working."""
    HERE = "here"
    """A member already: they are left out."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for whoever's line says nothing else."""

    role: str
    teams: tuple[TeamPlace, ...] = ()
    team_role: tuple[str, str | None] = ("member", None)
    """Role and custom role in teams that a line names without a role."""
    department_id: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A line, what it offers, and what is wrong with it."""

    line: Line
    state: State
    offer: NewInvitation
    mistakes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    """Whatever lines name, by the names people write, in lower case; and who is here or invited already."""

    teams: Mapping[str, Sequence[str]]
    roles: Mapping[str, str]
    departments: Mapping[str, str]
    members: frozenset[str]
    invited: frozenset[str]
    seen: dict[str, int] = field(default_factory=dict)
    """The line in which an address stands first."""


def judged(organization_id: str, text: str, defaults: Defaults, now: datetime) -> list[Judged]:
    """Return every line of a list with what would become of it, in a number of statements that stays the same.

    Raises Refused(VALIDATION_ERROR) for a list of nobody, or of more people than may be invited at once.
    """
    lines = people_list.lines_of(text)
    if not lines:
        raise invalid({"people": "Name at least one person."})
    if len(lines) > MOST_PEOPLE:
        raise invalid({"people": f"These are {len(lines):,} people; invite {MOST_PEOPLE} at once."})
    known = _known(organization_id, {line.cell(EMAIL).lower() for line in lines}, now)
    return [_judged(line, defaults, known) for line in lines]


def _judged(line: Line, defaults: Defaults, known: _Known) -> Judged:
    if line.mistake:
        return Judged(line, State.WRONG, NewInvitation("", ""), (line.mistake,))
    mistakes: list[str] = []
    email = line.cell(EMAIL).lower()
    mistakes.append(email_error(email) if email else "There is no address in this line.")
    if email and known.seen.setdefault(email, line.number) != line.number:
        mistakes.append(f"This address stands in line {known.seen[email]} already.")
    name = line.cell(NAME)
    mistakes.append(name_error(name) if name else "")
    role = line.cell(ROLE).lower() or defaults.role
    if role not in ROLES:
        mistakes.append(_unknown("role", line.cell(ROLE)) + f" Choose one of {', '.join(ROLES)}.")
    department_id = defaults.department_id
    if line.cell(DEPARTMENT):
        department_id = known.departments.get(line.cell(DEPARTMENT).lower())
        mistakes.append("" if department_id else _unknown("department", line.cell(DEPARTMENT)))
    places = _places(line, defaults, known, mistakes)
    offer = NewInvitation(email, role, places, name, department_id)
    found = tuple(each for each in mistakes if each)
    if found:
        return Judged(line, State.WRONG, offer, found)
    if email in known.members:
        return Judged(line, State.HERE, offer)
    return Judged(line, State.AGAIN if email in known.invited else State.NEW, offer)


def _places(
    line: Line, defaults: Defaults, known: _Known, mistakes: list[str]
) -> tuple[TeamPlace, ...]:
    """Return the teams of a line with the role there; what is wrong is added to the mistakes."""
    wanted, role = line.cell(TEAM_ROLE), defaults.team_role
    if wanted.lower() in _BUILT_IN:
        role = (wanted.lower(), None)
    elif wanted:
        own = known.roles.get(wanted.lower())
        mistakes.append("" if own else _unknown("role in a team", wanted))
        role = (CUSTOM, own)
    if not line.teams:
        return tuple(
            TeamPlace(place.team_id, *role) if wanted else place for place in defaults.teams
        )
    if len(line.teams) > MOST_TEAMS:
        mistakes.append(f"Name at most {MOST_TEAMS} teams.")
    places = []
    for name in line.teams[:MOST_TEAMS]:
        found = known.teams.get(name.lower(), ())
        if len(found) == 1:
            places.append(TeamPlace(found[0], *role))
        elif found:
            mistakes.append(f"Several teams are called “{_cut(name)}”; write the slug of one.")
        else:
            mistakes.append(_unknown("team", name))
    return tuple(places)


def _known(organization_id: str, emails: Iterable[str], now: datetime) -> _Known:
    addresses = list(emails)
    teams = Team.select(Team.id, Team.name, Team.slug).where(
        Team.organization_id == organization_id, ~Team.is_personal, Team.archived_at.is_null()
    )
    named: dict[str, set[str]] = {}
    for team in teams:
        named.setdefault(team.name.lower(), set()).add(team.id)
        named.setdefault(team.slug, set()).add(team.id)
    roles = CustomRole.select().where(CustomRole.organization_id == organization_id)
    departments = Department.select().where(
        Department.organization_id == organization_id, Department.archived_at.is_null()
    )
    members = User.select(User.email).join(Member, on=(Member.user_id == User.id))
    invited = Invitation.select(Invitation.email).where(
        Invitation.organization_id == organization_id,
        Invitation.email.in_(addresses),
        Invitation.accepted_at.is_null(),
        Invitation.cancelled_at.is_null(),
        Invitation.expires_at > now,
    )
    return _Known(
        teams={name: sorted(ids) for name, ids in named.items()},
        roles={role.name.lower(): role.id for role in roles},
        departments={each.name.lower(): each.id for each in departments},
        members=frozenset(user.email for user in members.where(User.email.in_(addresses))),
        invited=frozenset(each.email for each in invited),
    )


def _unknown(what: str, text: str) -> str:
    return f"There is no {what} “{_cut(text)}”."


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
