"""API keys: everybody's own on their account page, and all of the organization's for its administrators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import api_keys
from core.authoring.api_keys import NewApiKey
from core.authoring.validation import invalid, not_found
from core.clock import utcnow
from core.fault import Refused
from core.grants import SERVICE_ACCOUNT, USER
from webapp.access import requires, signed_in, viewer
from webapp.forms import (
    asked_page,
    at_of,
    paged,
    show_form,
    show_once,
    show_page,
    show_refused,
    typed,
)
from webapp.page_models.settings_pages import (
    Action,
    Cell,
    Field,
    FormPage,
    Row,
    SettingsPage,
    ShownOnce,
    Table,
)
from webapp.pages import see
from webapp.queries import directory
from webapp.state import control_plane
from webapp.views.roles import PERMISSIONS

blueprint = Blueprint("api_keys", __name__)
HERE = "/settings/api-keys"
OWN = "/me/api-keys"
ACCOUNT = "/me/settings"
COLUMNS = ("Key", "Owner", "May", "Last used", "Expires")
_MODES = [
    ("all", "Everything its owner may"),
    ("readonly", "Only look at what its owner may"),
    ("restricted", "Only what is chosen below"),
]


@blueprint.get(HERE)
@requires("organization:manage")
def index() -> Response:
    """Answer with every key that works."""
    paging = asked_page(HERE)
    found = directory.api_keys_page(viewer().organization_id, at_of(paging))
    table = Table(
        "api-keys",
        "API keys",
        COLUMNS,
        rows(found.rows, HERE),
        "No API key is in use. People make their own under Your account; programs have theirs from here.",
        paging=paged(paging, found),
    )
    page = SettingsPage(
        "API keys",
        "For scripts and pipelines that manage this control plane. Tools that call models use virtual keys.",
        HERE,
        utcnow(),
        (table,),
        actions=(("New key for a service account", f"{HERE}/new", True),),
        links=(("API description", "/api/openapi.json"),),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("organization:manage")
def compose() -> Response:
    """Answer with the composer of a service account's key."""
    return show_form(_form({"permission_mode": "all", "scopes": []}, HERE))


@blueprint.post(HERE)
@requires("organization:manage")
def create() -> Response:
    """Make a key for a service account and show it."""
    return _created(HERE, HERE, SERVICE_ACCOUNT)


@blueprint.post(f"{HERE}/<key_id>/revoke")
@requires("organization:manage")
def revoke(key_id: str) -> Response:
    """End a key, whoever owns it."""
    row = api_keys.revoke(viewer().actor(), key_id, utcnow())
    flash(f"{row.name} is revoked.", "positive")
    return see("api_keys.index")


@blueprint.get(f"{OWN}/new")
@signed_in
def compose_own() -> Response:
    """Answer with the composer of a key of one's own."""
    return show_form(_form({"permission_mode": "all", "scopes": []}, OWN))


@blueprint.post(OWN)
@signed_in
def create_own() -> Response:
    """Make a key of one's own and show it."""
    return _created(OWN, ACCOUNT, USER)


@blueprint.post(f"{OWN}/<key_id>/revoke")
@signed_in
def revoke_own(key_id: str) -> Response:
    """End a key of one's own; another's is not there."""
    who = viewer()
    if api_keys.find(who.organization_id, key_id).owner_id != who.user_id:
        raise not_found("API key")
    row = api_keys.revoke(who.actor(), key_id, utcnow())
    flash(f"{row.name} is revoked.", "positive")
    return see("me.show")


def rows(found: Sequence[Any], path: str) -> list[Row]:
    """Return keys as rows of a table; ``path`` is where they are revoked."""
    return [_row(row, path) for row in found]


def _created(path: str, back: str, owner_kind: str) -> Response:
    form = _form({}, path)
    values = typed(form.fields)
    who, now = viewer(), utcnow()
    try:
        new = NewApiKey(
            values["name"],
            owner_kind,
            who.user_id if owner_kind == USER else values["owner"],
            values["permission_mode"],
            tuple(values["scopes"]),
            _expiry(values["expires_days"], now),
        )
        row, secret = api_keys.create(who.actor(), new, control_plane().settings.pepper, now)
    except Refused as refused:
        return show_refused(replace(form, values=values), refused)
    return show_once(
        ShownOnce(
            f"{row.name} is ready",
            "The key is shown once",
            "Copy it now. It is stored as a hash, so nobody can read it again; a lost key is revoked.",
            "API key",
            secret.reveal(),
            back,
        )
    )


def _expiry(days: str, now: datetime) -> datetime | None:
    if not days:
        return None
    if not days.isdecimal() or not 1 <= int(days) <= 3650:
        raise invalid({"expires_days": "Choose 1 to 3650 days, or leave it empty."})
    return now.astimezone(UTC) + timedelta(days=int(days))


def _form(values: dict[str, Any], path: str) -> FormPage:
    back = HERE if path == HERE else ACCOUNT
    fields = [
        Field("name", "Name", help="What will use it?", attrs={"autocomplete": "off"}),
        Field("permission_mode", "May do", "select", options=_MODES),
        Field("scopes", "Chosen permissions", "checks", required=False, groups=PERMISSIONS),
        Field(
            "expires_days",
            "Expires after",
            "number",
            "Left empty, it works until it is revoked.",
            required=False,
            unit="days",
            attrs={"min": "1", "max": "3650"},
        ),
    ]
    if path == HERE:
        accounts = directory.service_accounts_of(viewer().organization_id)
        options = [(row.id, row.name) for row in accounts]
        help_text = (
            "The key does what this account's roles grant."
            if options
            else "There is none yet. Make one under Service accounts first."
        )
        fields.insert(1, Field("owner", "Service account", "select", help_text, options))
    return FormPage(
        "New API key", path, back, tuple(fields), values, submit="Create key", trail="API keys"
    )


def _row(row: Any, path: str) -> Row:
    mode = {"all": "Everything", "readonly": "Look", "restricted": "Chosen"}[row.permission_mode]
    cells = (
        Cell(row.name, note=row.display_prefix),
        Cell(row.owner_name or row.owner_id),
        Cell(mode, "badge", note=", ".join(row.scopes[:3])),
        Cell("Never", "time", moment=row.last_used_at),
        Cell(f"{row.expires_at:%Y-%m-%d}" if row.expires_at else "Never"),
    )
    revoke_action = Action(
        "x",
        f"Revoke {row.name}",
        post=f"{path}/{row.id}/revoke",
        title=f"Revoke {row.name}?",
        body="Whatever uses it is refused from its next request on. This can't be undone.",
        yes="Revoke",
    )
    return Row(row.id, cells, (revoke_action,))
