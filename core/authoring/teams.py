"""Creates and renames shared teams. Personal teams come with their owner, in ``core.authoring.people``."""

from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, slug_error
from core.ids import new_id
from core.models import Team


def create(actor: Actor, name: str, slug: str, now: datetime) -> Team:
    """Create a team. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, name, slug)
        row = Team.create(
            id=new_id("team", now),
            organization_id=actor.organization_id,
            name=name,
            slug=slug,
            created_at=now,
        )
        audited(actor, Target("team.created", "team", row.id), now, after=snapshot(row))
    return row


def rename(actor: Actor, team_id: str, name: str, now: datetime) -> Team:
    """Give a team another name; its slug stays. Raises Refused."""
    with change():
        row = find(actor.organization_id, team_id)
        if row.name == name:
            return row
        complaints = Complaints()
        complaints.add("name", name_error(name))
        complaints.refuse_any()
        before = snapshot(row)
        row.name = name
        row.save()
        audited(actor, Target("team.updated", "team", row.id), now, before, snapshot(row))
    return row


def find(organization_id: str, team_id: str) -> Team:
    """Return a team of this organisation that is not archived. Raises Refused(NOT_FOUND)."""
    row = Team.get_or_none(
        Team.id == team_id, Team.organization_id == organization_id, Team.archived_at.is_null()
    )
    if row is None:
        raise not_found("team")
    return row


def _check(actor: Actor, name: str, slug: str) -> None:
    complaints = Complaints()
    complaints.add("name", name_error(name))
    complaints.add("slug", slug_error(slug))
    taken = Team.select().where(Team.organization_id == actor.organization_id, Team.slug == slug)
    complaints.need(not taken.exists(), "slug", "Another team has this slug.")
    complaints.refuse_any()
