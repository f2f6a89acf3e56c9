"""Links that let a person choose a new password once. Whoever holds one gets in, so it is shown or mailed once."""

from datetime import datetime, timedelta

from core.authoring import people
from core.authoring.actor import Actor
from core.authoring.people import PASSWORD_LINK
from core.authoring.record import Target, audited, change
from core.clock import isoformat
from core.fault import Fault, Refused
from core.ids import new_id, new_token
from core.models import Member, OneTimeLink, User
from core.secrets import Secret, peppered_hash, peppered_hashes

LIFETIME = timedelta(hours=2)


def create(actor: Actor, user_id: str, pepper: Secret, now: datetime) -> Secret:
    """Return the token of a fresh link for a member; an earlier one stops working. Raises Refused(NOT_FOUND)."""
    with change():
        user, member = people.find(actor.organization_id, user_id)
        if beyond := people.takeover_error(actor, member):
            raise Refused(Fault.PERMISSION_DENIED, beyond)
        token = Secret(new_token())
        people.end_password_links(user.id)
        OneTimeLink.create(
            id=new_id("link", now),
            kind=PASSWORD_LINK,
            organization_id=actor.organization_id,
            user_id=user.id,
            token_hash=peppered_hash(pepper, token.reveal()),
            created_at=now,
            expires_at=now + LIFETIME,
        )
        after = {"expires_at": isoformat(now + LIFETIME)}
        target = Target("user.password_link_created", "user", user.id)
        audited(actor, target, now, after=after)
    return token


def person_for(email: str) -> tuple[User, str] | None:
    """Return who may have a link mailed to an address, and their organization: a member who is not shut out."""
    user: User | None = User.get_or_none(
        User.email == email.strip().lower(), User.deactivated_at.is_null()
    )
    if user is None:
        return None
    member = Member.get_or_none(Member.user_id == user.id, Member.disabled_at.is_null())
    return None if member is None else (user, str(member.organization_id))


def opened(pepper: Secret, token: str, now: datetime) -> OneTimeLink:
    """Return the link that a token opens. Raises Refused(NOT_FOUND) for a used or late one."""
    link: OneTimeLink | None = OneTimeLink.get_or_none(
        OneTimeLink.token_hash.in_(peppered_hashes(pepper, token)),
        OneTimeLink.kind == PASSWORD_LINK,
        OneTimeLink.used_at.is_null(),
        OneTimeLink.expires_at > now,
    )
    if link is None:
        raise Refused(
            Fault.NOT_FOUND,
            "This link has been used or has expired.",
            remedy="Ask for another on the sign-in page, or ask an administrator for one.",
        )
    return link


def spend(pepper: Secret, token: Secret, password: Secret, ip_address: str, now: datetime) -> User:
    """Set the password that the link's holder chose and end all sessions. Raises Refused."""
    with change():
        link = opened(pepper, token.reveal(), now)
        user_id = str(link.user_id)
        actor = Actor(link.organization_id, user_id, "web", ip_address)
        OneTimeLink.update(used_at=now).where(OneTimeLink.id == link.id).execute()
        people.set_password(actor, user_id, password, now)
        return User.get_by_id(user_id)
