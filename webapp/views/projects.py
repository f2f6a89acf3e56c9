"""Projects: list, composer, moving one to another team, archive. Personal and hidden projects are not here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import projects
from core.authoring.validation import invalid, slug_of
from core.authoring.versions import version_of
from core.clock import utcnow
from core.models import Project
from rules.permissions import Place
from webapp.access import requires, viewer
from webapp.forms import asked_page, at_of, paged, save, sent_version, show_form, show_page, typed
from webapp.page_models.settings_pages import (
    Action,
    Cell,
    Field,
    FormPage,
    Row,
    SettingsPage,
    Table,
)
from webapp.pages import see
from webapp.places import project_place
from webapp.queries import choices, directory
from webapp.views.teams import SLUG_HELP

blueprint = Blueprint("projects", __name__)
HERE = "/settings/projects"


@blueprint.get(HERE)
@requires("project:view", anywhere=True)
def index() -> Response:
    """Answer with the projects within reach."""
    who, paging = viewer(), asked_page(HERE)
    found = directory.projects_page(
        who.organization_id, who.reach("project:view"), paging.search, at_of(paging)
    )
    departments = choices.department_names(who.organization_id)
    rows = [_row(project, departments) for project in found.rows]
    table = Table(
        "projects",
        "Projects",
        ("Project", "Team", "Department", "Since"),
        rows,
        "No project is here for you to see.",
        paging=paged(paging, found),
    )
    page = SettingsPage(
        "Projects",
        "Where traffic is booked. Each belongs to one team.",
        HERE,
        utcnow(),
        (table,),
        actions=(("New project", f"{HERE}/new", True),)
        if who.may_somewhere("project:create")
        else (),
        search_label="Find a project",
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("project:create", anywhere=True)
def compose() -> Response:
    """Answer with the empty composer."""
    return show_form(_form({}))


@blueprint.post(HERE)
@requires("project:create", anywhere=True)
def create() -> Response:
    """Create a project in a team where the person may."""
    who, form = viewer(), _form({})
    values = typed(form.fields)
    name, slug = values["name"], values["slug"] or slug_of(values["name"])

    def work() -> None:
        _refuse_elsewhere("project:create", values["team_id"])
        department = values["department_id"] or None
        projects.create(who.actor(), name, slug, values["team_id"], utcnow(), department)

    return save(replace(form, values=values), work, "projects.index", f"{name} is created.")


@blueprint.get(f"{HERE}/<project_id>/edit")
@requires("project:update", at=project_place)
def edit(project_id: str) -> Response:
    """Answer with the form over a project."""
    row = projects.find(viewer().organization_id, project_id)
    values = {"name": row.name, "team_id": row.team_id, "department_id": row.department_id or ""}
    return show_form(_form(values, row, version_of(row)))


@blueprint.post(f"{HERE}/<project_id>/edit")
@requires("project:update", at=project_place)
def update(project_id: str) -> Response:
    """Rename a project, move it, or count its costs elsewhere."""
    actor = viewer().actor()
    row = projects.find(actor.organization_id, project_id)
    form = _form({}, row, sent_version() or "")
    values = typed(form.fields)

    def work() -> None:
        if values["team_id"] != row.team_id:
            _refuse_elsewhere("project:create", values["team_id"])
        projects.update(
            actor,
            project_id,
            values["name"],
            values["team_id"],
            utcnow(),
            values["department_id"] or None,
            sent_version(),
        )

    form = replace(form, values=values)
    return save(form, work, "projects.index", f"{values['name']} is saved.")


@blueprint.post(f"{HERE}/<project_id>/archive")
@requires("project:delete", at=project_place)
def archive(project_id: str) -> Response:
    """Archive a project."""
    row = projects.archive(viewer().actor(), project_id, utcnow())
    flash(f"{row.name} is archived. What was booked on it stays.", "positive")
    return see("projects.index")


def _refuse_elsewhere(permission: str, team_id: str) -> None:
    """Raise Refused unless the person may put a project into a team; a team out of reach is none."""
    if not viewer().may(permission, Place(team_id)):
        raise invalid({"team_id": "There is no such team."})


def _form(values: dict[str, Any], row: Project | None = None, version: str = "") -> FormPage:
    who = viewer()
    kept_team, kept = (row.team_id, row.department_id) if row else ("", None)
    teams = choices.shared_teams(who.organization_id, who.reach("project:create"), kept_team)
    fields = [
        Field("name", "Name", attrs={"autocomplete": "off"}),
        Field("team_id", "Team", "select", options=teams),
        Field(
            "department_id",
            "Department",
            "select",
            "Counts the costs of those who have none, neither by themselves nor by their team.",
            choices.departments(who.organization_id, kept),
        ),
    ]
    if row is None:
        fields.insert(1, Field("slug", "Slug", help=SLUG_HELP, required=False))
        return FormPage(
            "New project", HERE, HERE, fields, values, submit="Create project", trail="Projects"
        )
    action = f"{HERE}/{row.id}/edit"
    return FormPage("Edit project", action, HERE, fields, values, version=version, trail="Projects")


def _row(project: Any, departments: dict[str, str]) -> Row:
    place, path = Place(project.team_id, project.id), f"{HERE}/{project.id}"
    cells = (
        Cell(project.name, note=project.slug),
        Cell(project.team_name),
        Cell(departments.get(project.department_id or "", "Unassigned")),
        Cell(look="time", moment=project.created_at),
    )
    actions = []
    if viewer().may("project:update", place):
        actions.append(Action("pencil", f"Edit {project.name}", f"{path}/edit"))
    if viewer().may("project:delete", place):
        actions.append(
            Action(
                "archive",
                f"Archive {project.name}",
                post=f"{path}/archive",
                title=f"Archive {project.name}?",
                body="It must hold no working virtual key any more. What was booked on it stays.",
                yes="Archive",
            )
        )
    return Row(project.id, cells, tuple(actions))
