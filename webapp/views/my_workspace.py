"""Everyone's own page: their keys, what is left of their budgets, how each tool is connected, their latest calls."""

from __future__ import annotations

from flask import Blueprint, Response, flash

from core.authoring import personal_keys
from core.authoring import virtual_keys as authoring
from core.authoring.validation import invalid
from core.clock import utcnow
from core.fault import Refused
from core.models import User
from core.spending import standings
from rules.permissions import Place
from rules.windows import Window, period
from webapp.access import signed_in, viewer
from webapp.forms import show_form, show_refused, typed
from webapp.lake import lake_activity
from webapp.own_keys import may_create, own_key, refuse_creation, refuse_rotation
from webapp.page_models import budgets as budget_pages
from webapp.page_models.connecting import snippets
from webapp.page_models.my_workspace import HERE, KEYS, NAME, MyWorkspacePage, own_row
from webapp.page_models.settings_pages import FormPage
from webapp.pages import respond, see
from webapp.queries import virtual_keys as queries
from webapp.queries.budgets import personal_budgets
from webapp.state import control_plane
from webapp.views.virtual_keys import rotated, show_secret
from webapp.views.welcome import gateway_address

blueprint = Blueprint("my_workspace", __name__)
_CALLS = 10


@blueprint.get(HERE)
@signed_in
def show() -> Response:
    """Answer with the viewer's own page."""
    who, now = viewer(), utcnow()
    keys = queries.own_keys(who.organization_id, who.user_id)
    projects = queries.projects_of(keys)
    lake = lake_activity(who.organization_id)
    spent = lake.key_spend([row.id for row in keys], period(Window.MONTH, now)[0], now)
    label = {("principal", who.user_id): who.name}
    rows = []
    for row in keys:
        project = projects.get(row.project_id)
        place = Place(project.team_id, project.id) if project else Place()
        may_rotate = who.may("virtualKeys:rotate", place)
        rows.append(own_row(row, project, spent.get(row.id, 0), may_rotate, now))
    budgets = standings(personal_budgets(who.organization_id, who.user_id), now)
    page = MyWorkspacePage(
        name=who.name,
        keys=tuple(rows),
        spent_nanousd=sum(spent.values()),
        budgets=tuple(budget_pages.row_of(each, label, False, now) for each in budgets),
        snippets=snippets(gateway_address()),
        gateway_url=gateway_address(),
        calls=lake.calls_of("principal", who.user_id, now, _CALLS),
        may_create=may_create(who),
        now=now,
    )
    return respond("my_workspace.html", ("my_keys",), page=page)


@blueprint.get(f"{KEYS}/new")
@signed_in
def compose() -> Response:
    """Answer with the form for one more key of one's own."""
    refuse_creation(viewer())
    return show_form(_form({}))


@blueprint.post(KEYS)
@signed_in
def create() -> Response:
    """Make a key of one's own and show its secret."""
    refuse_creation(viewer())
    who, now = viewer(), utcnow()
    values = typed((NAME,))
    user = User.get_by_id(who.user_id)
    pepper = control_plane().settings.pepper
    try:
        row, secret = personal_keys.new_personal_key(who.actor(), user, values["name"], pepper, now)
    except Refused as refused:
        return show_refused(_form(values), _in_words(refused))
    return show_secret(row, secret, HERE, f"{row.name} is ready")


@blueprint.post(f"{KEYS}/<key_id>/rotate")
@signed_in
def rotate(key_id: str) -> Response:
    """Give a key of one's own a new secret and show it."""
    row = own_key(viewer(), key_id)
    refuse_rotation(viewer(), row)
    return rotated(row, HERE)


@blueprint.post(f"{KEYS}/<key_id>/revoke")
@signed_in
def revoke(key_id: str) -> Response:
    """End a key of one's own; whoever lost it may always do that."""
    row = own_key(viewer(), key_id)
    authoring.revoke(viewer().actor(), row.id, utcnow())
    flash(f"{row.name} is revoked; gateways refuse it within two seconds.", "positive")
    return see("my_workspace.show")


def _form(values: dict[str, str]) -> FormPage:
    caption = "It may use every provider there is, and your budgets stand on its calls."
    return FormPage("New key", KEYS, HERE, (NAME,), values, caption, "Create key", trail="My workspace")  # fmt: skip


def _in_words(refused: Refused) -> Refused:
    told = refused.facts.get("errors")
    if not isinstance(told, dict) or "providers" not in told:
        return refused
    return invalid({"name": "There is no provider yet. An administrator has to add one first."})
