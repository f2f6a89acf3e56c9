"""Inviting people, and what somebody sees who opens an invitation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, flash, request

from core.authoring import invitations, organizations, sign_in_connections
from core.authoring.invitations import NewInvitation, TeamPlace
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import Invitation
from core.secrets import Secret
from rules.permissions import Reach
from webapp import letters, sessions
from webapp.access import load_viewer, public, requires, viewer
from webapp.forms import (
    asked_page,
    at_of,
    paged,
    show_form,
    show_once,
    show_page,
    show_refused,
    told_count,
    typed,
)
from webapp.page_models.inviting import (
    EACH,
    MANY,
    MEMBERS,
    ONE,
    Offered,
    invitations_table,
    place_fields,
)
from webapp.page_models.inviting import WAITING as HERE
from webapp.page_models.settings_pages import Field, FormPage, SettingsPage, ShownOnce
from webapp.page_models.sign_in import JoinPage
from webapp.pages import respond, see
from webapp.queries import choices
from webapp.queries.people import invitations_page, people_named
from webapp.security import client_ip
from webapp.state import control_plane

blueprint = Blueprint("invitations", __name__)
EMPTY: Mapping[str, Any] = {
    "role": "member",
    "department_id": "",
    "team_role": "member",
    "teams": [],
}
"""What the form of an invitation begins with."""


@blueprint.get(HERE)
@requires("organization:manage")
def index() -> Response:
    """Answer with the invitations that wait, a page at a time."""
    who, now, paging = viewer(), utcnow(), asked_page(HERE)
    found, total = invitations_page(who.organization_id, paging.search, at_of(paging))
    table = invitations_table(
        found.rows,
        people_named({row.invited_by_id for row in found.rows}),
        now,
        paging=replace(
            paged(paging, found), summary=told_count(total, "invitation", "invitations")
        ),
    )
    page = SettingsPage(
        "Invitations",
        "Who has a link and has not opened it.",
        HERE,
        now,
        (table,),
        trail=(("Members", MEMBERS),),
        actions=(("Invite", ONE, True),),
        links=(("Invite many", MANY),),
        search_label="Find an invitation",
        search_hint="Part of name or e-mail address",
    )
    return show_page(page)


@blueprint.get(ONE)
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty form."""
    return show_form(_form(EMPTY))


@blueprint.post(ONE)
@requires("organization:manage")
def create() -> Response:
    """Invite an address; answer with the link, and mail it where that is possible."""
    form = _form({})
    values = typed(form.fields)
    form = replace(form, values=values)
    new = NewInvitation(
        values["email"],
        values["role"],
        places_of(values),
        values["name"],
        values["department_id"] or None,
    )
    try:
        row, token = invitations.create(
            viewer().actor(), new, control_plane().settings.pepper, utcnow()
        )
    except Refused as refused:
        return show_refused(form, refused)
    return _link(row, token)


@blueprint.post(f"{EACH}/<invitation_id>/renew")
@requires("organization:manage")
def renew(invitation_id: str) -> Response:
    """Give an invitation a fresh link and send it again."""
    pepper = control_plane().settings.pepper
    return _link(*invitations.renew(viewer().actor(), invitation_id, pepper, utcnow()))


@blueprint.post(f"{EACH}/<invitation_id>/cancel")
@requires("organization:manage")
def cancel(invitation_id: str) -> Response:
    """Take an invitation back."""
    invitations.cancel(viewer().actor(), invitation_id, utcnow())
    flash("The invitation is taken back.", "positive")
    return _list_again()


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
    return JoinPage(
        token, organization.name, invitation.email, invitation.name, only_through=through
    )


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


def offered() -> Offered:
    """Return what an invitation may name here."""
    organization_id = viewer().organization_id
    return Offered(
        choices.shared_teams(organization_id, Reach(True)),
        choices.role_choices(organization_id),
        choices.departments(organization_id),
    )


def places_of(values: Mapping[str, Any]) -> tuple[TeamPlace, ...]:
    """Return the teams that a form names, with the role in them."""
    role, custom_role_id = choices.role_and_custom(values.get("team_role", ""))
    return tuple(TeamPlace(each, role, custom_role_id) for each in values.get("teams", ()))


def _form(values: Mapping[str, Any]) -> FormPage:
    fields = [
        Field("email", "E-mail", "email", attrs={"autocomplete": "off"}),
        Field(
            "name",
            "Name",
            help="They may choose another.",
            required=False,
            attrs={"autocomplete": "off"},
        ),
        *place_fields(offered()),
    ]
    mailed = (
        "The link is mailed, and shown to you."
        if letters.mails()
        else "You get a link to hand over."
    )
    return FormPage("Invite", ONE, MEMBERS, fields, values, mailed, "Invite", trail="Members")


def _list_again() -> Response:
    """Return to the list in which somebody pressed: that of invitations, or the members' page."""
    came_from = urlsplit(request.referrer or "").path
    return see("invitations.index" if came_from == HERE else "members.index")
