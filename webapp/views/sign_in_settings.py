"""How people sign in, for administrators: connections to OpenID providers, and the directory's token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import scim_tokens, sign_in_connections
from core.authoring.sign_in_connections import NewConnection
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.models import ScimToken, SignInConnection
from core.secrets import Secret
from webapp.access import requires, viewer
from webapp.forms import save, sent_version, show_form, show_once, show_page, typed
from webapp.page_models.inviting import ROLE_CHOICES
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
from webapp.state import control_plane
from webapp.trials import why_unanswered
from webapp.views.single_sign_on import CALLBACK, callback_address

blueprint = Blueprint("sign_in_settings", __name__)
HERE = "/settings/sign-in"


@blueprint.get(HERE)
@requires("organization:manage")
def index() -> Response:
    """Answer with the connections."""
    rows = [_row(row) for row in _connections(viewer().organization_id)]
    table = Table(
        "connections",
        "Single sign-on",
        ("Connection", "Domains", "State"),
        rows,
        "People sign in with a password. Connect your company's OpenID provider to end that.",
        add=("New connection", f"{HERE}/new") if viewer().may_everything() else None,
    )
    token = scim_tokens.current(viewer().organization_id)
    page = SettingsPage(
        "Sign-in",
        "How people of this organization prove who they are.",
        HERE,
        utcnow(),
        (table, _directory(token)),
        addresses=(
            ("Redirect address to register", callback_address()),
            ("Directory (SCIM) address", callback_address().removesuffix(CALLBACK) + "/scim/v2"),
        ),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/directory-token")
@requires("organization:manage")
def ask_token() -> Response:
    """Answer with the question whether to make a token."""
    caption = "Your directory presents it. The token before stops working at once."
    path = f"{HERE}/directory-token"
    form = FormPage(
        "New directory token", path, HERE, (), {}, caption, "Make a token", trail="Sign-in"
    )
    return show_form(form)


@blueprint.post(f"{HERE}/directory-token")
@requires("organization:manage")
def make_token() -> Response:
    """Make the directory's token and show it."""
    secret = scim_tokens.mint(viewer().actor(), control_plane().settings.pepper, utcnow())
    return show_once(
        ShownOnce(
            "The directory's token",
            "The token is shown once",
            "Enter it in your directory. It is stored as a hash, so nobody can read it again.",
            "Token",
            secret.reveal(),
            HERE,
        )
    )


@blueprint.post(f"{HERE}/directory-token/revoke")
@requires("organization:manage")
def revoke_token() -> Response:
    """End the directory's token."""
    scim_tokens.revoke(viewer().actor(), utcnow())
    flash("The directory's token does not work any more. Whom it added stays.", "positive")
    return see("sign_in_settings.index")


def _directory(token: ScimToken | None) -> Table:
    rows = []
    if token is not None:
        end = Action(
            "x",
            "Revoke the token",
            post=f"{HERE}/directory-token/revoke",
            title="Revoke the directory's token?",
            body="Your directory can change nothing here any more. Whom it added stays.",
            yes="Revoke",
        )
        cells = (
            Cell(token.display_prefix, "mono"),
            Cell(look="time", moment=token.created_at),
            Cell("Never", "time", moment=token.last_used_at),
        )
        rows.append(Row(token.id, cells, (end,)))
    return Table(
        "directory",
        "Directory (SCIM)",
        ("Token", "Made", "Last used"),
        rows,
        "No directory keeps people here. With a token it adds, changes and shuts out people by itself.",
        add=("New token", f"{HERE}/directory-token") if viewer().may_everything() else None,
    )


@blueprint.get(f"{HERE}/new")
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty composer."""
    values = {
        "scopes": sign_in_connections.DEFAULT_SCOPES,
        "default_role": "member",
        "groups_claim": "groups",
        "is_enabled": True,
    }
    return show_form(_form(values))


@blueprint.post(HERE)
@requires("organization:manage")
def create() -> Response:
    """Create a connection, and say whether its provider answers."""
    form = _form({})
    values = typed(form.fields)
    sealer = control_plane().sealer

    def work() -> None:
        row = sign_in_connections.create(viewer().actor(), _wanted(values), sealer, utcnow())
        _say_whether_it_answers(row)

    return save(replace(form, values=values), work, "sign_in_settings.index")


@blueprint.get(f"{HERE}/<connection_id>/edit")
@requires("organization:manage")
def edit(connection_id: str) -> Response:
    """Answer with the form over a connection; its secret stays out."""
    row = sign_in_connections.find(viewer().organization_id, connection_id)
    values = {name: getattr(row, name) for name in _PLAIN}
    values["domains"] = "\n".join(row.domains)
    values["group_roles"] = "\n".join(f"{e['group']} = {e['role']}" for e in row.group_roles)
    return show_form(_form(values, row, version_of(row)))


@blueprint.post(f"{HERE}/<connection_id>/edit")
@requires("organization:manage")
def update(connection_id: str) -> Response:
    """Change a connection, and say whether its provider answers."""
    actor, sealer = viewer().actor(), control_plane().sealer
    row = sign_in_connections.find(actor.organization_id, connection_id)
    form = _form({}, row, sent_version() or "")
    values = typed(form.fields)

    def work() -> None:
        # A file's private issuer stays allowed as long as nobody changes it here.
        is_operator = row.is_operator_address and values["issuer"].rstrip("/") == row.issuer
        wanted = replace(_wanted(values), is_operator_address=is_operator)
        saved = sign_in_connections.update(
            actor, connection_id, wanted, sealer, utcnow(), sent_version()
        )
        _say_whether_it_answers(saved)

    return save(replace(form, values=values), work, "sign_in_settings.index")


@blueprint.post(f"{HERE}/<connection_id>/check")
@requires("organization:manage")
def check(connection_id: str) -> Response:
    """Ask the provider what it publishes, and say what came."""
    _say_whether_it_answers(sign_in_connections.find(viewer().organization_id, connection_id))
    return see("sign_in_settings.index")


@blueprint.post(f"{HERE}/<connection_id>/archive")
@requires("organization:manage")
def archive(connection_id: str) -> Response:
    """End a connection."""
    row = sign_in_connections.archive(viewer().actor(), connection_id, utcnow())
    flash(f"{row.name} signs nobody in any more.", "positive")
    return see("sign_in_settings.index")


def _say_whether_it_answers(row: SignInConnection) -> None:
    if problem := why_unanswered(row, control_plane()):
        flash(f"{row.name} is saved, but its provider can't be used yet: {problem}", "warning")
    else:
        flash(f"{row.name} is saved, and its provider answers.", "positive")


_PLAIN = (
    "name",
    "issuer",
    "client_id",
    "scopes",
    "is_forced",
    "default_role",
    "groups_claim",
    "syncs_groups",
    "is_enabled",
)


def _wanted(values: dict[str, Any]) -> NewConnection:
    secret = values["client_secret"]
    return NewConnection(
        values["name"],
        values["issuer"],
        values["client_id"],
        Secret(secret) if secret else None,
        values["scopes"],
        tuple(values["domains"].split()),
        values["is_forced"] == "1",
        values["default_role"],
        values["groups_claim"],
        _mappings(values["group_roles"]),
        values["syncs_groups"] == "1",
        values["is_enabled"] == "1",
    )


def _mappings(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for line in filter(str.strip, text.splitlines()):
        group, equals, role = line.rpartition("=")
        if not equals:
            raise invalid({"group_roles": "Write each line as a group, an equals sign and a role."})
        found.append((group.strip(), role.strip().lower()))
    return tuple(found)


def _form(
    values: dict[str, Any], row: SignInConnection | None = None, version: str = ""
) -> FormPage:
    kept = "Left empty, the one there is stays. " if row and row.sealed_client_secret else ""
    fields = (
        Field("name", "Name", help="What the button on the sign-in page says."),
        Field("issuer", "Issuer", "url", "The address before /.well-known/openid-configuration."),
        Field("client_id", "Client id", attrs={"autocomplete": "off"}),
        Field(
            "client_secret",
            "Client secret",
            "password",
            f"{kept}It is stored sealed and not shown again.",
            required=False,
            attrs={"autocomplete": "new-password"},
        ),
        Field(
            "domains",
            "Domains",
            "lines",
            "One a line. People with such an address become members when they first sign in.",
            required=False,
        ),
        Field("is_forced", "People of these domains sign in this way alone", "checkbox"),
        Field("default_role", "Role of new people", "select", options=ROLE_CHOICES),
        Field("groups_claim", "Claim that lists groups"),
        Field(
            "group_roles",
            "Groups that give a role",
            "lines",
            "One a line, as: AI admins = admin. With any, the role follows the groups at each sign-in.",
            required=False,
        ),
        Field("syncs_groups", "Keep a group here for each group of the provider", "checkbox"),
        Field("scopes", "Scopes"),
        Field("is_enabled", "Enabled", "checkbox"),
    )
    action = f"{HERE}/{row.id}/edit" if row else HERE
    title, submit = ("Edit connection", "Save") if row else ("New connection", "Create connection")
    caption = f"Register this redirect address there: {callback_address()}"
    return FormPage(
        title, action, HERE, fields, values, caption, submit, version=version, trail="Sign-in"
    )


def _connections(organization_id: str) -> list[SignInConnection]:
    rows = SignInConnection.select().where(
        SignInConnection.organization_id == organization_id,
        SignInConnection.archived_at.is_null(),
    )
    return list(rows.order_by(SignInConnection.name))


def _row(row: SignInConnection) -> Row:
    path = f"{HERE}/{row.id}"
    forced = (("No passwords", "accent"),) if row.is_forced else ()
    state = ("Enabled", "positive") if row.is_enabled else ("Disabled", "")
    cells = (
        Cell(row.name, note=row.issuer),
        Cell(", ".join(row.domains) or "By invitation only", badges=forced),
        Cell(state[0], "badge", state[1]),
    )
    edit = (Action("pencil", f"Edit {row.name}", f"{path}/edit"),)
    actions = (
        *(edit if viewer().may_everything() else ()),
        Action("rotate", f"Check {row.name}", post=f"{path}/check"),
        Action(
            "archive",
            f"Archive {row.name}",
            post=f"{path}/archive",
            title=f"Archive {row.name}?",
            body="Nobody signs in through it any more. Those without a password need a link for one.",
            yes="Archive",
        ),
    )
    return Row(row.id, cells, actions)
