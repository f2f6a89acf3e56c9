"""Creates and renames organisations. People, teams and projects have their own modules."""

from datetime import datetime

from core.authoring.actor import Actor, system
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, slug_error
from core.database import connection
from core.ids import new_id
from core.models import Organization


def create(name: str, slug: str, now: datetime) -> Organization:
    """Create an organisation. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(name, slug, None)
        row = Organization.create(id=new_id("org", now), name=name, slug=slug, created_at=now)
        target = Target("organization.created", "organization", row.id)
        audited(system(row.id), target, now, after=snapshot(row))
    return row


def update(actor: Actor, name: str, slug: str, now: datetime) -> Organization:
    """Rename the actor's organisation; nothing is written when nothing differs. Raises Refused."""
    with change():
        row = Organization.get_or_none(Organization.id == actor.organization_id)
        if row is None:
            raise not_found("organisation")
        if (row.name, row.slug) == (name, slug):
            return row
        _check(name, slug, row.id)
        before = snapshot(row)
        row.name, row.slug = name, slug
        row.save()
        target = Target("organization.updated", "organization", row.id)
        audited(actor, target, now, before, snapshot(row))
    return row


def only() -> Organization | None:
    """Return the organisation of a single-tenant installation: the first that was created."""
    with connection():
        first: Organization | None = Organization.select().order_by(Organization.id).first()
        return first


def _check(name: str, slug: str, own_id: str | None) -> None:
    complaints = Complaints()
    complaints.add("name", name_error(name))
    complaints.add("slug", slug_error(slug))
    holder = Organization.get_or_none(Organization.slug == slug)
    complaints.need(
        holder is None or holder.id == own_id, "slug", "Another organisation has this slug."
    )
    complaints.refuse_any()
