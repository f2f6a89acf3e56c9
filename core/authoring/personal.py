"""Everyone's own workspace: one personal team with one project a person and organisation."""

from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change, snapshot
from core.ids import new_id
from core.models import Project, Team, User

PROJECT_NAME = "Personal Workspace"


def ensure_personal_project(actor: Actor, user: User, now: datetime) -> Project:
    """Return the person's project here; made when it is missing, taken back into use when archived."""
    with change():
        query = Project.select().where(
            Project.organization_id == actor.organization_id,
            Project.owner_user_id == user.id,
            Project.is_personal == True,  # noqa: E712 - a column, not a boolean
        )
        found: Project | None = query.first()
        if found is None:
            return _created(actor, user, now)
        if found.archived_at is not None:
            _reopen(actor, found, now)
        return found


def _created(actor: Actor, user: User, now: datetime) -> Project:
    # The last characters of an id are its random ones; the first ones are shared by people of one hour.
    slug = f"personal-{user.id[-12:].lower()}"
    owned = {
        "organization_id": actor.organization_id,
        "slug": slug,
        "is_personal": True,
        "owner_user_id": user.id,
        "created_at": now,
    }
    team = Team.create(id=new_id("team", now), name=f"{user.name}'s Workspace", **owned)
    project: Project = Project.create(
        id=new_id("project", now), team_id=team.id, name=PROJECT_NAME, **owned
    )
    target = Target("project.created", "project", project.id)
    audited(actor, target, now, after=snapshot(project))
    return project


def _reopen(actor: Actor, project: Project, now: datetime) -> None:
    before = snapshot(project)
    Project.update(archived_at=None).where(Project.id == project.id).execute()
    Team.update(archived_at=None).where(Team.id == project.team_id).execute()
    after = before | {"archived_at": None}
    audited(actor, Target("project.restored", "project", project.id), now, before, after)
