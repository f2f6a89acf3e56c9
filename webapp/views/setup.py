"""The one-time link of the first start: whoever has it becomes the first administrator."""

from __future__ import annotations

from flask import Blueprint, Response, request

from core.authoring import first_run
from core.authoring.actor import Actor
from core.authoring.people import NewUser
from core.authoring.personal_keys import fresh_personal_key
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import User
from core.secrets import Secret
from rules.permissions import ADMIN
from webapp import sessions
from webapp.access import load_viewer, public
from webapp.page_models.sign_in import SetupPage
from webapp.pages import respond, see
from webapp.security import client_ip
from webapp.state import control_plane
from webapp.views.welcome import keep_for_showing

blueprint = Blueprint("setup", __name__)
SPENT = "This link has been used or has expired."
REMEDY = (
    "Sign in, or start the web app again: it prints a new link while there is no administrator."
)


@blueprint.get("/setup")
@public
def ask() -> Response:
    """Answer with the form, or 404 when the link opens nothing."""
    token = request.args.get("token", "")
    if not first_run.is_open(control_plane().settings.pepper, token, utcnow()):
        raise Refused(Fault.NOT_FOUND, SPENT, remedy=REMEDY)
    return respond("setup.html", page=SetupPage(token, is_unnamed=first_run.is_unnamed()))


@blueprint.post("/setup")
@public
def create() -> Response:
    """Make the administrator and their first key, sign them in and show it."""
    settings, now = control_plane().settings, utcnow()
    form = request.form
    token, address = Secret(form.get("token", "")), client_ip(settings)
    new = NewUser(
        form.get("email", ""), form.get("name", ""), ADMIN, Secret(form.get("password", ""))
    )
    named = form.get("organization", "").strip()
    try:
        organization, user = first_run.create_administrator(
            settings.pepper, token, new, address, now, named
        )
    except Refused as refused:
        return _again(refused, token, new, named)
    _, secret = fresh_personal_key(
        Actor(organization.id, user.id, "web", address), user, settings.pepper, now
    )
    _sign_in(user)
    keep_for_showing(secret)
    return see("welcome.show")


def _sign_in(user: User) -> None:
    person = load_viewer(user.id)
    if person is None:
        raise Refused(Fault.UNAUTHENTICATED)
    sessions.begin(person)


def _again(refused: Refused, token: Secret, new: NewUser, named: str) -> Response:
    errors = refused.facts.get("errors")
    if refused.fault is not Fault.VALIDATION_ERROR or not isinstance(errors, dict):
        raise refused
    is_unnamed = first_run.is_unnamed()
    page = SetupPage(token.reveal(), new.name, new.email, errors, named, is_unnamed)
    return respond("setup.html", status=422, page=page)
