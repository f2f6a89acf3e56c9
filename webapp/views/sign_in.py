"""Signing in and out, and where the start address leads."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, make_response, request
from werkzeug.utils import redirect

from core.authoring import first_run, organizations, sign_in_connections
from core.authoring.passwords import authenticate
from core.clock import utcnow
from core.secrets import Secret
from rules.persona import home_of
from webapp import sessions
from webapp.access import Viewer, load_viewer, public, signed_in, viewer, visitor
from webapp.page_models.sign_in import HomePage, SignInPage
from webapp.pages import respond
from webapp.queries.persona import standing_of
from webapp.security import client_ip
from webapp.state import control_plane

blueprint = Blueprint("sign_in", __name__)
REFUSED = "The e-mail address or the password is not right. After ten failures an account rests for 15 minutes."


@blueprint.get("/")
@public
def start() -> Response:
    """Send everyone to where they belong."""
    person = visitor()
    if person is None:
        return _go("/sign-in")
    state = control_plane()
    return _go(home_of(standing_of(person, state.settings, state.lake, utcnow())))


@blueprint.get("/home")
@signed_in
def home() -> Response:
    """Answer with the way to one's workspace, and to whatever else one may open."""
    return respond("home.html", page=HomePage(viewer().name, viewer().organization_name))


@blueprint.get("/sign-in")
@public
def ask() -> Response:
    """Answer with the form; who is signed in already goes on."""
    target = sessions.safe_next(request.args.get("next", "/"))
    return _go(target) if visitor() else _form(SignInPage(target))


@blueprint.post("/sign-in")
@public
def enter() -> Response:
    """Begin a session, or show the form again."""
    settings = control_plane().settings
    target = sessions.safe_next(request.form.get("next", "/"))
    email = request.form.get("email", "")
    forced = sign_in_connections.for_address(email)
    if forced is not None and forced.is_forced:
        return _form(SignInPage(target, email, only_through=(forced.id, forced.name)))
    wait_seconds = control_plane().sign_ins.retry_after_seconds(client_ip(settings))
    if wait_seconds:
        response = _form(SignInPage(target, email, "Too many attempts; wait a minute."), 429)
        response.headers["Retry-After"] = str(wait_seconds)
        return response
    person = _authenticated(email, Secret(request.form.get("password", "")))
    if person is None:
        return _form(SignInPage(target, email, REFUSED), 422)
    sessions.begin(person)
    return _go(target)


@blueprint.post("/sign-out")
@signed_in
def leave() -> Response:
    """End the session."""
    sessions.end()
    return _go("/sign-in")


def _authenticated(email: str, password: Secret) -> Viewer | None:
    user = authenticate(email, password, utcnow())
    return None if user is None else load_viewer(user.id)


def _form(page: SignInPage, status: int = 200) -> Response:
    if page.only_through is None:
        offered = tuple((row.id, row.name) for row in sign_in_connections.enabled())
        page = replace(page, connections=offered, has_nobody=_has_nobody())
    return respond("sign_in.html", status=status, page=page)


def _has_nobody() -> bool:
    """Say whether the first administrator is still to be made, so that whoever comes learns how."""
    organization = organizations.only()
    return organization is None or not first_run.has_administrator(organization.id)


def _go(target: str) -> Response:
    return make_response(redirect(target, code=303))
