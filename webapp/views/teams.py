"""Teams: list, composer, and a team's own page with its people and projects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import people, team_members, teams
from core.authoring.validation import invalid, slug_of
from core.authoring.versions import version_of
from core.clock import utcnow
from core.models import Project, Team
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
from webapp.places import team_place
from webapp.queries import choices, directory

blueprint = Blueprint("teams", __name__)
HERE = "/settings/teams"
SLUG_HELP = "Names it in files and addresses, for good. Left empty, it is made from the name."


@blueprint.get(HERE)
@requires("team:view", anywhere=True)
def index() -> Response:
    """Answer with the teams within reach."""
    who, paging = viewer(), asked_page(HERE)
    found = directory.teams_page(
        who.organization_id, who.reach("team:view"), paging.search, at_of(paging)
    )
    departments = choices.department_names(who.organization_id)
    rows = [
        Row(
            team.id,
            (
                Cell(team.name, href=f"{HERE}/{team.id}", note=team.slug),
                Cell(f"{team.people:,}"),
                Cell(f"{team.projects:,}"),
                Cell(departments.get(team.department_id or "", "Unassigned")),
            ),
            _team_actions(team),
        )
        for team in found.rows
    ]
    table = Table(
        "teams",
        "Teams",
        ("Team", "People", "Projects", "Department"),
        rows,
        "No team is here for you to see.",
        paging=paged(paging, found),
    )
    page = SettingsPage(
        "Teams",
        "Groups of people and projects. What somebody is in a team, they are in its projects.",
        HERE,
        utcnow(),
        (table,),
        actions=(("New team", f"{HERE}/new", True),) if who.may("team:manage") else (),
        search_label="Find a team",
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("team:manage")
def compose() -> Response:
    """Answer with the empty composer."""
    return show_form(_form({}))


@blueprint.post(HERE)
@requires("team:manage")
def create() -> Response:
    """Create a team."""
    form = _form({})
    values = typed(form.fields)
    name, slug = values["name"], values["slug"] or slug_of(values["name"])
    return save(
        replace(form, values=values),
        lambda: teams.create(
            viewer().actor(), name, slug, utcnow(), values["department_id"] or None
        ),
        "teams.index",
        f"{name} is created.",
    )


@blueprint.get(f"{HERE}/<team_id>")
@requires("team:view", at=team_place)
def show(team_id: str) -> Response:
    """Answer with a team's people and projects."""
    who, team = viewer(), teams.find(viewer().organization_id, team_id)
    may_manage = who.may("team:manage", Place(team.id)) and not team.is_personal
    names = dict(choices.custom_roles(who.organization_id))
    people_table = Table(
        "people",
        "People",
        ("Name", "Role"),
        [_person_row(team, row, names, may_manage) for row in directory.people_of_team(team.id)],
        "Nobody is in this team.",
        add=("Add a person", f"{HERE}/{team.id}/people/new") if may_manage else None,
    )
    project_table = Table(
        "projects",
        "Projects",
        ("Project", "Slug"),
        [_project_row(row) for row in directory.projects_of(team.id)],
        "No project belongs to this team.",
        missing="" if who.may("project:view", Place(team.id)) else "project:view",
    )
    page = SettingsPage(
        team.name,
        "Who works in this team, and what its projects are.",
        f"{HERE}/{team.id}",
        utcnow(),
        (people_table, project_table),
        trail=(("Teams", HERE),),
        actions=(("Edit", f"{HERE}/{team.id}/edit", False),) if may_manage else (),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/<team_id>/edit")
@requires("team:manage", at=team_place)
def edit(team_id: str) -> Response:
    """Answer with the form over a team."""
    team = teams.find(viewer().organization_id, team_id)
    values = {"name": team.name, "department_id": team.department_id or ""}
    return show_form(_form(values, team, version_of(team)))


@blueprint.post(f"{HERE}/<team_id>/edit")
@requires("team:manage", at=team_place)
def update(team_id: str) -> Response:
    """Rename a team, or count its costs elsewhere."""
    actor = viewer().actor()
    team = teams.find(actor.organization_id, team_id)
    form = _form({}, team, sent_version() or "")
    values = typed(form.fields)
    # A personal team's form has no department.
    department = values.get("department_id", team.department_id) or None
    return save(
        replace(form, values=values),
        lambda: teams.update(actor, team_id, values["name"], department, utcnow(), sent_version()),
        "teams.show",
        f"{values['name']} is saved.",
        team_id=team_id,
    )


@blueprint.post(f"{HERE}/<team_id>/archive")
@requires("team:manage", at=team_place)
def archive(team_id: str) -> Response:
    """Archive a team."""
    team = teams.archive(viewer().actor(), team_id, utcnow())
    flash(f"{team.name} is archived.", "positive")
    return see("teams.index")


@blueprint.get(f"{HERE}/<team_id>/people/new")
@requires("team:manage", at=team_place)
def compose_person(team_id: str) -> Response:
    """Answer with the form that adds a person."""
    team = teams.find(viewer().organization_id, team_id)
    return show_form(_person_form(team, {"role": "member"}))


@blueprint.post(f"{HERE}/<team_id>/people")
@requires("team:manage", at=team_place)
def put_person(team_id: str) -> Response:
    """Add a person, or give who is there another role."""
    actor = viewer().actor()
    form = _person_form(teams.find(actor.organization_id, team_id), {})
    values = typed(form.fields)
    role, custom_id = choices.role_and_custom(values["role"])

    def work() -> None:
        person = people.find_by_email(actor.organization_id, values["email"])
        if person is None:
            raise invalid({"email": "Nobody here has this e-mail address."})
        team_members.put(actor, team_id, person.id, role, utcnow(), custom_id)

    form = replace(form, values=values)
    return save(form, work, "teams.show", f"{values['email']} is in.", team_id=team_id)


@blueprint.get(f"{HERE}/<team_id>/people/<user_id>/edit")
@requires("team:manage", at=team_place)
def edit_person(team_id: str, user_id: str) -> Response:
    """Answer with the form over somebody's role."""
    organization_id = viewer().organization_id
    place = team_members.find(organization_id, team_id, user_id)
    user, _ = people.find(organization_id, user_id)
    chosen = f"custom:{place.custom_role_id}" if place.role == "custom" else place.role
    team = teams.find(organization_id, team_id)
    return show_form(_person_form(team, {"email": user.email, "role": chosen}, is_there=True))


@blueprint.post(f"{HERE}/<team_id>/people/<user_id>/remove")
@requires("team:manage", at=team_place)
def remove_person(team_id: str, user_id: str) -> Response:
    """Take a person out of a team."""
    team_members.remove(viewer().actor(), team_id, user_id, utcnow())
    flash("The person is not in this team any more.", "positive")
    return see("teams.show", team_id=team_id)


def _form(values: dict[str, Any], team: Team | None = None, version: str = "") -> FormPage:
    kept = team.department_id if team else None
    fields = [Field("name", "Name", attrs={"autocomplete": "off"})]
    if team is None:
        fields.append(Field("slug", "Slug", help=SLUG_HELP, required=False))
    if team is None or not team.is_personal:
        offered = choices.departments(viewer().organization_id, kept)
        help_text = "Counts the costs of those in the team who have no department of their own."
        fields.append(Field("department_id", "Department", "select", help_text, offered))
    title, action = ("New team", HERE) if team is None else ("Edit team", f"{HERE}/{team.id}/edit")
    back = HERE if team is None else f"{HERE}/{team.id}"
    submit = "Create team" if team is None else "Save"
    return FormPage(
        title, action, back, fields, values, submit=submit, version=version, trail="Teams"
    )


def _person_form(team: Team, values: dict[str, Any], is_there: bool = False) -> FormPage:
    fields = (
        Field("email", "E-mail", "email", "Somebody who is a member already."),
        Field(
            "role",
            "Role in this team",
            "select",
            options=choices.role_choices(viewer().organization_id),
        ),
    )
    path, title = f"{HERE}/{team.id}", "Change the role" if is_there else "Add a person"
    submit = "Save" if is_there else "Add"
    return FormPage(title, f"{path}/people", path, fields, values, submit=submit, trail=team.name)


def _team_actions(team: Team) -> tuple[Action, ...]:
    if not viewer().may("team:manage", Place(team.id)):
        return ()
    path = f"{HERE}/{team.id}"
    return (
        Action("pencil", f"Edit {team.name}", f"{path}/edit"),
        Action(
            "archive",
            f"Archive {team.name}",
            post=f"{path}/archive",
            title=f"Archive {team.name}?",
            body="It must hold no project any more. Its people lose their roles in it.",
            yes="Archive",
        ),
    )


def _person_row(team: Team, row: Any, names: dict[str, str], may_manage: bool) -> Row:
    path = f"{HERE}/{team.id}/people/{row.user_id}"
    off = (("Disabled", "critical"),) if row.is_off else ()
    cells = (
        Cell(row.name, note=row.email, badges=off),
        Cell(choices.role_label(row.role, row.custom_role_id, names), "badge"),
    )
    actions = (
        Action("pencil", f"Change the role of {row.name}", f"{path}/edit"),
        Action(
            "x",
            f"Remove {row.name}",
            post=f"{path}/remove",
            title=f"Remove {row.name} from {team.name}?",
            body="They lose what this team gave them. Their keys stay theirs.",
            yes="Remove",
        ),
    )
    return Row(row.user_id, cells, actions if may_manage else ())


def _project_row(row: Project) -> Row:
    return Row(row.id, (Cell(row.name), Cell(row.slug, "mono")))
