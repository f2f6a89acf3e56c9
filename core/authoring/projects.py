"""Creates and changes shared projects. Personal projects come with their owner, in ``core.authoring.people``."""

from datetime import datetime

from core.authoring import teams
from core.authoring.actor import Actor
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, slug_error
from core.changes import Change, ChangeKind
from core.fault import Refused
from core.ids import new_id
from core.models import Project, VirtualKey


def create(actor: Actor, name: str, slug: str, team_id: str, now: datetime) -> Project:
    """Create a project in a team. Raises Refused(VALIDATION_ERROR)."""
    with change():
        complaints = Complaints()
        complaints.add("name", name_error(name))
        complaints.add("slug", slug_error(slug))
        complaints.add("team", _team_error(actor.organization_id, team_id))
        taken = Project.select().where(
            Project.organization_id == actor.organization_id, Project.slug == slug
        )
        complaints.need(not taken.exists(), "slug", "Another project has this slug.")
        complaints.refuse_any()
        row = Project.create(
            id=new_id("project", now),
            organization_id=actor.organization_id,
            team_id=team_id,
            name=name,
            slug=slug,
            created_at=now,
        )
        audited(actor, Target("project.created", "project", row.id), now, after=snapshot(row))
    return row


def update(actor: Actor, project_id: str, name: str, team_id: str, now: datetime) -> Project:
    """Rename a project or move it to another team; its slug stays. Raises Refused.

    Its keys are announced when it moves, since the budgets of its team change with it.
    """
    with change():
        row = find(actor.organization_id, project_id)
        if (row.name, row.team_id) == (name, team_id):
            return row
        complaints = Complaints()
        complaints.add("name", name_error(name))
        if row.team_id != team_id:
            complaints.need(not row.is_personal, "team", "A personal project stays with its team.")
            complaints.add("team", _team_error(actor.organization_id, team_id))
        complaints.refuse_any()
        before, has_moved = snapshot(row), row.team_id != team_id
        row.name, row.team_id = name, team_id
        row.save()
        if has_moved:
            _announce_keys(row, now)
        audited(actor, Target("project.updated", "project", row.id), now, before, snapshot(row))
    return row


def _announce_keys(project: Project, now: datetime) -> None:
    keys = VirtualKey.select().where(
        VirtualKey.project_id == project.id, VirtualKey.status != "revoked"
    )
    for key in keys:
        VirtualKey.update(revision=VirtualKey.revision + 1).where(VirtualKey.id == key.id).execute()
        announced(
            Change(key.organization_id, ChangeKind.VK_CONFIG_UPDATED, virtual_key_id=key.id), now
        )


def find(organization_id: str, project_id: str) -> Project:
    """Return a project of this organisation that is not archived. Raises Refused(NOT_FOUND)."""
    row = Project.get_or_none(
        Project.id == project_id,
        Project.organization_id == organization_id,
        Project.archived_at.is_null(),
    )
    if row is None:
        raise not_found("project")
    return row


def _team_error(organization_id: str, team_id: str) -> str:
    try:
        team = teams.find(organization_id, team_id)
    except Refused:
        return "There is no such team."
    return "A personal team holds its owner's project only." if team.is_personal else ""
