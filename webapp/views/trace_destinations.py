"""Trace destinations: list with health, composer, a test span, archive; and whether prompts may be kept at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import capture, organizations
from core.authoring import trace_destinations as authoring
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Refused
from core.models import TraceDestination
from core.trace_trial import TraceTried
from webapp.access import requires, viewer
from webapp.forms import DRAWER, done, sent_version, show_form, show_page, told, typed
from webapp.page_models import homes
from webapp.page_models import trace_destinations as pages
from webapp.page_models.settings_pages import FormPage, SettingsPage
from webapp.page_models.trace_destinations import HERE, TriedPage
from webapp.pages import asked_fragment, respond, see
from webapp.queries.scopes import home_names, names_at
from webapp.queries.trace_destinations import live_destinations, waiting_spans
from webapp.state import control_plane
from webapp.trials import try_trace_destination

blueprint = Blueprint("trace_destinations", __name__)


@blueprint.get(HERE)
@requires("organization:view")
def index() -> Response:
    """Answer with the destinations and how they do."""
    who, now = viewer(), utcnow()
    may_manage = who.may("organization:manage")
    found = live_destinations(who.organization_id)
    table = pages.table_of(
        found,
        names_at(found),
        waiting_spans(who.organization_id),
        now,
        may_manage,
    )
    is_allowed = organizations.find(who.organization_id).is_capture_allowed
    kept = "Kept by keys that ask for it" if is_allowed else "Kept by no key"
    add = ("Add destination", f"{HERE}/new", True)
    switch = ("Prompts and answers", f"{HERE}/capture", False)
    page = SettingsPage(
        "Trace destinations",
        "Where a span of every call is sent: endpoints of your own that take OTLP.",
        HERE,
        now,
        (table,),
        actions=(switch, add) if may_manage else (),
        facts=(("Prompts and answers", kept),),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty composer."""
    return show_form(_form({"applies_to": homes.ORGANIZATION, "is_enabled": True}))


@blueprint.post(HERE)
@requires("organization:manage")
def create() -> Response:
    """Create a destination."""
    return _save(None)


@blueprint.get(f"{HERE}/capture")
@requires("organization:manage")
def ask_capture() -> Response:
    """Answer with the switch that allows or forbids to keep prompts and answers."""
    row = organizations.find(viewer().organization_id)
    return show_form(pages.capture_form(row.is_capture_allowed))


@blueprint.post(f"{HERE}/capture")
@requires("organization:manage")
def set_capture() -> Response:
    """Allow or forbid to keep prompts and answers, for every key."""
    form = pages.capture_form(True)
    values = typed(form.fields)
    if values["allowed"] not in ("0", "1"):
        errors = {"allowed": "Choose one of them."}
        return show_form(replace(form, values=values, errors=errors), 422)
    capture.set_allowed(viewer().actor(), values["allowed"] == "1", utcnow())
    flash("That holds from now on.", "positive")
    return done("trace_destinations.index")


@blueprint.get(f"{HERE}/<destination_id>/edit")
@requires("organization:manage")
def edit(destination_id: str) -> Response:
    """Answer with the form over a destination; its headers stay out."""
    row = authoring.find(viewer().organization_id, destination_id)
    return show_form(_form(pages.values_of(row), row, version_of(row)))


@blueprint.post(f"{HERE}/<destination_id>/edit")
@requires("organization:manage")
def update(destination_id: str) -> Response:
    """Change a destination; without new headers it keeps those it has."""
    return _save(authoring.find(viewer().organization_id, destination_id))


@blueprint.get(f"{HERE}/<destination_id>/test")
@requires("organization:manage")
def ask_test(destination_id: str) -> Response:
    """Answer with the question whether to send a test span."""
    return _show_tried(authoring.find(viewer().organization_id, destination_id), None)


@blueprint.post(f"{HERE}/<destination_id>/test")
@requires("organization:manage")
def send_test(destination_id: str) -> Response:
    """Send a test span and say what came of it."""
    row = authoring.find(viewer().organization_id, destination_id)
    return _show_tried(row, try_trace_destination(row, control_plane(), utcnow()))


@blueprint.post(f"{HERE}/<destination_id>/archive")
@requires("organization:manage")
def archive(destination_id: str) -> Response:
    """End a destination."""
    row = authoring.archive(viewer().actor(), destination_id, utcnow())
    flash(f"{row.name} is archived.", "positive")
    return see("trace_destinations.index")


def _form(
    values: dict[str, Any], row: TraceDestination | None = None, version: str = ""
) -> FormPage:
    names = names_at([row]) if row else home_names(viewer().organization_id)
    return FormPage(
        f"Edit {row.name}" if row else "Add a trace destination",
        f"{HERE}/{row.id}/edit" if row else HERE,
        HERE,
        pages.fields_of(homes.options(names), row),
        values,
        caption=f"Spans of: {homes.label(row.scope, row.scope_id, names)}" if row else "",
        submit="Save" if row else "Add destination",
        version=version,
        trail="Trace destinations",
    )


def _save(row: TraceDestination | None) -> Response:
    actor, sealer = viewer().actor(), control_plane().sealer
    form = _form({}, row, sent_version() or "")
    values, errors = typed(form.fields), dict[str, str]()
    # What was typed as headers may be secret, so no answer has it.
    form = replace(form, values={**values, "headers": ""})
    where = (
        (row.scope, row.scope_id)
        if row is not None
        else homes.chosen(values["applies_to"], actor.organization_id)
    )
    stays = row is not None and row.is_operator_address and row.endpoint == values["endpoint"]
    new = pages.typed_destination(values, where, stays, errors)
    if errors:
        return show_form(replace(form, errors=errors), 422)
    try:
        if row is None:
            authoring.create(actor, new, sealer, utcnow())
        else:
            authoring.update(actor, row.id, new, sealer, utcnow(), sent_version())
    except Refused as refused:
        return show_form(told(form, refused, homes.errors_by_control), refused.fault.status)
    flash(f"{new.name} is created." if row is None else f"{new.name} is saved.", "positive")
    return done("trace_destinations.index")


def _show_tried(row: TraceDestination, tried: TraceTried | None) -> Response:
    as_page = not asked_fragment(DRAWER)
    page = TriedPage(row.name, f"{HERE}/{row.id}/test", tried, as_page)
    return respond("trace_trial.html", DRAWER, page=page)
