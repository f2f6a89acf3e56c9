"""``/api/governance``: teams with their people, and projects."""

from __future__ import annotations

from typing import Any

import msgspec

from core.authoring import projects, team_members, teams
from core.authoring.validation import slug_of
from core.fault import Fault, Refused
from core.models import Project, Team, TeamMember
from rules.permissions import Place
from webapp.api.endpoint import Body, Call, ListQuery, Moment, Page, Routes
from webapp.api.paging import page_of
from webapp.api.resource import columns_of
from webapp.api.shared import GOVERNANCE, Unset
from webapp.places import project_place, team_place


class NewTeam(Body, kw_only=True):
    """A team to be; without a slug it gets one from its name."""

    name: str
    slug: str = ""
    department_id: str | None = None


class TeamChange(Body, kw_only=True):
    """What shall be different about a team."""

    name: str | Unset = msgspec.UNSET
    department_id: str | Unset | None = msgspec.UNSET


class TeamOut(msgspec.Struct, kw_only=True):
    """A shared team."""

    id: str
    name: str
    slug: str
    department_id: str | None
    revision: int
    created_at: Moment
    archived_at: Moment | None


class TeamMemberOut(msgspec.Struct, kw_only=True):
    """A person's place in a team."""

    user_id: str
    role: str
    custom_role_id: str | None


class TeamPlace(Body, kw_only=True):
    """What a person shall be in a team."""

    role: str
    custom_role_id: str | None = None


TEAMS = Routes("Teams", f"{GOVERNANCE}/teams")
_AT_TEAM: dict[str, Any] = {"at": team_place}


@TEAMS.get("", "team:view", anywhere=True)
def list_teams(call: Call, query: ListQuery) -> Page[TeamOut]:
    """List the shared teams within reach."""
    rows = Team.select().where(
        Team.organization_id == call.organization_id, ~Team.is_personal, Team.archived_at.is_null()
    )
    within = call.viewer.reach("team:view")
    if not within.is_everywhere:
        rows = rows.where(Team.id.in_(list(within.team_ids)))
    return page_of(query, rows, Team.id, lambda found: [*map(_team, found)], "teams")


@TEAMS.create("", "team:manage")
def create_team(call: Call, body: NewTeam) -> TeamOut:
    """Create a team."""
    slug = body.slug or slug_of(body.name)
    return _team(teams.create(call.actor, body.name, slug, call.now, body.department_id))


@TEAMS.get("/<team_id>", "team:view", **_AT_TEAM)
def get_team(call: Call, team_id: str) -> TeamOut:
    """Read a team."""
    return _team(teams.find(call.organization_id, team_id))


@TEAMS.patch("/<team_id>", "team:manage", **_AT_TEAM)
def update_team(call: Call, team_id: str, body: TeamChange) -> TeamOut:
    """Rename a team or move it to another department."""
    row = teams.find(call.organization_id, team_id)
    name = row.name if isinstance(body.name, Unset) else body.name
    kept = isinstance(body.department_id, Unset)
    department_id = row.department_id if kept else body.department_id
    return _team(
        teams.update(call.actor, team_id, name, department_id, call.now, call.expected)  # type: ignore[arg-type]
    )


@TEAMS.delete("/<team_id>", "team:manage", **_AT_TEAM)
def archive_team(call: Call, team_id: str) -> TeamOut:
    """Archive a team."""
    return _team(teams.archive(call.actor, team_id, call.now))


@TEAMS.get("/<team_id>/members", "team:view", **_AT_TEAM)
def list_team_members(call: Call, team_id: str, query: ListQuery) -> Page[TeamMemberOut]:
    """List the people of a team."""
    teams.find(call.organization_id, team_id)
    rows = TeamMember.select().where(TeamMember.team_id == team_id)
    told = TeamMemberOut.__struct_fields__
    return page_of(
        query,
        rows,
        TeamMember.id,
        lambda found: [TeamMemberOut(**columns_of(row, told)) for row in found],
        f"team-members-{team_id}",
    )


@TEAMS.put("/<team_id>/members/<user_id>", "team:manage", **_AT_TEAM)
def put_team_member(call: Call, team_id: str, user_id: str, body: TeamPlace) -> TeamMemberOut:
    """Take a person into a team, or give them another role there."""
    row = team_members.put(call.actor, team_id, user_id, body.role, call.now, body.custom_role_id)
    return TeamMemberOut(**columns_of(row, TeamMemberOut.__struct_fields__))


@TEAMS.delete("/<team_id>/members/<user_id>", "team:manage", **_AT_TEAM)
def remove_team_member(call: Call, team_id: str, user_id: str) -> None:
    """Take a person out of a team."""
    team_members.remove(call.actor, team_id, user_id, call.now)


def _team(row: Team) -> TeamOut:
    return TeamOut(**columns_of(row, TeamOut.__struct_fields__))


class NewProject(Body, kw_only=True):
    """A project to be; without a slug it gets one from its name."""

    name: str
    team_id: str
    slug: str = ""
    department_id: str | None = None


class ProjectChange(Body, kw_only=True):
    """What shall be different about a project; its slug stays."""

    name: str | Unset = msgspec.UNSET
    team_id: str | Unset = msgspec.UNSET
    department_id: str | Unset | None = msgspec.UNSET


class ProjectOut(msgspec.Struct, kw_only=True):
    """A project: where traffic is booked."""

    id: str
    name: str
    slug: str
    team_id: str
    department_id: str | None
    revision: int
    created_at: Moment
    archived_at: Moment | None


PROJECTS = Routes("Projects", f"{GOVERNANCE}/projects")
_AT_PROJECT: dict[str, Any] = {"at": project_place}


@PROJECTS.get("", "project:view", anywhere=True)
def list_projects(call: Call, query: ListQuery) -> Page[ProjectOut]:
    """List the shared projects within reach."""
    rows = Project.select().where(
        Project.organization_id == call.organization_id,
        ~Project.is_personal,
        Project.kind == "application",
        Project.archived_at.is_null(),
    )
    within = call.viewer.reach("project:view")
    if not within.is_everywhere:
        rows = rows.where(
            Project.team_id.in_(list(within.team_ids)) | Project.id.in_(list(within.project_ids))
        )
    return page_of(query, rows, Project.id, lambda found: [*map(_project, found)], "projects")


@PROJECTS.create("", "project:create", anywhere=True)
def create_project(call: Call, body: NewProject) -> ProjectOut:
    """Create a project in a team."""
    _refuse_elsewhere(call, "project:create", body.team_id)
    slug = body.slug or slug_of(body.name)
    row = projects.create(call.actor, body.name, slug, body.team_id, call.now, body.department_id)
    return _project(row)


@PROJECTS.get("/<project_id>", "project:view", **_AT_PROJECT)
def get_project(call: Call, project_id: str) -> ProjectOut:
    """Read a project."""
    return _project(projects.find(call.organization_id, project_id))


@PROJECTS.patch("/<project_id>", "project:update", **_AT_PROJECT)
def update_project(call: Call, project_id: str, body: ProjectChange) -> ProjectOut:
    """Rename a project, move it to another team or another department."""
    row = projects.find(call.organization_id, project_id)
    name = row.name if isinstance(body.name, Unset) else body.name
    team_id = row.team_id if isinstance(body.team_id, Unset) else body.team_id
    if team_id != row.team_id:
        _refuse_elsewhere(call, "project:create", team_id)
    kept = isinstance(body.department_id, Unset)
    department_id = row.department_id if kept else body.department_id
    return _project(
        projects.update(
            call.actor,
            project_id,
            name,
            team_id,
            call.now,
            department_id,  # type: ignore[arg-type]
            call.expected,
        )
    )


@PROJECTS.delete("/<project_id>", "project:delete", **_AT_PROJECT)
def archive_project(call: Call, project_id: str) -> ProjectOut:
    """Archive a project."""
    return _project(projects.archive(call.actor, project_id, call.now))


def _project(row: Project) -> ProjectOut:
    return ProjectOut(**columns_of(row, ProjectOut.__struct_fields__))


def _refuse_elsewhere(call: Call, permission: str, team_id: str) -> None:
    if not call.viewer.may(permission, Place(team_id)):
        raise Refused(
            Fault.PERMISSION_DENIED,
            f"This needs the permission {permission} in that team.",
            permission=permission,
        )
