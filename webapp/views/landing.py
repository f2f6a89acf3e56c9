"""Where the start address leads for whoever is signed in: decided by itself, or chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, redirect
from werkzeug.wrappers import Response as AnyResponse

from core.authoring import landing
from core.authoring.validation import invalid
from core.clock import utcnow
from rules.persona import AUTO, GOVERNANCE, PERSONAL, PROJECT, Standing, choices_of
from webapp.access import signed_in, viewer
from webapp.forms import save, show_form, typed
from webapp.page_models.settings_pages import Field, FormPage
from webapp.page_models.shell import SETTINGS_TABS
from webapp.queries.persona import standing_of
from webapp.state import control_plane

blueprint = Blueprint("landing", __name__)
HERE = "/me/settings/landing"
WORDS = {
    AUTO: "Automatic: by what you do here",
    PERSONAL: "Personal home",
    PROJECT: "Project home",
    GOVERNANCE: "Governance overview",
}


@blueprint.get("/settings")
@signed_in
def settings() -> AnyResponse:
    """Send an address without a page to the first of the settings that opens, or to one's own account."""
    who = viewer()
    for path, _, permission, anywhere in SETTINGS_TABS:
        if who.may_somewhere(permission) if anywhere else who.may(permission):
            return redirect(path)
    return redirect("/me/settings")


@blueprint.get(HERE)
@signed_in
def ask() -> Response:
    """Answer with the choice."""
    who = _standing()
    return show_form(_form(who, {"landing": who.landing}))


@blueprint.post(HERE)
@signed_in
def choose() -> Response:
    """Keep the choice."""
    who = _standing()
    form = _form(who, {})
    values = typed(form.fields)

    def work() -> None:
        if values["landing"] not in choices_of(who):
            raise invalid({"landing": "Choose one of these."})
        landing.choose(viewer().actor(), values["landing"], utcnow())

    return save(replace(form, values=values), work, "me.show", "You land there from now on.")


def _standing() -> Standing:
    state = control_plane()
    return standing_of(viewer(), state.settings, state.lake, utcnow())


def _form(who: Standing, values: dict[str, Any]) -> FormPage:
    options = [(name, WORDS[name]) for name in choices_of(who)]
    field = Field("landing", "Landing page", "select", options=options)
    caption = "Where the address of this control plane leads you when you name no page."
    return FormPage(
        "Landing page", HERE, "/me/settings", (field,), values, caption, trail="Your account"
    )
