"""Turns what an OpenID provider vouches for into a person here: known, found by address, invited, or new.

Whoever is disabled here stays out whatever a provider says.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from core.authoring import groups, invitations, offboarding, people
from core.authoring.actor import Actor
from core.authoring.people import NewUser, Person
from core.authoring.record import Target, audited, change
from core.authoring.sign_in_connections import domain_of
from core.authoring.validation import NAME_CHARACTERS, email_error
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import (
    ExternalIdentity,
    Group,
    GroupMember,
    Invitation,
    SignInConnection,
    User,
)
from rules.permissions import ADMIN, EXTERNAL, MEMBER

OIDC = "oidc"
MOST_GROUPS = 200
_HIGHEST_FIRST = (ADMIN, MEMBER, EXTERNAL)


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a provider says of somebody. ``is_verified`` is None when it does not say."""

    subject: str
    email: str
    name: str
    is_verified: bool | None = None
    groups: tuple[str, ...] = ()


def arrive(connection: SignInConnection, vouched: Vouched, ip_address: str, now: datetime) -> User:
    """Return the member that somebody is, made when they are new, with role and groups as the provider says.

    Raises Refused(PERMISSION_DENIED) for people who are disabled, or whom the connection may not vouch for.
    """
    actor = Actor(connection.organization_id, connection.id, "web", ip_address)
    with change():
        user = _known(connection, vouched) or _linked(actor, connection, vouched, now)
        if not people.role_of(connection.organization_id, user.id):
            raise _refused("Your account here is disabled.")
        _set_role(actor, connection, user, vouched, now)
        if connection.syncs_groups:
            _set_groups(actor, user, vouched.groups, now)
        ExternalIdentity.update(last_sign_in_at=now).where(
            ExternalIdentity.connection_id == connection.id,
            ExternalIdentity.subject == vouched.subject,
        ).execute()
    return User.get_by_id(user.id)


def _known(connection: SignInConnection, vouched: Vouched) -> User | None:
    identity = ExternalIdentity.get_or_none(
        ExternalIdentity.connection_id == connection.id,
        ExternalIdentity.subject == vouched.subject,
    )
    return None if identity is None else User.get_or_none(User.id == identity.user_id)


def _linked(actor: Actor, connection: SignInConnection, vouched: Vouched, now: datetime) -> User:
    """Find or make the person with the address that was vouched for, and remember who they are."""
    email = vouched.email.strip().lower()
    if email_error(email):
        raise _refused("The provider names no e-mail address.")
    if vouched.is_verified is False:
        raise _refused("The provider has not verified your e-mail address.")
    is_ours = domain_of(email) in connection.domains
    there: User | None = User.get_or_none(User.email == email)
    is_member = there is not None and bool(people.role_of(connection.organization_id, there.id))
    invitation = invitations.open_for(connection.organization_id, email, now)
    if not is_ours and (is_member or invitation is None):
        raise _refused("Your e-mail address does not belong to this connection.")
    if not is_ours and vouched.is_verified is None:
        # For addresses of its own domains a provider need not say so; whose the others are it may not even know.
        raise _refused(
            "The provider does not say that it verified your e-mail address. Open the link of your invitation."
        )
    if there is not None and is_member:
        user = there
    elif there is not None and offboarding.is_disabled(connection.organization_id, there.id):
        raise _refused("Your account here is disabled.")
    else:
        new = NewUser(email, _name(vouched), connection.default_role)
        user = _joined(actor, invitation, new, now)
    ExternalIdentity.create(
        id=new_id("identity", now),
        organization_id=connection.organization_id,
        connection_id=connection.id,
        subject=vouched.subject,
        user_id=user.id,
        created_at=now,
    )
    target = Target("user.identity_linked", "user", user.id)
    audited(actor, target, now, after={"connection_id": connection.id})
    return user


def _joined(actor: Actor, invitation: Invitation | None, new: NewUser, now: datetime) -> User:
    if invitation is not None:
        invited = NewUser(new.email, new.name, invitation.role)
        return invitations.join(invitation, invited, actor.ip_address, now)
    return people.create(actor, new, now)


def _set_role(
    actor: Actor, connection: SignInConnection, user: User, vouched: Vouched, now: datetime
) -> None:
    if not connection.group_roles:
        return
    held = {entry["role"] for entry in connection.group_roles if entry["group"] in vouched.groups}
    role = next((role for role in _HIGHEST_FIRST if role in held), connection.default_role)
    _, member = people.find(connection.organization_id, user.id)
    is_last = member.role == ADMIN and not people.other_administrators(
        connection.organization_id, user.id
    )
    if role != member.role and not is_last:
        wanted = Person(user.name, role, member.department_id, external_id=member.external_id)
        people.change_person(actor, user.id, wanted, now)


def _set_groups(actor: Actor, user: User, names: Collection[str], now: datetime) -> None:
    """Put a person into the groups of these names that providers keep, and out of the others."""
    wanted: set[str] = set()
    for name in sorted(names)[:MOST_GROUPS]:
        group = groups.find_by_name(actor.organization_id, name)
        if group is None and name.strip() and len(name) <= NAME_CHARACTERS and name.isprintable():
            group = groups.create(actor, name, now, OIDC)
        if group is not None and group.origin == OIDC:
            wanted.add(group.id)
    there = (
        GroupMember.select(GroupMember.group_id)
        .join(Group, on=(Group.id == GroupMember.group_id))
        .where(
            GroupMember.organization_id == actor.organization_id,
            GroupMember.user_id == user.id,
            Group.origin == OIDC,
        )
    )
    present = {row.group_id for row in there}
    for group_id in sorted(wanted - present):
        groups.add_member(actor, group_id, user.id, now)
    for group_id in sorted(present - wanted):
        groups.remove_member(actor, group_id, user.id, now)


def _name(vouched: Vouched) -> str:
    name = " ".join(vouched.name.split())
    if not name or not name.isprintable():
        name = vouched.email.partition("@")[0]
    return name[:NAME_CHARACTERS]


def _refused(message: str) -> Refused:
    return Refused(Fault.PERMISSION_DENIED, message)
