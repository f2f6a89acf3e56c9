"""Inviting people, and what somebody sees who opens an invitation."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, flash, request

from core.authoring import invitations, organizations, sign_in_connections
from core.authoring.invitations import NewInvitation
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import Invitation
from core.secrets import Secret
from rules.permissions import Reach
from webapp import letters, sessions
from webapp.access import load_viewer, public, requires, viewer
from webapp.forms import show_form, show_once, show_refused, typed
from webapp.page_models.settings_pages import Field, FormPage, ShownOnce
from webapp.page_models.sign_in import JoinPage
from webapp.pages import respond, see
from webapp.queries import choices
from webapp.security import client_ip
from webapp.state import control_plane
from webapp.views.members import HERE as MEMBERS
from webapp.views.members import ROLE_CHOICES, ROLE_HELP

blueprint = Blueprint("invitations", __name__)
HERE = "/settings/invitations"


@blueprint.get(f"{MEMBERS}/invite")
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty form."""
    return show_form(_form({"role": "member", "team_role": "member", "teams": []}))


@blueprint.post(f"{MEMBERS}/invite")
@requires("organization:manage")
def create() -> Response:
    """Invite an address; answer with the link, and mail it where that is possible."""
    form = _form({})
    values = typed(form.fields)
    form = replace(form, values=values)
    new = NewInvitation(
        values["email"],
        values["role"],
        tuple((team_id, values["team_role"]) for team_id in values.get("teams", ())),
    )
    try:
        row, token = invitations.create(
            viewer().actor(), new, control_plane().settings.pepper, utcnow()
        )
    except Refused as refused:
        return show_refused(form, refused)
    return _link(row, token)


@blueprint.post(f"{HERE}/<invitation_id>/renew")
@requires("organization:manage")
def renew(invitation_id: str) -> Response:
    """Give an invitation a fresh link and send it again."""
    pepper = control_plane().settings.pepper
    return _link(*invitations.renew(viewer().actor(), invitation_id, pepper, utcnow()))


@blueprint.post(f"{HERE}/<invitation_id>/cancel")
@requires("organization:manage")
def cancel(invitation_id: str) -> Response:
    """Take an invitation back."""
    invitations.cancel(viewer().actor(), invitation_id, utcnow())
    flash("The invitation is taken back.", "positive")
    return see("members.index")


@blueprint.get("/invitation")
@public
def open_link() -> Response:
    """Answer with the form that makes somebody a member, or 404 when the link opens nothing."""
    token = request.args.get("token", "")
    invitation = invitations.opened(control_plane().settings.pepper, token, utcnow())
    return respond("join.html", page=_page(invitation, token))


@blueprint.post("/invitation")
@public
def accept() -> Response:
    """Make the person a member and sign them in."""
    settings, now = control_plane().settings, utcnow()
    token, name = request.form.get("token", ""), request.form.get("name", "")
    password = Secret(request.form.get("password", ""))
    page = _page(invitations.opened(settings.pepper, token, now), token)
    if page.only_through is not None:
        return respond("join.html", status=422, page=page)
    try:
        user = invitations.accept(
            settings.pepper, Secret(token), name, password, client_ip(settings), now
        )
    except Refused as refused:
        errors = refused.facts.get("errors")
        if refused.fault is not Fault.VALIDATION_ERROR or not isinstance(errors, dict):
            raise
        page = replace(page, name=name, errors=errors)
        return respond("join.html", status=422, page=page)
    person = load_viewer(user.id)
    if person is None:
        raise Refused(Fault.UNAUTHENTICATED)
    sessions.begin(person)
    return see("sign_in.start")


def _page(invitation: Invitation, token: str) -> JoinPage:
    organization = organizations.find(invitation.organization_id)
    forced = sign_in_connections.for_address(invitation.email)
    through = (forced.id, forced.name) if forced is not None and forced.is_forced else None
    return JoinPage(token, organization.name, invitation.email, only_through=through)


def _link(row: Invitation, token: Secret) -> Response:
    who = viewer()
    link = letters.link_to("/invitation", token)
    was_sent = letters.mail_invitation(row.email, who.name, who.organization_name, link)
    where = (
        f"It was mailed to {row.email}." if was_sent else "Send it yourself; nothing was mailed."
    )
    return show_once(
        ShownOnce(
            f"{row.email} is invited",
            "This link is shown once",
            f"It works once, for seven days. {where}",
            "Link",
            link,
            MEMBERS,
        )
    )


def _form(values: dict[str, object]) -> FormPage:
    teams = choices.shared_teams(viewer().organization_id, Reach(True))
    fields = [
        Field("email", "E-mail", "email", attrs={"autocomplete": "off"}),
        Field("role", "Role", "select", ROLE_HELP, ROLE_CHOICES),
    ]
    if teams:
        roles = [("viewer", "Viewer"), ("member", "Member"), ("admin", "Admin")]
        fields += [
            Field("teams", "Teams to join", "checks", options=teams, required=False),
            Field("team_role", "Role in these teams", "select", options=roles),
        ]
    mailed = (
        "The link is mailed, and shown to you."
        if letters.mails()
        else "You get a link to hand over."
    )
    return FormPage(
        "Invite", f"{MEMBERS}/invite", MEMBERS, fields, values, mailed, "Invite", trail="Members"
    )
