"""What a company's directory may do to people: add them, change them, shut them out, let them in, remove them.

Roles stay an administrator's to give; a directory gives them through groups that have role bindings.
"""

from dataclasses import dataclass
from datetime import datetime

from core.authoring import departments, offboarding, people
from core.authoring.actor import Actor
from core.authoring.people import NewUser, Person
from core.authoring.record import change
from core.fault import Fault, Refused
from core.grants import person_grants
from core.models import Department, Member, User
from rules.permissions import MEMBER, holds_somewhere

SCIM = "scim"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A person as the directory has them; ``department`` is a name, empty for none."""

    email: str
    name: str
    is_active: bool = True
    external_id: str | None = None
    department: str = ""


def add(actor: Actor, wanted: Provisioned, now: datetime) -> tuple[User, Member]:
    """Make a person a member. Raises Refused: CONFLICT when somebody has the address already."""
    with change():
        there = User.get_or_none(User.email == wanted.email.strip().lower())
        if there is not None and Member.select().where(Member.user_id == there.id).exists():
            raise Refused(Fault.CONFLICT, "Somebody has this e-mail address already.")
        new = NewUser(
            wanted.email,
            wanted.name,
            MEMBER,
            department_id=_department_id(actor, wanted.department, now),
            external_id=wanted.external_id,
        )
        user = people.create(actor, new, now)
        if not wanted.is_active:
            offboarding.disable(actor, user.id, now)
        return people.find(actor.organization_id, user.id)


def put(actor: Actor, user_id: str, wanted: Provisioned, now: datetime) -> tuple[User, Member]:
    """Make a person what the directory has. Raises Refused(NOT_FOUND, VALIDATION_ERROR)."""
    with change():
        user, member = people.find(actor.organization_id, user_id)
        _refuse_taking_over(actor, user, member, wanted)
        person = Person(
            wanted.name,
            member.role,
            _department_id(actor, wanted.department, now),
            wanted.email,
            wanted.external_id,
        )
        people.change_person(actor, user_id, person, now)
        if wanted.is_active:
            offboarding.enable(actor, user_id, now)
        else:
            offboarding.disable(actor, user_id, now)
        return people.find(actor.organization_id, user_id)


def _refuse_taking_over(actor: Actor, user: User, member: Member, wanted: Provisioned) -> None:
    """Raise Refused for a new address of whoever manages the organization: a link for a new password goes there."""
    if wanted.email.strip().lower() == user.email:
        return
    held = person_grants(actor.organization_id, user.id, member.role)
    if holds_somewhere(held, "organization:manage"):
        raise Refused(
            Fault.PERMISSION_DENIED,
            "The address of somebody who manages the organization is changed there, not by a directory.",
        )


def provisioned(user: User, member: Member) -> Provisioned:
    """Return a person as a directory would have them."""
    name = ""
    if member.department_id:
        row = Department.get_or_none(
            Department.id == member.department_id, Department.archived_at.is_null()
        )
        name = "" if row is None else str(row.name)
    return Provisioned(user.email, user.name, not member.disabled_at, member.external_id, name)


def _department_id(actor: Actor, name: str, now: datetime) -> str | None:
    return departments.named(actor, name, now).id if name.strip() else None
