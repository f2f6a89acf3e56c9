"""Ingestion sources: list, composer, one-time secret, detail, rotation and archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flask import Blueprint, Response, abort, flash, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from core import privacy
from core.authoring import ingestion_sources as authoring
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import IngestionSource, Team
from core.secrets import Secret
from rules.telemetry_privacy import readable_payload
from webapp.access import requires, viewer
from webapp.forms import Stale, sent_version, stale_of
from webapp.lake import lake_activity
from webapp.page_models import ingestion_sources as pages
from webapp.page_models.privacy import hidden_words
from webapp.page_models.source_types import (
    CHOICES,
    TYPE_FIELDS,
    endpoint_of,
    first_command,
)
from webapp.page_models.sources_health import chips, health_of
from webapp.pages import asked_fragment, respond, see
from webapp.queries.reading import hidden_from
from webapp.queries.scopes import shared_team_names
from webapp.queries.sources import live_sources, source_of
from webapp.state import control_plane

blueprint = Blueprint("ingestion_sources", __name__)
HERE = "/settings/governance/ingestion-sources"
FIELDS = ("type", "name", "description", "team_id", *TYPE_FIELDS)
DRAWER = ("drawer",)


@blueprint.get("/governance/ingestion-sources")
@requires("governance:view")
def moved() -> AnyResponse:
    """Send an address under /governance to the settings page."""
    return redirect(HERE)


@blueprint.get(HERE)
@requires("governance:view")
def index() -> Response:
    """Answer with the list, or with the part of it that is polled."""
    who, now = viewer(), utcnow()
    may_see = who.may("ingestionSources:view")
    seen = lake_activity(who.organization_id).sources(now) if may_see else {}
    page = pages.SourcesPage(
        now=now,
        sources=chips(live_sources(who.organization_id), seen, now) if may_see else (),
        may_see=may_see,
        may_manage=who.may("ingestionSources:manage"),
    )
    return respond("ingestion_sources.html", ("sources",), page=page)


@blueprint.get(f"{HERE}/new")
@requires("ingestionSources:manage")
def compose() -> Response:
    """Answer with the empty composer."""
    return _form({}, {})


@blueprint.post(HERE)
@requires("ingestionSources:manage")
def create() -> Response:
    """Create a source and answer with its secret, which no other answer ever holds."""
    now = utcnow()
    values = _typed()
    choice = CHOICES.get(values["type"])
    complaint = choice.complaint(values[choice.field]) if choice else ""
    if choice and complaint:
        return _form(values, {choice.field: complaint})
    try:
        source, secret = authoring.create(viewer().actor(), _wanted(values), _pepper(), now)
    except Refused as refused:
        return _form(values, _errors(refused))
    return _secret(source, secret, now, is_rotation=False)


@blueprint.get(f"{HERE}/<source_id>")
@requires("ingestionSources:view")
def show(source_id: str) -> Response:
    """Answer with one source, or with the part of it that is polled."""
    who, now = viewer(), utcnow()
    source = source_of(who.organization_id, source_id)
    activity = lake_activity(who.organization_id)
    before = _moment(request.args.get("before", ""))
    may_see_events = who.may("activityMonitor:view")
    events = (
        activity.events_for_source(source_id, pages.EVENTS_SHOWN, before) if may_see_events else []
    )
    hidden = hidden_from(who, privacy.for_source(source))
    page = pages.SourcePage(
        now=now,
        source=source,
        health=health_of(source, now),
        seen=activity.sources(now).get(source_id),
        events=[
            replace(each, raw_payload=readable_payload(each.raw_payload, hidden)) for each in events
        ],
        hidden=hidden_words(hidden),
        team_name=_team_name(source.team_id),
        endpoint=_endpoint(source),
        may_manage=who.may("ingestionSources:manage"),
        may_see_events=may_see_events,
        is_first_page=before is None,
    )
    return respond("ingestion_source.html", ("source",), page=page)


@blueprint.get(f"{HERE}/<source_id>/edit")
@requires("ingestionSources:manage")
def edit(source_id: str) -> Response:
    """Answer with the composer, filled from the source."""
    source = authoring.find(viewer().organization_id, source_id)
    values = {name: getattr(source, name) or "" for name in ("name", "description", "team_id")}
    values["type"] = source.type
    choice = CHOICES.get(source.type)
    if choice:
        values[choice.field] = str(source.parser_config.get(choice.setting, ""))
    return _form(values, {}, source_id, version_of(source))


@blueprint.post(f"{HERE}/<source_id>/edit")
@requires("ingestionSources:manage")
def update(source_id: str) -> Response:
    """Change what may change of a source: name, description and team."""
    actor = viewer().actor()
    source = authoring.find(actor.organization_id, source_id)
    values = _typed() | {"type": source.type}
    try:
        authoring.update(actor, source_id, _wanted(values, source), utcnow(), sent_version())
    except Refused as refused:
        stale = stale_of(refused)
        errors = {} if stale else _errors(refused)
        return _form(values, errors, source_id, sent_version() or "", stale)
    flash(f"{values['name']} is saved.", "positive")
    return _done(source_id)


@blueprint.post(f"{HERE}/<source_id>/rotate")
@requires("ingestionSources:manage")
def rotate(source_id: str) -> Response:
    """Give the source a new secret and answer with it."""
    now = utcnow()
    source, secret = authoring.rotate(viewer().actor(), source_id, _pepper(), now)
    return _secret(source, secret, now, is_rotation=True)


@blueprint.post(f"{HERE}/<source_id>/archive")
@requires("ingestionSources:manage")
def archive(source_id: str) -> Response:
    """Archive the source and return to the list."""
    source = authoring.archive(viewer().actor(), source_id, utcnow())
    flash(f"{source.name} is archived. Its events stay readable.", "positive")
    return see("ingestion_sources.index")


def _wanted(values: dict[str, str], source: IngestionSource | None = None) -> authoring.NewSource:
    """Return the source as typed; what the composer does not offer stays as it is."""
    known = source.parser_config if source else {}
    choice = CHOICES.get(values["type"])
    setting, typed = (choice.setting, values[choice.field]) if choice else ("", "")
    kept = {name: value for name, value in known.items() if name != setting}
    return authoring.NewSource(
        type=values["type"],
        name=values["name"],
        description=values["description"],
        team_id=values["team_id"] or None,
        parser_config=kept | ({setting: typed} if typed else {}),
    )


def _typed() -> dict[str, str]:
    typed = {name: request.form.get(name, "").strip() for name in FIELDS}
    return typed | {"type": typed["type"] or "otel_generic"}


def _errors(refused: Refused) -> dict[str, str]:
    """Return the complaints to show beside the fields; any other refusal is not the form's to answer."""
    if refused.fault is not Fault.VALIDATION_ERROR:
        raise refused
    errors = refused.facts.get("errors", {})
    if not isinstance(errors, dict):
        return {"form": refused.message}
    named = dict(errors)
    choice = CHOICES.get(request.form.get("type", ""))
    if "parser_config" in named:
        named[choice.field if choice else "form"] = named.pop("parser_config")
    return named


def _form(
    values: dict[str, str],
    errors: dict[str, str],
    source_id: str = "",
    version: str = "",
    stale: Stale | None = None,
) -> Response:
    page = pages.SourceForm(
        values=values,
        teams=shared_team_names(viewer().organization_id),
        errors=errors,
        source_id=source_id,
        version=stale.version if stale else version,
        is_stale=stale is not None,
        changes=stale.changes if stale else (),
        now=utcnow(),
        as_page=not asked_fragment(DRAWER),
    )
    status = 409 if stale else 422 if errors else 200
    return respond("ingestion_source_form.html", DRAWER, status, page=page)


def _secret(
    source: IngestionSource, secret: Secret, now: datetime, *, is_rotation: bool
) -> Response:
    endpoint = _endpoint(source)
    page = pages.SecretPage(
        source_id=source.id,
        source_name=source.name,
        source_type=source.type,
        secret=secret.reveal(),
        endpoint=endpoint,
        curl=first_command(source.type, endpoint, secret.reveal(), now),
        is_rotation=is_rotation,
        as_page=not asked_fragment(DRAWER),
    )
    response = respond("ingestion_source_secret.html", DRAWER, page=page)
    response.headers["HX-Trigger"] = "sources-changed"
    return response


def _done(source_id: str) -> Response:
    """Return to the source; from a drawer the whole page is loaded, which closes it."""
    response = see("ingestion_sources.show", source_id=source_id)
    if asked_fragment(DRAWER):
        response.status_code = 200
        response.headers["HX-Redirect"] = response.headers.pop("Location")
    return response


def _pepper() -> Secret:
    return control_plane().settings.pepper


def _endpoint(source: IngestionSource) -> str:
    """Return the source's address: the public one, or the one this request came to."""
    base_url = control_plane().settings.web_url or request.host_url
    return endpoint_of(base_url, source.id, source.type)


def _moment(text: str) -> datetime | None:
    """Return the moment a paging link names; 400 for anything else than an aware ISO time."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        abort(400)
    return moment if moment.tzinfo else abort(400)


def _team_name(team_id: str | None) -> str:
    team = Team.get_or_none(Team.id == team_id) if team_id else None
    return "" if team is None else str(team.name)
