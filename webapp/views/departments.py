"""Departments: where costs are counted. List, composer, archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash
from peewee import fn

from core.authoring import departments
from core.authoring.versions import version_of
from core.clock import utcnow
from core.models import Department, Member
from webapp.access import requires, viewer
from webapp.forms import save, sent_version, show_form, show_page, typed
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

blueprint = Blueprint("departments", __name__)
HERE = "/settings/departments"


@blueprint.get(HERE)
@requires("governance:view")
def index() -> Response:
    """Answer with the departments in use."""
    may_manage = viewer().may("governance:manage")
    rows = [
        Row(
            row.id,
            (Cell(row.name), Cell(f"{row.people:,}"), Cell(look="time", moment=row.created_at)),
            _actions(row) if may_manage else (),
        )
        for row in _in_use(viewer().organization_id)
    ]
    table = Table(
        "departments", "Departments", ("Department", "People", "Since"), rows, "No department yet."
    )
    page = SettingsPage(
        "Departments",
        "What somebody uses counts for their own department, else their team's, else the project's.",
        HERE,
        utcnow(),
        (table,),
        actions=(("New department", f"{HERE}/new", True),) if may_manage else (),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("governance:manage")
def compose() -> Response:
    """Answer with the empty composer."""
    return show_form(_form({}))


@blueprint.post(HERE)
@requires("governance:manage")
def create() -> Response:
    """Create a department."""
    form = _form({})
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: departments.create(viewer().actor(), values["name"], utcnow()),
        "departments.index",
        f"{values['name']} is created.",
    )


@blueprint.get(f"{HERE}/<department_id>/edit")
@requires("governance:manage")
def edit(department_id: str) -> Response:
    """Answer with the form over a department."""
    row = departments.find(viewer().organization_id, department_id)
    return show_form(_form({"name": row.name}, row.id, version_of(row)))


@blueprint.post(f"{HERE}/<department_id>/edit")
@requires("governance:manage")
def update(department_id: str) -> Response:
    """Rename a department."""
    form = _form({}, department_id, sent_version() or "")
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: departments.rename(
            viewer().actor(), department_id, values["name"], utcnow(), sent_version()
        ),
        "departments.index",
        f"{values['name']} is saved.",
    )


@blueprint.post(f"{HERE}/<department_id>/archive")
@requires("governance:manage")
def archive(department_id: str) -> Response:
    """Archive a department."""
    row = departments.archive(viewer().actor(), department_id, utcnow())
    flash(f"{row.name} is archived. Its people count as unassigned.", "positive")
    return see("departments.index")


def _in_use(organization_id: str) -> list[Any]:
    people = (
        Member.select(fn.COUNT(Member.id))
        .where(Member.organization_id == organization_id, Member.department_id == Department.id)
        .alias("people")
    )
    rows = Department.select(Department, people).where(
        Department.organization_id == organization_id, Department.archived_at.is_null()
    )
    return list(rows.order_by(fn.LOWER(Department.name)))


def _form(values: dict[str, Any], department_id: str = "", version: str = "") -> FormPage:
    fields = (Field("name", "Name", attrs={"autocomplete": "off"}),)
    action = f"{HERE}/{department_id}/edit" if department_id else HERE
    title = "Edit department" if department_id else "New department"
    submit = "Save" if department_id else "Create department"
    return FormPage(
        title, action, HERE, fields, values, submit=submit, version=version, trail="Departments"
    )


def _actions(row: Department) -> tuple[Action, ...]:
    return (
        Action("pencil", f"Edit {row.name}", f"{HERE}/{row.id}/edit"),
        Action(
            "archive",
            f"Archive {row.name}",
            post=f"{HERE}/{row.id}/archive",
            title=f"Archive {row.name}?",
            body="Its people, teams and projects count as unassigned. The name is free again.",
            yes="Archive",
        ),
    )
