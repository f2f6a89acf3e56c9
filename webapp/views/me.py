"""A person's own account: name, password, sessions, API keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import passwords, people
from core.authoring.people import Person
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.secrets import Secret
from webapp import sessions
from webapp.access import load_viewer, signed_in, viewer
from webapp.forms import save, sent_version, show_form, show_page, typed
from webapp.page_models.settings_pages import Cell, Field, FormPage, Row, SettingsPage, Table
from webapp.pages import see
from webapp.queries import directory
from webapp.queries.keyset import At
from webapp.views import api_keys
from webapp.views.person_data import OWN_FILE

blueprint = Blueprint("me", __name__)
HERE = "/me/settings"


@blueprint.get(HERE)
@signed_in
def show() -> Response:
    """Answer with the account."""
    who = viewer()
    user, member = people.find(who.organization_id, who.user_id)
    keys = Table(
        "api-keys",
        "Your API keys",
        api_keys.COLUMNS,
        api_keys.rows(
            directory.api_keys_page(who.organization_id, At(), user.id).rows, api_keys.OWN
        ),
        "You have no API key. Scripts that manage this control plane need one.",
        add=("New API key", f"{api_keys.OWN}/new"),
    )
    facts = (
        ("Name", user.name),
        ("E-mail", user.email),
        ("Role", member.role.capitalize()),
        ("Joined", f"{member.created_at:%Y-%m-%d}"),
        ("Password", "Set" if user.password_hash else "None; you sign in through your company"),
    )
    page = SettingsPage(
        "Your account",
        f"How you are known at {who.organization_name}.",
        HERE,
        utcnow(),
        (keys, _own_data()),
        actions=(
            ("Edit", f"{HERE}/edit", False),
            ("Password", f"{HERE}/password", False),
            ("Landing page", f"{HERE}/landing", False),
            ("Sign out elsewhere", f"{HERE}/sessions", False),
        ),
        facts=facts,
        has_tabs=False,
    )
    return show_page(page)


def _own_data() -> Table:
    file = Cell("Everything stored about you", href=OWN_FILE, note="A zip of JSON lines")
    return Table("own-data", "Your data", ("File",), (Row("own-data-file", (file,)),), "")


@blueprint.get(f"{HERE}/edit")
@signed_in
def edit() -> Response:
    """Answer with the form over one's own name."""
    who = viewer()
    user, member = people.find(who.organization_id, who.user_id)
    return show_form(_profile({"name": user.name}, version_of(member)))


@blueprint.post(f"{HERE}/edit")
@signed_in
def update() -> Response:
    """Change one's own name; the address and the role are an administrator's to change."""
    who = viewer()
    _, member = people.find(who.organization_id, who.user_id)
    form = _profile({}, sent_version() or "")
    values = typed(form.fields)
    wanted = Person(
        values["name"], member.role, member.department_id, external_id=member.external_id
    )
    return save(
        replace(form, values=values),
        lambda: people.change_person(who.actor(), who.user_id, wanted, utcnow(), sent_version()),
        "me.show",
        "Your name is saved.",
    )


@blueprint.get(f"{HERE}/password")
@signed_in
def ask_password() -> Response:
    """Answer with the form for a new password."""
    return show_form(_password({}))


@blueprint.post(f"{HERE}/password")
@signed_in
def set_password() -> Response:
    """Set a new password; every other browser is signed out."""
    who = viewer()
    form = _password({})
    values = typed(form.fields)

    def work() -> None:
        user, _ = people.find(who.organization_id, who.user_id)
        present = Secret(values.get("present", ""))
        is_right = not user.password_hash or passwords.authenticate(user.email, present, utcnow())
        if not is_right:
            raise invalid({"present": "This is not your password."})
        people.set_password(who.actor(), who.user_id, Secret(values["password"]), utcnow())
        _stay_signed_in()

    return save(form, work, "me.show", "Your password is changed; other browsers are signed out.")


@blueprint.get(f"{HERE}/sessions")
@signed_in
def ask_sessions() -> Response:
    """Answer with the question whether to sign out everywhere else."""
    caption = "Every browser but this one is signed out with its next request. Keys keep working."
    form = FormPage(
        "Sign out elsewhere",
        f"{HERE}/sessions",
        HERE,
        (),
        {},
        caption,
        "Sign out",
        trail="Your account",
    )
    return show_form(form)


@blueprint.post(f"{HERE}/sessions")
@signed_in
def end_sessions() -> Response:
    """Sign out every browser but this one."""
    who = viewer()
    people.end_sessions(who.actor(), who.user_id, utcnow())
    _stay_signed_in()
    flash("Every other browser is signed out.", "positive")
    return see("me.show")


def _stay_signed_in() -> None:
    person = load_viewer(viewer().user_id)
    if person is None:
        raise Refused(Fault.UNAUTHENTICATED)
    sessions.begin(person)


def _profile(values: dict[str, Any], version: str) -> FormPage:
    fields = (Field("name", "Name", attrs={"autocomplete": "name"}),)
    return FormPage(
        "Edit your account",
        f"{HERE}/edit",
        HERE,
        fields,
        values,
        version=version,
        trail="Your account",
    )


def _password(values: dict[str, Any]) -> FormPage:
    who = viewer()
    user, _ = people.find(who.organization_id, who.user_id)
    fields = [
        Field(
            "password",
            "New password",
            "password",
            "At least 8 characters.",
            attrs={"autocomplete": "new-password"},
        )
    ]
    if user.password_hash:
        attrs = {"autocomplete": "current-password"}
        fields.insert(0, Field("present", "Present password", "password", attrs=attrs))
    return FormPage(
        "New password", f"{HERE}/password", HERE, tuple(fields), values, trail="Your account"
    )
