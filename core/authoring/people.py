"""Creates and changes people and their places in an organization. Their leaving is the work of ``offboarding``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring import passwords, search_words, versions
from core.authoring.actor import Actor
from core.authoring.delegation import grants_beyond
from core.authoring.departments import department_error
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
from core.clock import isoformat
from core.grants import person_grants
from core.ids import new_id
from core.models import Member, OneTimeLink, User
from core.secrets import Secret
from rules.permissions import ADMIN, ROLES, organization_grant

PASSWORD_LINK = "password"  # noqa: S105 - the kind of link

__all__ = [
    "PASSWORD_LINK",
    "NewUser",
    "Person",
    "authenticate",
    "change_person",
    "create",
    "end_password_links",
    "find",
    "find_by_email",
    "name_alone",
    "record_of",
    "role_of",
    "set_password",
    "takeover_error",
    "update",
]


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person to add. ``role`` is admin, member or external; without a password they can't sign in with one."""

    email: str
    name: str
    role: str
    password: Secret | None = None
    department_id: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What may be changed of a person and their place; ``email`` of None stays."""

    name: str
    role: str
    department_id: str | None = None
    email: str | None = None
    external_id: str | None = None


def create(actor: Actor, new: NewUser, now: datetime) -> User:
    """Add a person to the actor's organization, with a workspace of their own. Raises Refused(VALIDATION_ERROR).

    Somebody who was here before and is a member of nothing now comes back under their old identity.
    """
    _check(new).refuse_any()
    # Hashed before the write lock is taken: it is slow on purpose.
    password_hash = None if new.password is None else passwords.hashed(new.password)
    email = new.email.strip().lower()
    with change():
        complaints = Complaints()
        there: User | None = User.get_or_none(User.email == email)
        complaints.need(
            there is None or not _is_member_somewhere(there.id),
            "email",
            "Somebody has this e-mail address already.",
        )
        complaints.add("department", department_error(actor.organization_id, new.department_id, ""))
        complaints.refuse_any()
        user = (
            _returned(there, new, password_hash) if there else _new(new, email, password_hash, now)
        )
        member = Member.create(
            id=new_id("member", now),
            organization_id=actor.organization_id,
            user_id=user.id,
            role=new.role,
            department_id=new.department_id,
            external_id=new.external_id,
            created_at=now,
        )
        search_words.note_person(actor.organization_id, user)
        after = record_of(user, member)
        audited(actor, Target("user.created", "user", user.id), now, after=after)
        ensure_personal_project(actor, user, now)
    return user


def update(actor: Actor, user_id: str, name: str, role: str, now: datetime) -> User:
    """Change a person's name or role. Raises Refused; the last administrator keeps the role."""
    _, member = find(actor.organization_id, user_id)
    wanted = Person(name, role, member.department_id, external_id=member.external_id)
    return change_person(actor, user_id, wanted, now)


def change_person(
    actor: Actor, user_id: str, wanted: Person, now: datetime, version: str | None = None
) -> User:
    """Make a person and their place what is wanted. Raises Refused; CONFLICT when it is stale.

    The last administrator keeps the role.
    """
    with change():
        user, member = find(actor.organization_id, user_id)
        versions.hold(member, version, Target("user.updated", "user", user.id))
        email = (wanted.email or user.email).strip().lower()
        person = {"name": wanted.name.strip(), "email": email}
        place = {
            "role": wanted.role,
            "department_id": wanted.department_id,
            "external_id": wanted.external_id,
        }
        if _is_as(user, person) and _is_as(member, place):
            return user
        _check_change(actor, user, member, wanted, email).refuse_any()
        before = record_of(user, member)
        if email != user.email:
            # Whoever reads the mail of the address before must not be let in by what was sent there.
            end_password_links(user.id)
        _put(user, person)
        search_words.note_person(actor.organization_id, user)
        _put(member, place | {"revision": member.revision + 1})
        after = record_of(user, member)
        audited(actor, Target("user.updated", "user", user.id), now, before, after)
    return user


def set_password(actor: Actor, user_id: str, password: Secret, now: datetime) -> None:
    """Give a person a password, open a locked account, end all their sessions and links for another. Raises Refused."""
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
        end_password_links(user.id)
        before = {
            "has_password": user.password_hash is not None,
            "locked_until": _stamp(user.locked_until),
            "session_epoch": user.session_epoch,
        }
        after = {
            "has_password": True,
            "locked_until": None,
            "session_epoch": user.session_epoch + 1,
        }
        audited(actor, Target("user.password_set", "user", user.id), now, before, after)


def end_password_links(user_id: str) -> None:
    """End the links with which a person could choose a password and has not."""
    with change():
        is_open = (
            (OneTimeLink.kind == PASSWORD_LINK)
            & (OneTimeLink.user_id == user_id)
            & OneTimeLink.used_at.is_null()
        )
        OneTimeLink.delete().where(is_open).execute()  # type: ignore[misc]


def end_sessions(actor: Actor, user_id: str, now: datetime) -> None:
    """Sign a person out of every browser; takes effect at each one's next request. Raises Refused(NOT_FOUND)."""
    with change():
        user, _ = find(actor.organization_id, user_id)
        User.update(session_epoch=User.session_epoch + 1).where(User.id == user.id).execute()
        before, after = (
            {"session_epoch": epoch} for epoch in (user.session_epoch, user.session_epoch + 1)
        )
        audited(actor, Target("user.sessions_ended", "user", user.id), now, before, after)


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else isoformat(moment)


def find(organization_id: str, user_id: str) -> tuple[User, Member]:
    """Return a person and their place in this organization. Raises Refused(NOT_FOUND)."""
    user = User.get_or_none(User.id == user_id)
    member = Member.get_or_none(
        Member.user_id == user_id, Member.organization_id == organization_id
    )
    if user is None or member is None:
        raise not_found("person")
    return user, member


def find_by_email(organization_id: str, email: str) -> User | None:
    """Return the person of this organization with an e-mail address."""
    user: User | None = User.get_or_none(User.email == email.strip().lower())
    return user if user is not None and role_of(organization_id, user.id) else None


def find_anyone(organization_id: str, email: str) -> User | None:
    """Return the person with an e-mail address who is or was let in here, disabled ones too."""
    user: User | None = User.get_or_none(User.email == email.strip().lower())
    if user is None:
        return None
    place = Member.select().where(
        Member.organization_id == organization_id, Member.user_id == user.id
    )
    return user if place.exists() else None


def name_alone(organization_id: str, user: User) -> str:
    """Return a person's name in lower case where it can mean nobody else, or an empty string.

    Everybody chooses their own name, so one that is an address or another member's is no sign of whose something is.
    """
    name = user.name.strip().lower()
    rows = User.select(User.name).join(Member, on=(Member.user_id == User.id))
    others = rows.where(Member.organization_id == organization_id, User.id != user.id)
    is_shared = "@" in name or any(row.name.strip().lower() == name for row in others)
    return "" if is_shared else name


def role_of(organization_id: str, user_id: str) -> str:
    """Return a person's role here, or an empty string for strangers and disabled members."""
    member = Member.get_or_none(
        Member.organization_id == organization_id,
        Member.user_id == user_id,
        Member.disabled_at.is_null(),
    )
    return "" if member is None else str(member.role)


def other_administrators(organization_id: str, user_id: str) -> int:
    """Return how many administrators there are besides a person."""
    return (
        Member.select()
        .where(
            Member.organization_id == organization_id,
            Member.role == ADMIN,
            Member.user_id != user_id,
            Member.disabled_at.is_null(),
        )
        .count()
    )


def record_of(user: User, member: Member) -> dict[str, Any]:
    """Return what the audit log keeps of a person and their place."""
    place = snapshot(member, hidden=("id", "organization_id", "user_id", "created_at"))
    return snapshot(user, hidden=("failed_sign_ins", "locked_until")) | place


def takeover_error(actor: Actor, member: Member) -> str:
    """Return why an actor may not have what lets them in as somebody else: who it is holds more than they do.

    A workspace of one's own does not count; everybody has one.
    """
    held = person_grants(actor.organization_id, member.user_id, member.role)
    return grants_beyond(actor, tuple(grant for grant in held if not grant.is_own))


def _new(new: NewUser, email: str, password_hash: str | None, now: datetime) -> User:
    created: User = User.create(
        id=new_id("user", now),
        email=email,
        name=new.name.strip(),
        password_hash=password_hash,
        created_at=now,
    )
    return created


def _returned(user: User, new: NewUser, password_hash: str | None) -> User:
    user.name, user.password_hash = new.name.strip(), password_hash
    user.session_epoch += 1
    user.failed_sign_ins, user.locked_until = 0, None  # type: ignore[assignment]
    user.deactivated_at = None  # type: ignore[assignment]
    user.save()
    return user


def _is_member_somewhere(user_id: str) -> bool:
    return bool(Member.select().where(Member.user_id == user_id).exists())


def _check(new: NewUser) -> Complaints:
    complaints = Complaints()
    complaints.add("email", email_error(new.email.strip()))
    complaints.add("name", name_error(new.name))
    complaints.need(new.role in ROLES, "role", f"Choose one of {', '.join(ROLES)}.")
    if new.password is not None:
        complaints.add("password", password_error(new.password.reveal()))
    return complaints


def _check_change(
    actor: Actor, user: User, member: Member, wanted: Person, email: str
) -> Complaints:
    complaints = _check(NewUser(email, wanted.name, wanted.role))
    taken = User.select().where(User.email == email, User.id != user.id)
    complaints.need(not taken.exists(), "email", "Somebody has this e-mail address already.")
    if member.role == ADMIN and wanted.role != ADMIN and not member.disabled_at:
        is_spare = other_administrators(actor.organization_id, user.id) > 0
        complaints.need(is_spare, "role", "Someone must remain administrator.")
    if wanted.role != member.role:
        complaints.add("role", grants_beyond(actor, (organization_grant(wanted.role),)))
    if email != user.email:
        complaints.add("email", takeover_error(actor, member))
    complaints.add(
        "department",
        department_error(actor.organization_id, wanted.department_id, member.department_id),
    )
    return complaints


def _is_as(row: User | Member, values: dict[str, Any]) -> bool:
    return all(getattr(row, field) == value for field, value in values.items())


def _put(row: User | Member, values: dict[str, Any]) -> None:
    for field, value in values.items():
        setattr(row, field, value)
    # A sign-in counts its failures beside this; only what changed here is saved.
    row.save(only=list(values))
