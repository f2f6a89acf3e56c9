"""Creates and changes people and their places in an organisation. Signing in is checked in ``passwords``."""

from dataclasses import dataclass
from datetime import datetime

from core.authoring import passwords
from core.authoring.actor import Actor
from core.authoring.passwords import authenticate
from core.authoring.personal import ensure_personal_project
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import (
    Complaints,
    email_error,
    name_error,
    not_found,
    password_error,
)
from core.ids import new_id
from core.models import Member, User
from core.secrets import Secret
from rules.permissions import ADMIN, ROLES

__all__ = [
    "NewUser",
    "authenticate",
    "create",
    "ensure_personal_project",
    "find",
    "find_by_email",
    "role_of",
    "set_password",
    "update",
]


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person to add. ``role`` is admin, member or external; without a password they can't sign in."""

    email: str
    name: str
    role: str
    password: Secret | None = None


def create(actor: Actor, new: NewUser, now: datetime) -> User:
    """Add a person to the actor's organisation. Raises Refused(VALIDATION_ERROR)."""
    _check(new).refuse_any()
    # Hashed before the write lock is taken: it is slow on purpose.
    password_hash = None if new.password is None else passwords.hashed(new.password)
    email = new.email.strip().lower()
    with change():
        complaints = Complaints()
        is_free = not User.select().where(User.email == email).exists()
        complaints.need(is_free, "email", "Somebody has this e-mail address already.")
        complaints.refuse_any()
        user = User.create(
            id=new_id("user", now),
            email=email,
            name=new.name.strip(),
            password_hash=password_hash,
            created_at=now,
        )
        Member.create(
            id=new_id("member", now),
            organization_id=actor.organization_id,
            user_id=user.id,
            role=new.role,
            created_at=now,
        )
        after = snapshot(user) | {"role": new.role}
        audited(actor, Target("user.created", "user", user.id), now, after=after)
    return user


def update(actor: Actor, user_id: str, name: str, role: str, now: datetime) -> User:
    """Change a person's name or role. Raises Refused; the last administrator keeps the role."""
    with change():
        user, member = find(actor.organization_id, user_id)
        if (user.name, member.role) == (name, role):
            return user
        complaints = _check(NewUser(user.email, name, role))
        if member.role == ADMIN and role != ADMIN:
            is_spare = _administrators(actor.organization_id) > 1
            complaints.need(is_spare, "role", "Someone must remain administrator.")
        complaints.refuse_any()
        before = snapshot(user) | {"role": member.role}
        user.name, member.role = name, role
        user.save()
        member.save()
        after = snapshot(user) | {"role": role}
        audited(actor, Target("user.updated", "user", user.id), now, before, after)
    return user


def set_password(actor: Actor, user_id: str, password: Secret, now: datetime) -> None:
    """Give a person a password, open a locked account and end all their sessions. Raises Refused."""
    complaints = Complaints()
    complaints.add("password", password_error(password.reveal()))
    complaints.refuse_any()
    password_hash = passwords.hashed(password)
    with change():
        user, _ = find(actor.organization_id, user_id)
        User.update(
            password_hash=password_hash,
            session_epoch=User.session_epoch + 1,
            failed_sign_ins=0,
            locked_until=None,
        ).where(User.id == user.id).execute()
        audited(actor, Target("user.password_set", "user", user.id), now)


def find(organization_id: str, user_id: str) -> tuple[User, Member]:
    """Return a person and their place in this organisation. Raises Refused(NOT_FOUND)."""
    user = User.get_or_none(User.id == user_id)
    member = Member.get_or_none(
        Member.user_id == user_id, Member.organization_id == organization_id
    )
    if user is None or member is None:
        raise not_found("person")
    return user, member


def find_by_email(organization_id: str, email: str) -> User | None:
    """Return the person of this organisation with an e-mail address."""
    user: User | None = User.get_or_none(User.email == email.strip().lower())
    return user if user is not None and role_of(organization_id, user.id) else None


def role_of(organization_id: str, user_id: str) -> str:
    """Return a person's role here, or an empty string for strangers and disabled members."""
    member = Member.get_or_none(
        Member.organization_id == organization_id,
        Member.user_id == user_id,
        Member.disabled_at.is_null(),
    )
    return "" if member is None else str(member.role)


def _check(new: NewUser) -> Complaints:
    complaints = Complaints()
    complaints.add("email", email_error(new.email.strip()))
    complaints.add("name", name_error(new.name))
    complaints.need(new.role in ROLES, "role", f"Choose one of {', '.join(ROLES)}.")
    if new.password is not None:
        complaints.add("password", password_error(new.password.reveal()))
    return complaints


def _administrators(organization_id: str) -> int:
    return (
        Member.select()
        .where(
            Member.organization_id == organization_id,
            Member.role == ADMIN,
            Member.disabled_at.is_null(),
        )
        .count()
    )
