"""Everyone's own workspace: one personal team with one project a person and organization, and nobody else in it."""

from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change, snapshot
from core.ids import new_id
from core.models import Project, Team, TeamMember, User
from rules.permissions import ADMIN

PROJECT_NAME = "Personal Workspace"


def ensure_personal_project(actor: Actor, user: User, now: datetime) -> Project:
    """Return the person's project here; made when it is missing, taken back into use when archived."""
    with change():
        found = personal_project(actor.organization_id, user.id)
        if found is None:
            return _created(actor, user, now)
        if found.archived_at is not None:
            _set_archived(actor, found, None, now)
        return found


def archive_personal_project(actor: Actor, user_id: str, now: datetime) -> None:
    """Put a person's workspace away when they leave; it comes back with them."""
    with change():
        found = personal_project(actor.organization_id, user_id)
        if found is not None and not found.archived_at:
            _set_archived(actor, found, now, now)


def personal_project(organization_id: str, user_id: str) -> Project | None:
    """Return a person's own project here, archived or not."""
    query = Project.select().where(
        Project.organization_id == organization_id,
        Project.owner_user_id == user_id,
        Project.is_personal == True,  # noqa: E712 - a column, not a boolean
    )
    found: Project | None = query.first()
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
    _own(project, user.id, now)
    target = Target("project.created", "project", project.id)
    audited(actor, target, now, after=snapshot(project))
    return project


def _own(project: Project, user_id: str, now: datetime) -> None:
    """Make the owner the team's administrator; whoever left and came back needs it anew."""
    is_there = TeamMember.select().where(
        TeamMember.team_id == project.team_id, TeamMember.user_id == user_id
    )
    if not is_there.exists():
        TeamMember.create(
            id=new_id("tm", now),
            organization_id=project.organization_id,
            team_id=project.team_id,
            user_id=user_id,
            role=ADMIN,
            created_at=now,
        )


def _set_archived(actor: Actor, project: Project, at: datetime | None, now: datetime) -> None:
    before = snapshot(project)
    Project.update(archived_at=at).where(Project.id == project.id).execute()
    Team.update(archived_at=at).where(Team.id == project.team_id).execute()
    if at is None and project.owner_user_id:
        _own(project, project.owner_user_id, now)
    project = Project.get_by_id(project.id)
    verb = "restored" if at is None else "archived"
    target = Target(f"project.{verb}", "project", project.id)
    audited(actor, target, now, before, snapshot(project))
