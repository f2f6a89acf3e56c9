"""Creates and renames organizations. People, teams and projects have their own modules."""

from dataclasses import dataclass
from datetime import datetime

from core.authoring import versions
from core.authoring.actor import Actor, system
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, slug_error
from core.database import connection
from core.ids import new_id
from core.models import Member, Organization, VirtualKey

UNNAMED = "default"
"""The slug that the first run gives an organization for which nobody chose one."""
MOST_SESSION_DAYS = 365
CONTACT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator sets; ``max_session_days`` of 0 sets no bound on a sign-in. A slug of None stays."""

    name: str
    support_contact: str = ""
    max_session_days: int = 0
    slug: str | None = None


def create(name: str, slug: str, now: datetime) -> Organization:
    """Create an organization. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(name, slug, None)
        row = Organization.create(id=new_id("org", now), name=name, slug=slug, created_at=now)
        target = Target("organization.created", "organization", row.id)
        audited(system(row.id), target, now, after=snapshot(row))
    return row


def update(actor: Actor, name: str, slug: str, now: datetime) -> Organization:
    """Rename the actor's organization; nothing is written when nothing differs. Raises Refused."""
    with change():
        row = find(actor.organization_id)
        if (row.name, row.slug) == (name, slug):
            return row
        _check(name, slug, row.id)
        before = snapshot(row)
        row.name, row.slug = name, slug
        row.revision += 1
        row.save()
        audited(actor, _updated(row), now, before, snapshot(row))
    return row


def configure(
    actor: Actor, wanted: Settings, now: datetime, version: str | None = None
) -> Organization:
    """Set what an administrator sets. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id)
        versions.hold(row, version, _updated(row))
        slug = row.slug if wanted.slug is None else wanted.slug.strip()
        new = (wanted.name.strip(), slug, wanted.support_contact.strip(), wanted.max_session_days)
        if (row.name, row.slug, row.support_contact, row.max_session_days) == new:
            return row
        _check_settings(row, wanted, slug)
        before, days = snapshot(row), row.max_session_days
        row.name, row.slug, row.support_contact, row.max_session_days = new
        row.revision += 1
        row.save()
        audited(actor, _updated(row), now, before, snapshot(row))
        if days != row.max_session_days:
            action = "organization.max_session_duration_changed"
            target = Target(action, "organization", row.id)
            audited(actor, target, now, {"days": days}, {"days": row.max_session_days})
    return row


def find(organization_id: str) -> Organization:
    """Return an organization. Raises Refused(NOT_FOUND)."""
    row = Organization.get_or_none(Organization.id == organization_id)
    if row is None:
        raise not_found("organization")
    return row


def only() -> Organization | None:
    """Return the organization of a single-tenant installation: the first that was created."""
    with connection():
        first: Organization | None = Organization.select().order_by(Organization.id).first()
        return first


def may_choose_slug(row: Organization) -> bool:
    """Say whether an organization may get another slug: nobody chose this one, or nobody uses it yet."""
    people = Member.select().where(Member.organization_id == row.id)
    keys = VirtualKey.select().where(VirtualKey.organization_id == row.id)
    return row.slug == UNNAMED or not (people.exists() or keys.exists())


def _check_settings(row: Organization, wanted: Settings, slug: str) -> None:
    complaints = Complaints()
    complaints.add("name", name_error(wanted.name))
    if slug != row.slug:
        complaints.need(may_choose_slug(row), "slug", "A slug that was chosen stays for good.")
        complaints.add("slug", _slug_error(slug, row.id))
    complaints.need(
        len(wanted.support_contact) <= CONTACT_CHARACTERS,
        "support_contact",
        f"Keep the contact to {CONTACT_CHARACTERS} characters.",
    )
    complaints.need(
        0 <= wanted.max_session_days <= MOST_SESSION_DAYS,
        "max_session_days",
        f"Choose 0 to {MOST_SESSION_DAYS} days; 0 sets no bound.",
    )
    complaints.refuse_any()


def _updated(row: Organization) -> Target:
    return Target("organization.updated", "organization", row.id)


def _check(name: str, slug: str, own_id: str | None) -> None:
    complaints = Complaints()
    complaints.add("name", name_error(name))
    complaints.add("slug", _slug_error(slug, own_id))
    complaints.refuse_any()


def _slug_error(slug: str, own_id: str | None) -> str:
    holder = Organization.get_or_none(Organization.slug == slug)
    is_free = holder is None or holder.id == own_id
    return slug_error(slug) or ("" if is_free else "Another organization has this slug.")
