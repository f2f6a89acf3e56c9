"""Creates, changes and archives shared teams. Personal teams come with their owner, in ``core.authoring.personal``."""

from datetime import datetime

from core.authoring import bindings, versions
from core.authoring.actor import Actor
from core.authoring.departments import department_error
from core.authoring.governance_project import KIND as HIDDEN
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, slug_error
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import Project, Team, TeamMember

PERSONAL = "A personal workspace belongs to its owner; only its name may change."


def create(
    actor: Actor, name: str, slug: str, now: datetime, department_id: str | None = None
) -> Team:
    """Create a team. Raises Refused(VALIDATION_ERROR)."""
    with change():
        complaints = _check(actor, name, slug)
        complaints.add("department", department_error(actor.organization_id, department_id, None))
        complaints.refuse_any()
        row = Team.create(
            id=new_id("team", now),
            organization_id=actor.organization_id,
            name=name,
            slug=slug,
            department_id=department_id,
            created_at=now,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


def rename(
    actor: Actor, team_id: str, name: str, now: datetime, version: str | None = None
) -> Team:
    """Give a team another name; its slug stays. Raises Refused; CONFLICT when it is stale."""
    row = find(actor.organization_id, team_id)
    return update(actor, team_id, name, row.department_id, now, version)


def update(
    actor: Actor,
    team_id: str,
    name: str,
    department_id: str | None,
    now: datetime,
    version: str | None = None,
) -> Team:
    """Change a team's name and department; its slug stays. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, team_id)
        versions.hold(row, version, _target("updated", row))
        if (row.name, row.department_id) == (name, department_id):
            return row
        if row.is_personal and row.department_id != department_id:
            raise Refused(Fault.FORBIDDEN, PERSONAL)
        complaints = Complaints()
        complaints.add("name", name_error(name))
        complaints.add(
            "department", department_error(actor.organization_id, department_id, row.department_id)
        )
        complaints.refuse_any()
        before = snapshot(row)
        row.name, row.department_id = name, department_id
        row.revision += 1
        row.save()
        audited(actor, _target("updated", row), now, before, snapshot(row))
    return row


def archive(actor: Actor, team_id: str, now: datetime) -> Team:
    """Retire a team that holds no project any more; its members and roles end. Raises Refused."""
    with change():
        row = find(actor.organization_id, team_id)
        refuse_personal(row)
        # The hidden project of governance may stay where it is.
        holds = Project.select().where(
            Project.team_id == row.id, Project.archived_at.is_null(), Project.kind != HIDDEN
        )
        if holds.exists():
            raise Refused(Fault.CONFLICT, "Archive the team's projects or move them first.")
        before = snapshot(row)
        row.archived_at = now
        row.revision += 1
        row.save()
        TeamMember.delete().where(TeamMember.team_id == row.id).execute()  # type: ignore[misc]
        bindings.delete_at(actor, "team", row.id, now)
        audited(actor, _target("archived", row), now, before, snapshot(row))
    return row


def find(organization_id: str, team_id: str) -> Team:
    """Return a team of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = Team.get_or_none(
        Team.id == team_id, Team.organization_id == organization_id, Team.archived_at.is_null()
    )
    if row is None:
        raise not_found("team")
    return row


def refuse_personal(team: Team) -> None:
    """Raise Refused(FORBIDDEN) for somebody's personal team: nobody reshapes it, its owner neither."""
    if team.is_personal:
        raise Refused(Fault.FORBIDDEN, PERSONAL)


def _check(actor: Actor, name: str, slug: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(name))
    complaints.add("slug", slug_error(slug))
    taken = Team.select().where(Team.organization_id == actor.organization_id, Team.slug == slug)
    complaints.need(not taken.exists(), "slug", "Another team has this slug.")
    return complaints


def _target(verb: str, row: Team) -> Target:
    return Target(f"team.{verb}", "team", row.id)
