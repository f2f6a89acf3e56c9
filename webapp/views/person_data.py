"""What is stored about a person: everybody may take their own, administrators anybody's, and they may erase it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from core import person_export
from core.authoring import erasure, people
from core.authoring.people_data import exported
from core.authoring.validation import invalid
from core.clock import utcnow
from core.models import User
from webapp.access import requires, signed_in, viewer
from webapp.forms import save, show_form, show_page, typed
from webapp.page_models.settings_pages import Cell, Field, FormPage, Row, SettingsPage, Table
from webapp.state import control_plane

blueprint = Blueprint("person_data", __name__)
MEMBERS = "/settings/members"
OWN_FILE = "/me/data/person.zip"
_KEPT = (
    ("Ledger of calls", "Stays for its 13 months, under the person's id"),
    ("Audit log", "Stays as it is, and says that the person was erased and why"),
    ("Prompts and answers", "Deleted at once"),
    ("Activity", "Stays, under the pseudonym and without its payloads"),
    ("Sign-in, keys, sessions", "End at once"),
)


@blueprint.get(f"{MEMBERS}/<user_id>/data")
@requires("organization:manage")
def show(user_id: str) -> Response:
    """Answer with what can be done about a person's data."""
    user, _ = people.find(viewer().organization_id, user_id)
    here = f"{MEMBERS}/{user.id}"
    file = Cell("Everything stored about this person", href=f"{here}/data/person.zip")
    is_erased = user.email == erasure.pseudonym_of(user.id)
    tables = (
        Table("export", "Export", ("File",), (Row("export", (file,)),), ""),
        Table(
            "erasing",
            "When a person is erased",
            ("What", "What becomes of it"),
            [Row(f"kept-{n}", (Cell(a), Cell(b))) for n, (a, b) in enumerate(_KEPT)],
            "",
        ),
    )
    page = SettingsPage(
        f"Data of {user.name}",
        "One JSON line a row, without passwords and secrets. Each export stands in the audit log.",
        f"{here}/data",
        utcnow(),
        tables,
        trail=(("Members", MEMBERS),),
        actions=() if is_erased else (("Erase this person", f"{here}/erase", False),),
        facts=(("Name", user.name), ("E-mail", user.email)),
    )
    return show_page(page)


@blueprint.get(f"{MEMBERS}/<user_id>/data/person.zip")
@requires("organization:manage")
def export(user_id: str) -> Response:
    """Answer with everything that is stored about a member."""
    user, _ = people.find(viewer().organization_id, user_id)
    return _file(user, by_name=True)


@blueprint.get(OWN_FILE)
@signed_in
def export_own() -> Response:
    """Answer with everything that is stored about whoever asks."""
    user, _ = people.find(viewer().organization_id, viewer().user_id)
    return _file(user, by_name=False)


@blueprint.get(f"{MEMBERS}/<user_id>/erase")
@requires("organization:manage")
def ask(user_id: str) -> Response:
    """Answer with the question, which is answered by typing the address."""
    user, _ = people.find(viewer().organization_id, user_id)
    return show_form(_form(user, {}))


@blueprint.post(f"{MEMBERS}/<user_id>/erase")
@requires("organization:manage")
def erase(user_id: str) -> Response:
    """Erase a member."""
    user, _ = people.find(viewer().organization_id, user_id)
    form = _form(user, {})
    values = typed(form.fields)

    def work() -> None:
        if values["email"].lower() != user.email:
            raise invalid({"email": "This is not the address of this person."})
        pepper = control_plane().settings.pepper
        erasure.erase(viewer().actor(), user.id, values["reason"], pepper, utcnow())

    said = "The person is erased. The lake follows within minutes."
    return save(replace(form, values=values), work, "person_data.show", said, user_id=user.id)


def _file(user: User, *, by_name: bool) -> Response:
    who, now, buffer = viewer(), utcnow(), io.BytesIO()
    counts = person_export.write_zip(
        buffer, control_plane().lake, who.organization_id, user, now, by_name=by_name
    )
    exported(who.actor(), user.id, counts, now)
    headers = {"Content-Disposition": f'attachment; filename="person-{now:%Y-%m-%d}.zip"'}
    return Response(buffer.getvalue(), mimetype="application/zip", headers=headers)


def _form(user: User, values: dict[str, Any]) -> FormPage:
    here = f"{MEMBERS}/{user.id}"
    fields = (
        Field("reason", "Why", help="Stands in the audit log."),
        Field("email", f"Type {user.email} to erase this person", attrs={"autocomplete": "off"}),
    )
    caption = (
        "Name and address become a pseudonym, prompts and answers are deleted. It can't be undone."
    )
    return FormPage(
        f"Erase {user.name}", f"{here}/erase", f"{here}/data", fields, values, caption,
        "Erase for good", trail=f"Data of {user.name}", is_danger=True,
    )  # fmt: skip
