"""``/api/governance``: members and invitations."""

from __future__ import annotations

import msgspec

from core.authoring import (
    invitations,
    offboarding,
    people,
)
from core.models import (
    Invitation,
    Member,
    User,
)
from webapp.api.endpoint import Body, Call, ListQuery, Moment, Page, Routes
from webapp.api.paging import page_of
from webapp.api.resource import columns_of
from webapp.api.shared import GOVERNANCE, MANAGE, Unset


class MemberOut(msgspec.Struct, kw_only=True):
    """A person in the organization; ``id`` is the person's."""

    id: str
    email: str
    name: str
    role: str
    department_id: str | None
    external_id: str | None
    is_disabled: bool
    revision: int
    created_at: Moment | None


class MemberChange(Body, kw_only=True):
    """What shall be different about a person."""

    name: str | Unset = msgspec.UNSET
    email: str | Unset = msgspec.UNSET
    role: str | Unset = msgspec.UNSET
    department_id: str | Unset | None = msgspec.UNSET


MEMBERS = Routes("Members", f"{GOVERNANCE}/members")


@MEMBERS.get("", MANAGE)
def list_members(call: Call, query: ListQuery) -> Page[MemberOut]:
    """List the people of the organization, disabled ones too."""
    rows = Member.select().where(Member.organization_id == call.organization_id)
    return page_of(query, rows, Member.id, _members, "members")


@MEMBERS.get("/<user_id>", MANAGE)
def get_member(call: Call, user_id: str) -> MemberOut:
    """Read a person's place in the organization."""
    return _member(*people.find(call.organization_id, user_id))


@MEMBERS.patch("/<user_id>", MANAGE)
def update_member(call: Call, user_id: str, body: MemberChange) -> MemberOut:
    """Change a person's name, address, role or department."""
    user, member = people.find(call.organization_id, user_id)
    wanted = people.Person(
        name=user.name if body.name is msgspec.UNSET else str(body.name),
        role=member.role if body.role is msgspec.UNSET else str(body.role),
        department_id=member.department_id
        if isinstance(body.department_id, Unset)
        else body.department_id,
        email=user.email if isinstance(body.email, Unset) else body.email,
        external_id=member.external_id,
    )
    people.change_person(call.actor, user_id, wanted, call.now, call.expected)
    return _member(*people.find(call.organization_id, user_id))


@MEMBERS.post("/<user_id>/disable", MANAGE)
def disable_member(call: Call, user_id: str) -> MemberOut:
    """Off-board a person: sessions end, virtual keys and API keys are revoked, at once."""
    offboarding.disable(call.actor, user_id, call.now)
    return _member(*people.find(call.organization_id, user_id))


@MEMBERS.post("/<user_id>/enable", MANAGE)
def enable_member(call: Call, user_id: str) -> MemberOut:
    """Let a person in again; what was revoked stays revoked."""
    offboarding.enable(call.actor, user_id, call.now)
    return _member(*people.find(call.organization_id, user_id))


@MEMBERS.delete("/<user_id>", MANAGE)
def remove_member(call: Call, user_id: str) -> None:
    """Take a person out of the organization."""
    offboarding.remove(call.actor, user_id, call.now)


def _members(rows: list[Member]) -> list[MemberOut]:
    users = {user.id: user for user in User.select().where(User.id.in_([r.user_id for r in rows]))}
    return [_member(users[row.user_id], row) for row in rows]


def _member(user: User, member: Member) -> MemberOut:
    return MemberOut(
        id=user.id,
        email=user.email,
        name=user.name,
        is_disabled=member.disabled_at is not None,
        **columns_of(member, ("role", "department_id", "external_id", "revision", "created_at")),
    )


class InvitationOut(msgspec.Struct, kw_only=True):
    """A place that is offered; its link is told once."""

    id: str
    email: str
    name: str
    role: str
    department_id: str | None
    invited_by_id: str
    created_at: Moment
    expires_at: Moment


class Invited(msgspec.Struct, kw_only=True):
    """An invitation with the link to send; nobody is written to."""

    invitation: InvitationOut
    token: str


class NewInvitation(Body, kw_only=True):
    """A place to offer, with the teams to join as ``{"team_id", "role"}``, and ``custom_role_id`` for a custom role."""

    email: str
    role: str
    name: str = ""
    department_id: str | None = None
    teams: list[dict[str, str]] = msgspec.field(default_factory=list)


class NewInvitations(Body, kw_only=True):
    """Places to offer to as many people."""

    people: list[NewInvitation]


class ManyInvited(msgspec.Struct, kw_only=True):
    """Invitations with their links, in the order of the people."""

    invitations: list[Invited]


INVITATIONS = Routes("Invitations", f"{GOVERNANCE}/invitations")


@INVITATIONS.get("", MANAGE)
def list_invitations(call: Call, query: ListQuery) -> Page[InvitationOut]:
    """List the invitations that are open."""
    rows = Invitation.select().where(
        Invitation.organization_id == call.organization_id,
        Invitation.accepted_at.is_null(),
        Invitation.cancelled_at.is_null(),
    )
    return page_of(query, rows, Invitation.id, lambda found: [*map(_invited, found)], "invitations")


@INVITATIONS.create("", MANAGE)
def create_invitation(call: Call, body: NewInvitation) -> Invited:
    """Offer somebody a place; the token opens ``/invitation?token=…``, once."""
    row, token = invitations.create(call.actor, _new(body), call.plane.settings.pepper, call.now)
    return Invited(invitation=_invited(row), token=token.reveal())


@INVITATIONS.create("/batch", MANAGE)
def create_invitations(call: Call, body: NewInvitations) -> ManyInvited:
    """Offer up to 500 people a place, all of them or, when one can't be invited, nobody."""
    wanted = [_new(each) for each in body.people]
    made = invitations.create_many(call.actor, wanted, call.plane.settings.pepper, call.now)
    told = [Invited(invitation=_invited(row), token=token.reveal()) for row, token in made]
    return ManyInvited(invitations=told)


@INVITATIONS.post("/<invitation_id>/renew", MANAGE)
def renew_invitation(call: Call, invitation_id: str) -> Invited:
    """Make a new link for an invitation; the old one no longer works."""
    row, token = invitations.renew(call.actor, invitation_id, call.plane.settings.pepper, call.now)
    return Invited(invitation=_invited(row), token=token.reveal())


@INVITATIONS.delete("/<invitation_id>", MANAGE)
def cancel_invitation(call: Call, invitation_id: str) -> None:
    """Take an invitation back."""
    invitations.cancel(call.actor, invitation_id, call.now)


def _new(body: NewInvitation) -> invitations.NewInvitation:
    places = tuple(
        invitations.TeamPlace(
            team.get("team_id", ""), team.get("role", ""), team.get("custom_role_id")
        )
        for team in body.teams
    )
    return invitations.NewInvitation(body.email, body.role, places, body.name, body.department_id)


def _invited(row: Invitation) -> InvitationOut:
    return InvitationOut(**columns_of(row, InvitationOut.__struct_fields__))
