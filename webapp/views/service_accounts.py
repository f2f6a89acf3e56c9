"""Service accounts: identities of programs. List, composer, switching off and on, archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import service_accounts
from core.authoring.service_accounts import NewServiceAccount
from core.authoring.versions import version_of
from core.clock import utcnow
from core.models import ServiceAccount
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

blueprint = Blueprint("service_accounts", __name__)
HERE = "/settings/service-accounts"


@blueprint.get(HERE)
@requires("organization:manage")
def index() -> Response:
    """Answer with the service accounts."""
    paging = asked_page(HERE)
    found = directory.service_accounts_page(viewer().organization_id, at_of(paging))
    rows = [_row(row) for row in found.rows]
    columns = ("Account", "State", "Since")
    table = Table(
        "service-accounts",
        "Service accounts",
        columns,
        rows,
        "No service account yet. Make one for each program, give it a role, then an API key.",
        paging=paged(paging, found),
    )
    page = SettingsPage(
        "Service accounts",
        "Identities of programs. Give one a role, then make an API key for it.",
        HERE,
        utcnow(),
        (table,),
        actions=(("New account", f"{HERE}/new", True),),
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
    """Create a service account."""
    form = _form({})
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: service_accounts.create(viewer().actor(), _wanted(values), utcnow()),
        "service_accounts.index",
        f"{values['name']} is created. It may do nothing until it is given a role.",
    )


@blueprint.get(f"{HERE}/<account_id>/edit")
@requires("organization:manage")
def edit(account_id: str) -> Response:
    """Answer with the form over an account."""
    row = service_accounts.find(viewer().organization_id, account_id)
    values = {"name": row.name, "description": row.description}
    return show_form(_form(values, row.id, version_of(row)))


@blueprint.post(f"{HERE}/<account_id>/edit")
@requires("organization:manage")
def update(account_id: str) -> Response:
    """Change an account's name or description."""
    form = _form({}, account_id, sent_version() or "")
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: service_accounts.update(
            viewer().actor(), account_id, _wanted(values), utcnow(), sent_version()
        ),
        "service_accounts.index",
        f"{values['name']} is saved.",
    )


@blueprint.post(f"{HERE}/<account_id>/<any(disable, enable):change>")
@requires("organization:manage")
def switch(account_id: str, change: str) -> Response:
    """Refuse an account's keys for a while, or let them work again."""
    actor = viewer().actor()
    service_accounts.set_enabled(actor, account_id, change == "enable", utcnow())
    return see("service_accounts.index")


@blueprint.post(f"{HERE}/<account_id>/archive")
@requires("organization:manage")
def archive(account_id: str) -> Response:
    """End an account with its keys."""
    row = service_accounts.archive(viewer().actor(), account_id, utcnow())
    flash(f"{row.name} is archived and its API keys are revoked.", "positive")
    return see("service_accounts.index")


def _wanted(values: dict[str, Any]) -> NewServiceAccount:
    return NewServiceAccount(values["name"], values["description"])


def _form(values: dict[str, Any], account_id: str = "", version: str = "") -> FormPage:
    fields = (
        Field("name", "Name", attrs={"autocomplete": "off"}),
        Field("description", "Description", required=False, help="What runs under it?"),
    )
    action = f"{HERE}/{account_id}/edit" if account_id else HERE
    title = "Edit service account" if account_id else "New service account"
    submit = "Save" if account_id else "Create account"
    return FormPage(
        title,
        action,
        HERE,
        fields,
        values,
        submit=submit,
        version=version,
        trail="Service accounts",
    )


def _row(row: ServiceAccount) -> Row:
    path, is_on = f"{HERE}/{row.id}", row.disabled_at is None
    cells = (
        Cell(row.name, note=row.description),
        Cell("Active" if is_on else "Disabled", "badge", "positive" if is_on else "critical"),
        Cell(look="time", moment=row.created_at),
    )
    switch_label = f"Disable {row.name}" if is_on else f"Enable {row.name}"
    actions = (
        Action("pencil", f"Edit {row.name}", f"{path}/edit"),
        Action(
            "pause" if is_on else "play",
            switch_label,
            post=f"{path}/{'disable' if is_on else 'enable'}",
        ),
        Action(
            "archive",
            f"Archive {row.name}",
            post=f"{path}/archive",
            title=f"Archive {row.name}?",
            body="Its API keys are revoked and its roles taken away, for good.",
            yes="Archive",
        ),
    )
    return Row(row.id, cells, actions, is_off=not is_on)
