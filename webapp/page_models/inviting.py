"""What the pages about invitations show: the forms, a list of people as it was judged, who waits. Looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring.people_lists import Judged, State
from core.models import Invitation
from rules.permissions import ROLES
from webapp.filters import plural
from webapp.page_models.settings_pages import Action, Cell, Field, FormPage, Row, Table

MEMBERS = "/settings/members"
ONE = f"{MEMBERS}/invite"
MANY = f"{MEMBERS}/invite-many"
PREVIEW = f"{MANY}/preview"
WAITING = f"{MEMBERS}/invitations"
EACH = "/settings/invitations"
ROLE_CHOICES = [(role, role.capitalize()) for role in ROLES]
ROLE_HELP = "Admins hold everything. Members and externals hold what teams and roles give them."
ROLE_TONES = {"admin": "accent", "external": "warning"}
COLUMNS = ("E-mail", "Role", "Invited by", "When", "State")
LIST_HELP = (
    "An address in each line, or columns as a spreadsheet has them: email, name, role, team, team role, department. "
    "Several teams stand with | between them. The first line may name the columns."
)
_BECOMES = {
    State.NEW: ("Is invited", "positive"),
    State.AGAIN: ("Gets a fresh link", "info"),
    State.HERE: ("Left out: is a member", ""),
    State.WRONG: ("Mistake", "critical"),
}
Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Offered:
    """What an invitation may name here, as pairs of value and label."""

    teams: Choices
    team_roles: Choices
    departments: Choices


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A line of a list and what becomes of it."""

    number: int
    who: str
    name: str
    role: str
    teams: Sequence[str]
    department: str
    outcome: str
    tone: str
    mistakes: Sequence[str]


@dataclass(frozen=True, slots=True)
class InviteManyPage:
    """The form for many people and the list as it was judged; ``sent`` is what the button that makes it sends."""

    form: FormPage
    lines: Sequence[PersonLine] = ()
    sent: Sequence[tuple[str, str]] = ()
    invited: int = 0
    wrong: int = 0
    make: str = MANY

    @property
    def invited_label(self) -> str:
        """How many people the button invites."""
        return plural(self.invited, "person", "people")

    @property
    def summary(self) -> str:
        """What the preview comes to, in a sentence."""
        if self.wrong:
            return (
                f"{plural(self.wrong, 'line', 'lines')} to put right first; nobody is invited yet"
            )
        left_out = len(self.lines) - self.invited
        others = f"; {plural(left_out, 'member', 'members')} left out" if left_out else ""
        return f"{self.invited_label} can be invited{others}"


def place_fields(offered: Offered) -> list[Field]:
    """Return the controls of what somebody becomes."""
    fields = [
        Field("role", "Role", "select", ROLE_HELP, ROLE_CHOICES),
        Field("department_id", "Department", "select", options=offered.departments),
    ]
    if offered.teams:
        fields += [
            Field("teams", "Teams to join", "checks", options=offered.teams, required=False),
            Field("team_role", "Role in these teams", "select", options=offered.team_roles),
        ]
    return fields


def judged_lines(found: Sequence[Judged], offered: Offered) -> list[PersonLine]:
    """Return the lines as the preview shows them: mistakes first, so that nobody looks for them."""
    lines = [_line(each, offered) for each in found]
    return sorted(lines, key=lambda line: not line.mistakes)


def _line(found: Judged, offered: Offered) -> PersonLine:
    outcome, tone = _BECOMES[found.state]
    teams, roles = dict(offered.teams), dict(offered.team_roles)
    places = [
        f"{teams[each.team_id]} · {_role_label(each.role, each.custom_role_id, roles)}"
        for each in found.offer.teams
        if each.team_id in teams
    ]
    return PersonLine(
        found.line.number,
        found.offer.email or found.line.text,
        found.offer.name,
        found.offer.role.capitalize(),
        places,
        dict(offered.departments).get(found.offer.department_id or "", ""),
        outcome,
        tone,
        found.mistakes,
    )


def _role_label(role: str, custom_role_id: str | None, roles: Mapping[str, str]) -> str:
    return roles.get(f"custom:{custom_role_id}" if custom_role_id else role, role)


def invitations_table(
    rows: Sequence[Invitation], inviters: Mapping[str, tuple[str, str]], now: datetime, **more: Any
) -> Table:
    """Return the invitations that wait; ``inviters`` are names by id."""
    shown = [_waiting(row, inviters, now) for row in rows]
    return Table("invitations", "Invitations", COLUMNS, shown, "Nobody is waited for.", **more)


def _waiting(row: Invitation, inviters: Mapping[str, tuple[str, str]], now: datetime) -> Row:
    path = f"{EACH}/{row.id}"
    state = ("Expired", "warning") if row.expires_at <= now else ("Waiting", "info")
    cells = (
        Cell(row.email, note=row.name),
        Cell(row.role.capitalize(), "badge", ROLE_TONES.get(row.role, "")),
        Cell(inviters.get(row.invited_by_id, (row.invited_by_id, ""))[0]),
        Cell(look="time", moment=row.created_at),
        Cell(state[0], "badge", state[1]),
    )
    actions = (
        Action(
            "rotate",
            f"Resend to {row.email}",
            post=f"{path}/renew",
            title="Make a fresh link?",
            body="The link before stops working.",
            yes="Make a link",
            is_danger=False,
            opens_drawer=True,
        ),
        Action(
            "x",
            f"Cancel the invitation of {row.email}",
            post=f"{path}/cancel",
            title="Take the invitation back?",
            body="Its link stops working at once.",
            yes="Take it back",
        ),
    )
    return Row(row.id, cells, actions)
