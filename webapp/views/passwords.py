"""The pages of somebody who forgot their password: asking for a link, and choosing a new one with it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request

from core.authoring import organizations, password_links, sign_in_connections
from core.authoring.actor import Actor
from core.clock import utcnow
from core.fault import Fault, Refused
from core.secrets import Secret
from webapp import letters
from webapp.access import public
from webapp.page_models.sign_in import PasswordPage
from webapp.pages import respond, see
from webapp.security import client_ip
from webapp.state import control_plane

blueprint = Blueprint("passwords", __name__)


@blueprint.get("/forgot-password")
@public
def ask() -> Response:
    """Answer with the form that asks for a link; without mail it says whom to turn to."""
    return respond("forgot_password.html", page=PasswordPage(mails=letters.mails()))


@blueprint.post("/forgot-password")
@public
def send() -> Response:
    """Mail a link to a member. The answer is the same for everybody, so that it tells nothing of who is one."""
    settings, now = control_plane().settings, utcnow()
    address, email = client_ip(settings), request.form.get("email", "")
    if control_plane().sign_ins.retry_after_seconds(address):
        raise Refused(Fault.RATE_LIMIT_EXCEEDED, "Too many attempts; wait a minute.")
    may_have = letters.mails() and not sign_in_connections.is_forced_for(email)
    found = password_links.person_for(email) if may_have else None
    if found is not None:
        user, organization_id = found
        actor = Actor(organization_id, user.id, "web", address)
        token = password_links.create(actor, user.id, settings.pepper, now)
        name = organizations.find(organization_id).name
        link = letters.link_to("/password", token)
        letters.mail_password_link_quietly(user.email, name, link)
    page = PasswordPage(email=email, is_sent=True, mails=letters.mails())
    return respond("forgot_password.html", page=page)


@blueprint.get("/password")
@public
def open_link() -> Response:
    """Answer with the form for a new password, or 404 when the link opens nothing."""
    token = request.args.get("token", "")
    password_links.opened(control_plane().settings.pepper, token, utcnow())
    return respond("new_password.html", page=PasswordPage(token))


@blueprint.post("/password")
@public
def choose() -> Response:
    """Set the password; the person signs in with it."""
    settings = control_plane().settings
    token, password = request.form.get("token", ""), Secret(request.form.get("password", ""))
    try:
        password_links.spend(
            settings.pepper, Secret(token), password, client_ip(settings), utcnow()
        )
    except Refused as refused:
        errors = refused.facts.get("errors")
        if refused.fault is not Fault.VALIDATION_ERROR or not isinstance(errors, dict):
            raise
        page = PasswordPage(token, error=str(errors.get("password", "")))
        return respond("new_password.html", status=422, page=page)
    flash("Your password is changed. Sign in with it.", "positive")
    return see("sign_in.ask")
