"""Inviting many people at once: a pasted list, what would become of each line, and the links."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from core.authoring import invitations, people_lists
from core.authoring.people_lists import Defaults, Judged, State
from core.clock import utcnow
from core.fault import Refused
from core.models import Invitation
from core.secrets import Secret
from rules.spreadsheet import as_cell
from webapp import letters
from webapp.access import requires, viewer
from webapp.filters import plural
from webapp.forms import show_once, told, typed
from webapp.page_models.inviting import (
    LIST_HELP,
    MANY,
    MEMBERS,
    PREVIEW,
    InviteManyPage,
    Offered,
    judged_lines,
    place_fields,
)
from webapp.page_models.settings_pages import Field, FormPage, ShownOnce
from webapp.pages import respond
from webapp.queries import choices
from webapp.state import control_plane
from webapp.views.invitations import EMPTY, offered, places_of

blueprint = Blueprint("many_invitations", __name__)


@blueprint.get(MANY)
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty form."""
    return _show(InviteManyPage(_form({**EMPTY, "people": ""}, offered())))


@blueprint.post(PREVIEW)
@requires("organization:manage")
def preview() -> Response:
    """Answer with what would become of each line; nobody is invited."""
    may_name = offered()
    form = _sent(may_name)
    try:
        found = _judged(form)
    except Refused as refused:
        return _show(InviteManyPage(told(form, refused)), refused.fault.status)
    return _show(_page(form, found, may_name))


@blueprint.post(MANY)
@requires("organization:manage")
def create() -> Response:
    """Invite everybody on the list, or nobody and say why; answer with the links, and mail them if possible."""
    may_name = offered()
    form = _sent(may_name)
    settings = control_plane().settings
    try:
        found = _judged(form)
        if any(each.state is State.WRONG for each in found):
            return _show(_page(form, found, may_name), 422)
        wanted = [each.offer for each in found if each.state is not State.HERE]
        made = invitations.create_many(viewer().actor(), wanted, settings.pepper, utcnow())
    except Refused as refused:
        return _show(InviteManyPage(told(form, refused)), refused.fault.status)
    return _links(made)


def _judged(form: FormPage) -> list[Judged]:
    role, custom_role_id = choices.role_and_custom(form.value("team_role") or "member")
    defaults = Defaults(
        form.value("role"),
        places_of(form.values),
        (role, custom_role_id),
        form.value("department_id") or None,
    )
    return people_lists.judged(viewer().organization_id, form.value("people"), defaults, utcnow())


def _sent(may_name: Offered) -> FormPage:
    values = typed(_form({}, may_name).fields)
    file = request.files.get("file")
    if file is not None and file.filename:
        values["people"] = _decoded(file.read())
    # The database would take none of them, and no list has one.
    values["people"] = values["people"].replace("\0", "")
    return _form(values, may_name)


def _decoded(data: bytes) -> str:
    """Return a file's text; what is not UTF-8 is what spreadsheets on Windows write."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _form(values: Mapping[str, Any], may_name: Offered) -> FormPage:
    fields = [
        Field("people", "People", "lines", LIST_HELP, attrs={"autocomplete": "off"}),
        *place_fields(may_name),
    ]
    return FormPage(
        "Invite many", PREVIEW, MEMBERS, fields, values, submit="Check", trail="Members"
    )


def _page(form: FormPage, found: Sequence[Judged], may_name: Offered) -> InviteManyPage:
    wrong = sum(each.state is State.WRONG for each in found)
    here = sum(each.state is State.HERE for each in found)
    invited = 0 if wrong else len(found) - here
    return InviteManyPage(form, judged_lines(found, may_name), _again(form), invited, wrong)


def _again(form: FormPage) -> list[tuple[str, str]]:
    """Return what was sent, for the form that makes exactly what was shown."""
    sent: list[tuple[str, str]] = []
    for name, value in form.values.items():
        sent += [(name, each) for each in (value if isinstance(value, list) else [value])]
    return sent


def _show(page: InviteManyPage, status: int = 200) -> Response:
    return respond("invite_many.html", ("preview",), status, page=page)


def _links(made: Sequence[tuple[Invitation, Secret]]) -> Response:
    who = viewer()
    links = {row.email: letters.link_to("/invitation", token) for row, token in made}
    unsent = letters.mail_invitations(links, who.name, who.organization_name)
    return show_once(
        ShownOnce(
            f"{plural(len(made), 'person is', 'people are')} invited",
            "These links are shown once",
            f"Each works once, for seven days. {_where(unsent, len(made))}",
            "Address and link",
            _table(links),
            MEMBERS,
            is_long=True,
        )
    )


def _where(unsent: Sequence[str], total: int) -> str:
    if not unsent:
        return "Each was mailed to its address."
    if len(unsent) == total:
        return "Send them yourself; nothing was mailed."
    names = ", ".join(unsent[:5]) + ("…" if len(unsent) > 5 else "")
    return f"All were mailed but {len(unsent):,}; send these yourself: {names}"


def _table(links: Mapping[str, str]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("email", "link"))
    rows.writerows((as_cell(email), link) for email, link in links.items())
    return text.getvalue().rstrip("\n")
