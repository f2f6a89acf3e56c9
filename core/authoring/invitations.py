"""Offers places to e-mail addresses: a link that works once and expires. Sending it is the web app's work."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from core.authoring import people, team_members, teams
from core.authoring.actor import Actor
from core.authoring.custom_roles import role_error
from core.authoring.delegation import grants_beyond, role_beyond
from core.authoring.departments import department_error
from core.authoring.people import NewUser
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, email_error, invalid, name_error, not_found
from core.fault import Fault, Refused
from core.ids import new_id, new_token
from core.models import Invitation, Member, User
from core.secrets import Secret, peppered_hash, peppered_hashes
from rules.permissions import ROLES, TEAM_ROLES, Place, organization_grant

LIFETIME = timedelta(days=7)
MOST_TEAMS = 50
MOST_PEOPLE = 500
HERE_ALREADY = "Somebody has this e-mail address already."


@dataclass(frozen=True, slots=True)
class TeamPlace:
    """A team to join and the role there; a custom one is named by its id."""

    team_id: str
    role: str
    custom_role_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """A place to offer. ``name`` is what the form of whoever opens the link begins with."""

    email: str
    role: str
    teams: tuple[TeamPlace, ...] = ()
    name: str = ""
    department_id: str | None = None

    @property
    def address(self) -> str:
        """The address as it is stored: in lower case."""
        return self.email.strip().lower()


def create(
    actor: Actor, new: NewInvitation, pepper: Secret, now: datetime
) -> tuple[Invitation, Secret]:
    """Invite an address and return the link's token, which can't be read again. Raises Refused.

    An earlier invitation of the same address stops working.
    """
    with change():
        _check(actor, new).refuse_any()
        return _offered(actor, new, pepper, now)


def create_many(
    actor: Actor, wanted: Sequence[NewInvitation], pepper: Secret, now: datetime
) -> list[tuple[Invitation, Secret]]:
    """Invite everybody or nobody; each has an audit row of their own. Raises Refused.

    A complaint is filed under ``people[3].email``: who of the list, counted from 0, and what about them.
    """
    if not 0 < len(wanted) <= MOST_PEOPLE:
        raise invalid({"people": f"Invite 1 to {MOST_PEOPLE} people at once."})
    with change():
        complaints, seen = Complaints(), set[str]()
        for number, new in enumerate(wanted):
            found = _check(actor, new)
            found.need(new.address not in seen, "email", "This address is in the list twice.")
            seen.add(new.address)
            for field, sentence in found.errors.items():
                complaints.add(f"people[{number}].{field}", sentence)
        complaints.refuse_any()
        return [_offered(actor, new, pepper, now) for new in wanted]


def renew(
    actor: Actor, invitation_id: str, pepper: Secret, now: datetime
) -> tuple[Invitation, Secret]:
    """Give an open invitation a fresh link; the one before stops working. Raises Refused."""
    with change():
        row = find_open(actor.organization_id, invitation_id)
        # The link goes to whoever renews it.
        _beyond(actor, row.role, live_teams(row)).refuse_any()
        before, token = snapshot(row), Secret(new_token())
        row.token_hash = peppered_hash(pepper, token.reveal())
        row.expires_at = now + LIFETIME
        row.save()
        audited(actor, _target("renewed", row), now, before, snapshot(row))
    return row, token


def cancel(actor: Actor, invitation_id: str, now: datetime) -> None:
    """Take an open invitation back. Raises Refused(NOT_FOUND)."""
    with change():
        row = find_open(actor.organization_id, invitation_id)
        before = snapshot(row)
        row.cancelled_at = now
        row.save()
        audited(actor, _target("cancelled", row), now, before, snapshot(row))


def cancel_all_for(actor: Actor, email: str, now: datetime) -> None:
    """Take back whatever an address was offered here."""
    with change():
        rows = Invitation.select(Invitation.id).where(
            Invitation.organization_id == actor.organization_id,
            Invitation.email == email,
            _is_open(),
        )
        for row in list(rows):
            cancel(actor, row.id, now)


def opened(pepper: Secret, token: str, now: datetime) -> Invitation:
    """Return the invitation that a link's token opens. Raises Refused(NOT_FOUND) for a used or late one."""
    row: Invitation | None = Invitation.get_or_none(
        Invitation.token_hash.in_(peppered_hashes(pepper, token)), _is_open()
    )
    if row is None or row.expires_at <= now:
        raise Refused(
            Fault.NOT_FOUND,
            "This invitation has been used, taken back, or has expired.",
            remedy="Sign in if you have joined already; else ask an administrator for another.",
        )
    return row


def accept(
    pepper: Secret, token: Secret, name: str, password: Secret, ip_address: str, now: datetime
) -> User:
    """Spend an invitation on a new member with a password. Raises Refused."""
    with change():
        invitation = opened(pepper, token.reveal(), now)
        new = NewUser(invitation.email, name, invitation.role, password)
        return join(invitation, new, ip_address, now)


def join(invitation: Invitation, new: NewUser, ip_address: str, now: datetime) -> User:
    """Make a person a member as an invitation says; also for people whom a company's sign-in vouches for."""
    with change():
        actor = Actor(invitation.organization_id, invitation.id, "web", ip_address)
        user = people.create(actor, replace(new, department_id=_live_department(invitation)), now)
        for place in live_teams(invitation):
            team_members.put(actor, place.team_id, user.id, place.role, now, place.custom_role_id)
        before = snapshot(invitation)
        invitation.accepted_at = now
        invitation.save()
        audited(actor, _target("accepted", invitation), now, before, snapshot(invitation))
    return user


def open_for(organization_id: str, email: str, now: datetime) -> Invitation | None:
    """Return the invitation that waits for an address."""
    row: Invitation | None = Invitation.get_or_none(
        Invitation.organization_id == organization_id,
        Invitation.email == email.strip().lower(),
        Invitation.expires_at > now,
        _is_open(),
    )
    return row


def find_open(organization_id: str, invitation_id: str) -> Invitation:
    """Return an invitation that waits to be accepted. Raises Refused(NOT_FOUND)."""
    row: Invitation | None = Invitation.get_or_none(
        Invitation.id == invitation_id, Invitation.organization_id == organization_id, _is_open()
    )
    if row is None:
        raise not_found("open invitation")
    return row


def live_teams(invitation: Invitation) -> Sequence[TeamPlace]:
    """Return the teams to join that are still there, with the role in each, if that is."""
    found = []
    for stored in invitation.teams:
        place = TeamPlace(stored["team_id"], stored["role"], stored.get("custom_role_id"))
        if not _place_error(invitation.organization_id, place):
            found.append(place)
    return found


def _offered(
    actor: Actor, new: NewInvitation, pepper: Secret, now: datetime
) -> tuple[Invitation, Secret]:
    cancel_all_for(actor, new.address, now)
    token = Secret(new_token())
    row = Invitation.create(
        id=new_id("invite", now),
        organization_id=actor.organization_id,
        email=new.address,
        name=new.name.strip(),
        role=new.role,
        department_id=new.department_id,
        teams=[_stored(place) for place in new.teams],
        token_hash=peppered_hash(pepper, token.reveal()),
        invited_by_id=actor.actor_id,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    audited(actor, _target("created", row), now, after=snapshot(row))
    return row, token


def _live_department(invitation: Invitation) -> str | None:
    department_id: str | None = invitation.department_id
    is_gone = department_error(invitation.organization_id, department_id, None)
    return None if is_gone else department_id


def _stored(place: TeamPlace) -> dict[str, str]:
    own = {"custom_role_id": place.custom_role_id} if place.custom_role_id else {}
    return {"team_id": place.team_id, "role": place.role} | own


def _is_open() -> Any:
    return Invitation.accepted_at.is_null() & Invitation.cancelled_at.is_null()


def _check(actor: Actor, new: NewInvitation) -> Complaints:
    complaints, organization_id = Complaints(), actor.organization_id
    complaints.add("email", email_error(new.address))
    complaints.add("name", name_error(new.name) if new.name.strip() else "")
    complaints.need(new.role in ROLES, "role", f"Choose one of {', '.join(ROLES)}.")
    user: User | None = User.get_or_none(User.email == new.address)
    is_member = user is not None and Member.select().where(Member.user_id == user.id).exists()
    complaints.need(not is_member, "email", HERE_ALREADY)
    complaints.add("department_id", department_error(organization_id, new.department_id, None))
    complaints.need(len(new.teams) <= MOST_TEAMS, "teams", f"Choose at most {MOST_TEAMS} teams.")
    for place in new.teams[:MOST_TEAMS]:
        complaints.add("teams", _place_error(organization_id, place))
    for field, sentence in _beyond(actor, new.role, new.teams[:MOST_TEAMS]).errors.items():
        complaints.add(field, sentence)
    return complaints


def _beyond(actor: Actor, role: str, places: Sequence[TeamPlace]) -> Complaints:
    """Complain about what an invitation would give beyond what the actor holds."""
    complaints = Complaints()
    complaints.add("role", grants_beyond(actor, (organization_grant(role),)))
    for place in places:
        beyond = role_beyond(actor, place.role, place.custom_role_id, Place(place.team_id))
        complaints.add("teams", beyond)
    return complaints


def _place_error(organization_id: str, place: TeamPlace) -> str:
    own = place.custom_role_id or ""
    wrong_role = role_error(organization_id, place.role, own, TEAM_ROLES)
    return wrong_role or _team_error(organization_id, place.team_id)


def _team_error(organization_id: str, team_id: str) -> str:
    try:
        teams.refuse_personal(teams.find(organization_id, team_id))
    except Refused:
        return "There is no such team."
    return ""


def _target(verb: str, row: Invitation) -> Target:
    return Target(f"invitation.{verb}", "invitation", row.id)
