"""An organization's own roles, and role bindings: who has which role where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import bindings, custom_roles, groups, people
from core.authoring.bindings import NewBinding
from core.authoring.custom_roles import NewRole
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.grants import GROUP, SERVICE_ACCOUNT, USER
from core.models import CustomRole
from rules.permissions import CATALOG, ORGANIZATION_ONLY
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
from webapp.queries import choices, directory
from webapp.queries.scopes import scope_names

blueprint = Blueprint("roles", __name__)
HERE = "/settings/roles"
PERMISSIONS = [
    (
        resource,
        "organization" if resource in ORGANIZATION_ONLY else "",
        [(f"{resource}:{verb}", verb) for verb in verbs],
    )
    for resource, verbs in CATALOG.items()
]
"""Each resource, where its permissions count when not everywhere, and what may be done to it."""
_KINDS = {
    "user": "Person",
    "group": "Group",
    "service_account": "Service account",
    "api_key": "API key",
}


@blueprint.get(HERE)
@requires("organization:manage")
def index() -> Response:
    """Answer with the roles and the bindings."""
    organization_id, paging = viewer().organization_id, asked_page(HERE)
    found = directory.bindings_page(organization_id, at_of(paging))
    paging = paged(paging, found)
    roles = Table(
        "roles",
        "Custom roles",
        ("Role", "Permissions"),
        [_role_row(row) for row in directory.custom_roles_of(organization_id)],
        "No role of your own. Admin, member and viewer are always there.",
        add=("New role", f"{HERE}/new"),
    )
    bound = Table(
        "bindings",
        "Role bindings",
        ("Who", "Role", "Where", "Since"),
        [_binding_row(row) for row in found.rows],
        "Nobody has a role beside those of their teams.",
        add=("Give a role", f"{HERE}/bindings/new"),
        paging=paging,
    )
    page = SettingsPage(
        "Roles",
        "Lists of permissions, and who has them where. A role at the organization reaches every team and project.",
        HERE,
        utcnow(),
        (roles, bound),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty composer."""
    return show_form(_form({"permissions": []}))


@blueprint.post(HERE)
@requires("organization:manage")
def create() -> Response:
    """Create a role."""
    form = _form({})
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: custom_roles.create(viewer().actor(), _wanted(values), utcnow()),
        "roles.index",
        f"{values['name']} is created.",
    )


@blueprint.get(f"{HERE}/<role_id>/edit")
@requires("organization:manage")
def edit(role_id: str) -> Response:
    """Answer with the form over a role."""
    row = custom_roles.find(viewer().organization_id, role_id)
    values = {
        "name": row.name,
        "description": row.description,
        "permissions": row.permissions,
    }
    return show_form(_form(values, row.id, version_of(row)))


@blueprint.post(f"{HERE}/<role_id>/edit")
@requires("organization:manage")
def update(role_id: str) -> Response:
    """Change a role for everyone who has it."""
    form = _form({}, role_id, sent_version() or "")
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: custom_roles.update(
            viewer().actor(), role_id, _wanted(values), utcnow(), sent_version()
        ),
        "roles.index",
        f"{values['name']} is saved.",
    )


@blueprint.post(f"{HERE}/<role_id>/delete")
@requires("organization:manage")
def delete(role_id: str) -> Response:
    """Delete a role that nobody has."""
    custom_roles.delete(viewer().actor(), role_id, utcnow())
    flash("The role is gone.", "positive")
    return see("roles.index")


@blueprint.get(f"{HERE}/bindings/new")
@requires("organization:manage")
def compose_binding() -> Response:
    """Answer with the form that gives a role."""
    return show_form(_binding_form({"kind": "user", "role": "viewer", "where": "organization"}))


@blueprint.post(f"{HERE}/bindings")
@requires("organization:manage")
def bind() -> Response:
    """Give a role."""
    form = _binding_form({})
    values = typed(form.fields)
    actor = viewer().actor()
    role, custom_id = choices.role_and_custom(values["role"])
    scope, _, scope_id = values["where"].partition(":")

    def work() -> None:
        new = NewBinding(
            values["kind"],
            _principal_id(actor.organization_id, values["kind"], values["who"]),
            role,
            scope,
            scope_id or actor.organization_id,
            custom_id or "",
        )
        bindings.create(actor, new, utcnow())

    return save(replace(form, values=values), work, "roles.index", "The role is given.")


@blueprint.post(f"{HERE}/bindings/<binding_id>/delete")
@requires("organization:manage")
def unbind(binding_id: str) -> Response:
    """Take a role away."""
    bindings.delete(viewer().actor(), binding_id, utcnow())
    flash("The role is taken away.", "positive")
    return see("roles.index")


def _principal_id(organization_id: str, kind: str, who: str) -> str:
    """Return whom a form names: a person by e-mail, a group or a service account by name."""
    if kind == USER:
        person = people.find_by_email(organization_id, who)
        found = person.id if person else ""
    elif kind == GROUP:
        group = groups.find_by_name(organization_id, who)
        found = group.id if group else ""
    elif kind == SERVICE_ACCOUNT:
        accounts = directory.service_accounts_of(organization_id)
        found = next((row.id for row in accounts if row.name == who), "")
    else:
        found = who
    if not found:
        raise invalid({"who": "Nobody here is called that."})
    return found


def _wanted(values: dict[str, Any]) -> NewRole:
    return NewRole(values["name"], tuple(values["permissions"]), values["description"])


def _form(values: dict[str, Any], role_id: str = "", version: str = "") -> FormPage:
    fields = (
        Field("name", "Name", attrs={"autocomplete": "off"}),
        Field("description", "Description", required=False),
        Field(
            "permissions",
            "Permissions",
            "checks",
            "Manage holds every verb of its resource. Those marked organization count in a role given there alone.",
            required=False,
            groups=PERMISSIONS,
        ),
    )
    action = f"{HERE}/{role_id}/edit" if role_id else HERE
    title, submit = ("Edit role", "Save") if role_id else ("New role", "Create role")
    return FormPage(
        title, action, HERE, fields, values, submit=submit, version=version, trail="Roles"
    )


def _binding_form(values: dict[str, Any]) -> FormPage:
    organization_id = viewer().organization_id
    places = [
        (f"{scope}:{scope_id}", label)
        for (scope, scope_id), label in scope_names(organization_id).items()
        if scope in ("team", "project")
    ]
    fields = (
        Field(
            "kind",
            "To whom",
            "select",
            options=[
                ("user", "A person"),
                ("group", "A group"),
                ("service_account", "A service account"),
            ],
        ),
        Field("who", "E-mail or name", help="A person's e-mail, or the group's or account's name."),
        Field("role", "Role", "select", options=choices.role_choices(organization_id)),
        Field(
            "where", "Where", "select", options=[("organization", "Whole organization"), *places]
        ),
    )
    return FormPage(
        "Give a role", f"{HERE}/bindings", HERE, fields, values, submit="Give", trail="Roles"
    )


def _role_row(row: CustomRole) -> Row:
    shown = ", ".join(row.permissions[:4]) + (" …" if len(row.permissions) > 4 else "")
    cells = (
        Cell(row.name, note=row.description),
        Cell(shown or "Like a viewer", note=f"{len(row.permissions)} in all" if shown else ""),
    )
    actions = (
        Action("pencil", f"Edit {row.name}", f"{HERE}/{row.id}/edit"),
        Action(
            "archive",
            f"Delete {row.name}",
            post=f"{HERE}/{row.id}/delete",
            title=f"Delete {row.name}?",
            body="It can be deleted while nobody has it.",
            yes="Delete",
        ),
    )
    return Row(row.id, cells, actions)


def _binding_row(row: Any) -> Row:
    where = "Whole organization" if row.scope == "organization" else row.place or row.scope_id
    role = row.custom_name if row.role == "custom" else row.role.capitalize()
    who = row.principal or row.principal_id
    cells = (
        Cell(who, note=_KINDS.get(row.principal_kind, row.principal_kind)),
        Cell(role or "Custom", "badge"),
        Cell(where, note="" if row.scope == "organization" else row.scope.capitalize()),
        Cell(look="time", moment=row.created_at),
    )
    take = Action(
        "x",
        f"Take {role} from {who}",
        post=f"{HERE}/bindings/{row.id}/delete",
        title=f"Take the role {role} from {who}?",
        body="What it granted ends with their next request.",
        yes="Take it away",
    )
    return Row(row.id, cells, (take,))
