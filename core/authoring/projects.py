"""Creates, changes and archives shared projects. Personal ones come with their owner, in ``personal``."""

from datetime import datetime

from core.authoring import bindings, teams, versions
from core.authoring.actor import Actor
from core.authoring.departments import department_error
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, slug_error
from core.changes import Change, ChangeKind
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import Project, VirtualKey

KIND = "application"
"""What people create; the other kind, of ``governance_project``, is made by the programs and shown nowhere."""


def create(
    actor: Actor,
    name: str,
    slug: str,
    team_id: str,
    now: datetime,
    department_id: str | None = None,
) -> Project:
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
        complaints.add("department", department_error(actor.organization_id, department_id, None))
        complaints.refuse_any()
        row = Project.create(
            id=new_id("project", now),
            organization_id=actor.organization_id,
            team_id=team_id,
            name=name,
            slug=slug,
            kind=KIND,
            department_id=department_id,
            created_at=now,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


KEEP = "\0keep"
"""Says of a department that it stays what it is."""


def update(
    actor: Actor,
    project_id: str,
    name: str,
    team_id: str,
    now: datetime,
    department_id: str | None = KEEP,
    version: str | None = None,
) -> Project:
    """Rename a project or move it to another team or department; its slug stays. Raises Refused.

    Its keys are announced when it moves, since the budgets of its team change with it. CONFLICT when it is stale.
    """
    with change():
        row = find(actor.organization_id, project_id)
        versions.hold(row, version, _target("updated", row))
        department_id = row.department_id if department_id == KEEP else department_id
        if (row.name, row.team_id, row.department_id) == (name, team_id, department_id):
            return row
        refuse_personal(row)
        complaints = Complaints()
        complaints.add("name", name_error(name))
        if row.team_id != team_id:
            complaints.add("team", _team_error(actor.organization_id, team_id))
        complaints.add(
            "department", department_error(actor.organization_id, department_id, row.department_id)
        )
        complaints.refuse_any()
        before, has_moved = snapshot(row), row.team_id != team_id
        row.name, row.team_id, row.department_id = name, team_id, department_id
        row.revision += 1
        row.save()
        if has_moved:
            _announce_keys(row, now)
        audited(actor, _target("updated", row), now, before, snapshot(row))
    return row


def archive(actor: Actor, project_id: str, now: datetime) -> Project:
    """Retire a project that has no working key any more; its history stays. Raises Refused."""
    with change():
        row = find(actor.organization_id, project_id)
        refuse_personal(row)
        keys = VirtualKey.select().where(
            VirtualKey.project_id == row.id, VirtualKey.status != "revoked"
        )
        if keys.exists():
            raise Refused(Fault.CONFLICT, "Revoke the project's virtual keys first.")
        before = snapshot(row)
        row.archived_at = now
        row.revision += 1
        row.save()
        bindings.delete_at(actor, "project", row.id, now)
        audited(actor, _target("archived", row), now, before, snapshot(row))
    return row


def refuse_personal(project: Project) -> None:
    """Raise Refused(FORBIDDEN) for a personal or hidden project, which is neither renamed, moved nor archived."""
    if project.is_personal or project.kind != KIND:
        raise Refused(Fault.FORBIDDEN, "A personal project stays as it is, with its owner.")


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
    """Return a project of this organization that is not archived, nor hidden. Raises Refused(NOT_FOUND)."""
    row = Project.get_or_none(
        Project.id == project_id,
        Project.organization_id == organization_id,
        Project.kind == KIND,
        Project.archived_at.is_null(),
    )
    if row is None:
        raise not_found("project")
    return row


def _target(verb: str, row: Project) -> Target:
    return Target(f"project.{verb}", "project", row.id)


def _team_error(organization_id: str, team_id: str) -> str:
    try:
        team = teams.find(organization_id, team_id)
    except Refused:
        return "There is no such team."
    return "A personal team holds its owner's project only." if team.is_personal else ""
