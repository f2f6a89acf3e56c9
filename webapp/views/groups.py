"""Groups: people who get the same roles. A group that a directory keeps is read here and changed there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import groups, people
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import Group
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
from webapp.queries import directory

blueprint = Blueprint("groups", __name__)
HERE = "/settings/groups"
_ORIGINS = {"manual": "Here", "scim": "Directory", "oidc": "Single sign-on"}


@blueprint.get(HERE)
@requires("organization:manage")
def index() -> Response:
    """Answer with the groups."""
    paging = asked_page(HERE)
    found = directory.groups_page(viewer().organization_id, paging.search, at_of(paging))
    rows = [
        Row(
            group.id,
            (
                Cell(group.name, href=f"{HERE}/{group.id}"),
                Cell(f"{group.people:,}"),
                Cell(_ORIGINS.get(group.origin, group.origin), "badge"),
            ),
            _actions(group),
        )
        for group in found.rows
    ]
    table = Table(
        "groups",
        "Groups",
        ("Group", "People", "Kept"),
        rows,
        "No group yet. Make one here, or let your directory send its own.",
        paging=paged(paging, found),
    )
    page = SettingsPage(
        "Groups",
        "A role given to a group is everybody's in it.",
        HERE,
        utcnow(),
        (table,),
        actions=(("New group", f"{HERE}/new", True),),
        search_label="Find a group",
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty composer."""
    return show_form(_form({}))


@blueprint.post(HERE)
@requires("organization:manage")
def create() -> Response:
    """Create a group."""
    form = _form({})
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: groups.create(viewer().actor(), values["name"], utcnow()),
        "groups.index",
        f"{values['name']} is created.",
    )


@blueprint.get(f"{HERE}/<group_id>")
@requires("organization:manage")
def show(group_id: str) -> Response:
    """Answer with a group's people."""
    group = groups.find(viewer().organization_id, group_id)
    is_ours = group.origin == groups.MANUAL
    rows = [
        Row(
            user.id,
            (Cell(user.name, note=user.email),),
            (
                Action(
                    "x",
                    f"Remove {user.name}",
                    post=f"{HERE}/{group.id}/people/{user.id}/remove",
                    title=f"Remove {user.name} from {group.name}?",
                    body="They lose what this group gave them.",
                    yes="Remove",
                ),
            )
            if is_ours
            else (),
        )
        for user in directory.people_of_group(group.id)
    ]
    add = ("Add a person", f"{HERE}/{group.id}/people/new") if is_ours else None
    page = SettingsPage(
        group.name,
        "Who is in this group." if is_ours else "Who is in this group is kept by your directory.",
        f"{HERE}/{group.id}",
        utcnow(),
        (Table("people", "People", ("Name",), rows, "Nobody is in this group.", add=add),),
        trail=(("Groups", HERE),),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/<group_id>/edit")
@requires("organization:manage")
def edit(group_id: str) -> Response:
    """Answer with the form over a group."""
    row = _ours(group_id)
    return show_form(_form({"name": row.name}, row.id, version_of(row)))


@blueprint.post(f"{HERE}/<group_id>/edit")
@requires("organization:manage")
def update(group_id: str) -> Response:
    """Rename a group."""
    form = _form({}, _ours(group_id).id, sent_version() or "")
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: groups.rename(viewer().actor(), group_id, values["name"], utcnow(), sent_version()),
        "groups.index",
        f"{values['name']} is saved.",
    )


@blueprint.post(f"{HERE}/<group_id>/delete")
@requires("organization:manage")
def delete(group_id: str) -> Response:
    """Delete a group and what it was given."""
    groups.delete(viewer().actor(), group_id, utcnow())
    flash("The group is gone, and the roles it gave.", "positive")
    return see("groups.index")


@blueprint.get(f"{HERE}/<group_id>/people/new")
@requires("organization:manage")
def compose_person(group_id: str) -> Response:
    """Answer with the form that adds a person."""
    return show_form(_person_form(_ours(group_id), {}))


@blueprint.post(f"{HERE}/<group_id>/people")
@requires("organization:manage")
def add_person(group_id: str) -> Response:
    """Add a person."""
    actor, form = viewer().actor(), _person_form(_ours(group_id), {})
    values = typed(form.fields)

    def work() -> None:
        person = people.find_by_email(actor.organization_id, values["email"])
        if person is None:
            raise invalid({"email": "Nobody here has this e-mail address."})
        groups.add_member(actor, group_id, person.id, utcnow())

    form = replace(form, values=values)
    return save(form, work, "groups.show", f"{values['email']} is in.", group_id=group_id)


@blueprint.post(f"{HERE}/<group_id>/people/<user_id>/remove")
@requires("organization:manage")
def remove_person(group_id: str, user_id: str) -> Response:
    """Take a person out."""
    groups.remove_member(viewer().actor(), _ours(group_id).id, user_id, utcnow())
    flash("The person is not in this group any more.", "positive")
    return see("groups.show", group_id=group_id)


def _ours(group_id: str) -> Group:
    """Return a group that is kept here. Raises Refused for one that a directory keeps."""
    group = groups.find(viewer().organization_id, group_id)
    if group.origin != groups.MANUAL:
        raise Refused(Fault.CONFLICT, "This group is kept by your directory; change it there.")
    return group


def _form(values: dict[str, Any], group_id: str = "", version: str = "") -> FormPage:
    fields = (Field("name", "Name", attrs={"autocomplete": "off"}),)
    action = f"{HERE}/{group_id}/edit" if group_id else HERE
    title, submit = ("Edit group", "Save") if group_id else ("New group", "Create group")
    return FormPage(
        title, action, HERE, fields, values, submit=submit, version=version, trail="Groups"
    )


def _person_form(group: Group, values: dict[str, Any]) -> FormPage:
    fields = (Field("email", "E-mail", "email", "Somebody who is a member already."),)
    path = f"{HERE}/{group.id}"
    return FormPage(
        "Add a person", f"{path}/people", path, fields, values, submit="Add", trail=group.name
    )


def _actions(group: Group) -> tuple[Action, ...]:
    remove = Action(
        "archive",
        f"Delete {group.name}",
        post=f"{HERE}/{group.id}/delete",
        title=f"Delete {group.name}?",
        body="Everybody in it loses the roles that it gave them.",
        yes="Delete",
    )
    edit_action = Action("pencil", f"Edit {group.name}", f"{HERE}/{group.id}/edit")
    return (edit_action, remove) if group.origin == groups.MANUAL else (remove,)
