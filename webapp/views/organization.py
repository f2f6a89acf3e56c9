"""The organization's own settings: its name, whom to turn to, how long a sign-in holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from core.authoring import organizations, request_channel
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.models import Organization
from core.secrets import Secret
from webapp import letters
from webapp.access import requires, viewer
from webapp.forms import save, sent_version, show_form, show_page, typed
from webapp.page_models.settings_pages import Field, FormPage, SettingsPage
from webapp.state import control_plane

blueprint = Blueprint("organization", __name__)
HERE = "/settings/organization"
SLACK = f"{HERE}/slack"


@blueprint.get(HERE)
@requires("organization:view")
def index() -> Response:
    """Answer with the settings; who may change them gets a way to."""
    row = organizations.find(viewer().organization_id)
    facts = (
        ("Name", row.name),
        ("Slug", row.slug),
        ("Support contact", row.support_contact or "None"),
        ("Longest sign-in", _days(row)),
        ("Requests for more money", _told(row)),
    )
    may_manage = viewer().may("organization:manage")
    page = SettingsPage(
        "Organization",
        "What holds for everybody here.",
        HERE,
        utcnow(),
        (),
        actions=(("Edit", f"{HERE}/edit", False), ("Requests in Slack", SLACK, False))
        if may_manage
        else (),
        facts=facts,
    )
    return show_page(page)


@blueprint.get(f"{HERE}/edit")
@requires("organization:manage")
def edit() -> Response:
    """Answer with the form over the settings."""
    row = organizations.find(viewer().organization_id)
    values = {
        "name": row.name,
        "slug": row.slug,
        "support_contact": row.support_contact,
        "max_session_days": row.max_session_days,
    }
    return show_form(_form(values, organizations.may_choose_slug(row), version_of(row)))


@blueprint.post(f"{HERE}/edit")
@requires("organization:manage")
def update() -> Response:
    """Change the settings."""
    row = organizations.find(viewer().organization_id)
    form = _form({}, organizations.may_choose_slug(row), sent_version() or "")
    values = typed(form.fields)

    def work() -> None:
        days = values["max_session_days"] or "0"
        if not days.isdecimal() or len(days) > 4:
            raise invalid({"max_session_days": "This is not a number of days."})
        wanted = organizations.Settings(
            values["name"], values["support_contact"], int(days), values.get("slug") or None
        )
        organizations.configure(viewer().actor(), wanted, utcnow(), sent_version())

    return save(replace(form, values=values), work, "organization.index", "The settings are saved.")


@blueprint.get(SLACK)
@requires("organization:manage")
def ask_channel() -> Response:
    """Answer with the form for the Slack channel; its address stays out."""
    return show_form(_channel(version_of(organizations.find(viewer().organization_id))))


@blueprint.post(SLACK)
@requires("organization:manage")
def set_channel() -> Response:
    """Set the Slack channel, or end it."""
    form = _channel(sent_version() or "")
    text = typed(form.fields)["slack_url"]
    url = Secret(text) if text else None
    return save(
        form,
        lambda: request_channel.set_channel(
            viewer().actor(), url, control_plane().sealer, utcnow(), sent_version()
        ),
        "organization.index",
        "Slack is told of requests for more money." if url else "Slack is told of nothing.",
    )


def _told(row: Organization) -> str:
    ways = ["By mail"] if letters.mails() else []
    ways += ["In Slack"] if row.sealed_request_channel else []
    return ". ".join((*ways, "On the Budgets page"))


def _channel(version: str) -> FormPage:
    field = Field(
        "slack_url",
        "Incoming webhook",
        "password",
        "From your Slack app. It is stored sealed and not shown again; left empty, Slack is told of nothing.",
        required=False,
        attrs={"autocomplete": "off"},
    )
    caption = "Told when somebody asks for a higher budget, beside the administrators' mail."
    return FormPage(
        "Requests in Slack", SLACK, HERE, (field,), {}, caption,
        version=version, trail="Organization",
    )  # fmt: skip


def _days(row: Organization) -> str:
    return f"{row.max_session_days} days" if row.max_session_days else "No bound"


def _form(values: dict[str, Any], chooses_slug: bool, version: str) -> FormPage:
    slug = Field("slug", "Slug", help="Names the organization in files. Once chosen, it stays.")
    fields = (
        Field("name", "Name"),
        *((slug,) if chooses_slug else ()),
        Field(
            "support_contact",
            "Support contact",
            help="An e-mail address, a web address or a sentence, shown to whoever is refused.",
            required=False,
        ),
        Field(
            "max_session_days",
            "Longest sign-in",
            "number",
            "After that many days everybody signs in anew. 7 is strict, 30 usual, 0 sets no bound.",
            required=False,
            unit="days",
            attrs={"min": "0", "max": "365"},
        ),
    )
    return FormPage(
        "Edit organization",
        f"{HERE}/edit",
        HERE,
        fields,
        values,
        version=version,
        trail="Organization",
    )
