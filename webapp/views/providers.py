"""Providers: list with health, composer by type, test before and after saving, rotation, archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, request

from core.authoring import providers as authoring
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.provider_trial import Entered, Tried, try_provider
from rules.provider_types import TYPES
from webapp.access import requires, viewer
from webapp.forms import (
    DRAWER,
    done,
    sent_version,
    show_form,
    show_page,
    show_refused,
    stale_of,
    typed,
)
from webapp.lake import lake_activity
from webapp.page_models import provider_fields as controls
from webapp.page_models import providers as pages
from webapp.page_models.providers import HERE, May, ProviderForm, TriedPage
from webapp.page_models.settings_pages import FormPage, SettingsPage
from webapp.pages import asked_fragment, respond, see
from webapp.queries.providers import key_counts, live_providers
from webapp.state import control_plane

blueprint = Blueprint("providers", __name__)
_FIRST = "openai"
_FRAGMENTS = ("drawer", "trial")


@blueprint.get(HERE)
@requires("modelProviders:view")
def index() -> Response:
    """Answer with the providers and how they do."""
    who, now = viewer(), utcnow()
    may = May(*(who.may(f"modelProviders:{verb}") for verb in ("create", "update", "delete")))
    table = pages.table_of(
        live_providers(who.organization_id),
        key_counts(who.organization_id),
        lake_activity(who.organization_id).providers(now),
        may,
    )
    page = SettingsPage(
        "Providers",
        "The accounts and servers that virtual keys send their calls to.",
        HERE,
        now,
        (table,),
        actions=(("Add provider", f"{HERE}/new", True),) if may.create else (),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("modelProviders:create")
def compose() -> Response:
    """Answer with the composer for a type; another type has other controls."""
    type_name = _known(request.args.get("type", _FIRST))
    name = request.args.get("name", "").strip()[:120]
    return _show(_form(type_name, {"name": name}))


@blueprint.post(HERE)
@requires("modelProviders:create")
def create() -> Response:
    """Create a provider."""
    form, new = _typed(_known(request.form.get("type", "")))
    if form.form.errors:
        return _show(form, 422)
    try:
        row = authoring.create(viewer().actor(), new, control_plane().sealer, utcnow())
    except Refused as refused:
        return _show_refused(form, refused)
    flash(f"{row.name} is created. Give it to a key to use it.", "positive")
    return done("providers.index")


@blueprint.post(f"{HERE}/test")
@requires("modelProviders:create")
def try_new() -> Response:
    """Test a provider as it stands in the form, before anything is saved."""
    return _try_typed(*_typed(_known(request.form.get("type", ""))), "")


@blueprint.get(f"{HERE}/<provider_id>/edit")
@requires("modelProviders:update")
def edit(provider_id: str) -> Response:
    """Answer with the form over a provider."""
    row = authoring.find(viewer().organization_id, provider_id)
    return _show(_form(row.type, controls.values_of(row), row.id, version_of(row)))


@blueprint.post(f"{HERE}/<provider_id>/edit")
@requires("modelProviders:update")
def update(provider_id: str) -> Response:
    """Change a provider; an empty credential keeps the one there is."""
    actor = viewer().actor()
    row = authoring.find(actor.organization_id, provider_id)
    form, new = _typed(row.type, row.id)
    if form.form.errors:
        return _show(form, 422)
    wanted = replace(new, is_operator_address=_stays(row.base_url, new, row.is_operator_address))
    try:
        authoring.update(
            actor, provider_id, wanted, control_plane().sealer, utcnow(), sent_version()
        )
    except Refused as refused:
        return _show_refused(form, refused)
    flash(f"{wanted.name} is saved.", "positive")
    return done("providers.index")


@blueprint.post(f"{HERE}/<provider_id>/edit/test")
@requires("modelProviders:update")
def try_changed(provider_id: str) -> Response:
    """Test a stored provider as it stands in the form."""
    row = authoring.find(viewer().organization_id, provider_id)
    return _try_typed(*_typed(row.type, row.id), row.id)


@blueprint.get(f"{HERE}/<provider_id>/test")
@requires("modelProviders:update")
def try_page(provider_id: str) -> Response:
    """Answer with the question whether to test a stored provider."""
    row = authoring.find(viewer().organization_id, provider_id)
    return _show_tried(row.name, row.id, None)


@blueprint.post(f"{HERE}/<provider_id>/test")
@requires("modelProviders:update")
def try_stored(provider_id: str) -> Response:
    """Test a stored provider as it is."""
    row = authoring.find(viewer().organization_id, provider_id)
    return _show_tried(row.name, row.id, _tried(authoring.stored(row, control_plane().sealer)))


@blueprint.get(f"{HERE}/<provider_id>/rotate")
@requires("modelProviders:update")
def ask_credential(provider_id: str) -> Response:
    """Answer with the form for another credential."""
    row = authoring.find(viewer().organization_id, provider_id)
    return show_form(_rotation(row.id, row.name, row.type))


@blueprint.post(f"{HERE}/<provider_id>/rotate")
@requires("modelProviders:update")
def rotate(provider_id: str) -> Response:
    """Replace a provider's credential."""
    actor = viewer().actor()
    row = authoring.find(actor.organization_id, provider_id)
    form = _rotation(row.id, row.name, row.type)
    values = typed(form.fields)
    secret = controls.typed_credential(row.type, values)
    form = replace(form, values=values)
    if secret is None:
        return show_form(replace(form, errors={"credential": "Enter the new credential."}), 422)
    try:
        authoring.rotate(actor, row.id, secret, control_plane().sealer, utcnow())
    except Refused as refused:
        return show_refused(form, _for_controls(refused))
    flash(f"{row.name} has its new credential; gateways take it within seconds.", "positive")
    return done("providers.index")


@blueprint.post(f"{HERE}/<provider_id>/archive")
@requires("modelProviders:delete")
def archive(provider_id: str) -> Response:
    """End a provider that no key uses; else say which do."""
    try:
        row = authoring.archive(viewer().actor(), provider_id, utcnow())
        flash(f"{row.name} is archived.", "positive")
    except Refused as refused:
        if refused.fault is not Fault.CONFLICT:
            raise
        flash(refused.message, "critical")
    return see("providers.index")


def _known(type_name: str) -> str:
    return type_name if type_name in TYPES else _FIRST


def _stays(address: str, new: authoring.NewProvider, is_operator: bool) -> bool:
    """Say whether the operator's address is kept; one that is typed is a tenant's."""
    return is_operator and new.base_url.rstrip("/") == address


def _form(
    type_name: str, values: dict[str, Any], provider_id: str = "", version: str = ""
) -> ProviderForm:
    fields = controls.fields_of(type_name, bool(provider_id))
    label = TYPES[type_name].label
    form = FormPage(
        f"Edit {values.get('name') or 'provider'}" if provider_id else "Add a provider",
        f"{HERE}/{provider_id}/edit" if provider_id else HERE,
        HERE,
        fields.all,
        values,
        caption=label if provider_id else "",
        submit="Save" if provider_id else "Add provider",
        version=version,
        trail="Providers",
    )
    trial = f"{HERE}/{provider_id}/edit/test" if provider_id else f"{HERE}/test"
    return ProviderForm(form, fields, type_name, pages.type_choices(), trial)


def _typed(type_name: str, provider_id: str = "") -> tuple[ProviderForm, authoring.NewProvider]:
    made = _form(type_name, {}, provider_id, sent_version() or "")
    values = typed(made.fields.all)
    errors: dict[str, str] = {}
    new = controls.typed_provider(type_name, values, errors)
    title = f"Edit {values['name'] or 'provider'}" if provider_id else made.form.title
    form = replace(made.form, values=values, errors=errors, title=title)
    return replace(made, form=form), new


def _show(made: ProviderForm, status: int = 200) -> Response:
    secret = {each.name for each in made.fields.credential if each.kind == "password"}
    values = {name: value for name, value in made.form.values.items() if name not in secret}
    as_page = not asked_fragment(DRAWER)
    form = replace(made.form, values=values, as_page=as_page, now=utcnow())
    page = replace(made, form=form)
    return respond("provider_form.html", _FRAGMENTS, status, page=page.form, made=page)


def _show_refused(made: ProviderForm, refused: Refused) -> Response:
    if refused.fault is Fault.VALIDATION_ERROR:
        return _show(_with_errors(made, refused), 422)
    stale = stale_of(refused)
    if stale is None:
        raise refused
    told = replace(made.form, is_stale=True, version=stale.version, changes=stale.changes)
    return _show(replace(made, form=told), refused.fault.status)


def _with_errors(made: ProviderForm, refused: Refused) -> ProviderForm:
    told: Any = refused.facts.get("errors", {})
    errors = {**made.form.errors, **controls.errors_by_control(told)}
    return replace(made, form=replace(made.form, errors=errors))


def _for_controls(refused: Refused) -> Refused:
    told: Any = refused.facts.get("errors", {})
    return Refused(refused.fault, refused.message, errors=controls.errors_by_control(told))


def _try_typed(made: ProviderForm, new: authoring.NewProvider, provider_id: str) -> Response:
    if not made.form.errors:
        try:
            entered = authoring.entered(viewer().actor(), new, control_plane().sealer, provider_id)
        except Refused as refused:
            if refused.fault is not Fault.VALIDATION_ERROR:
                raise
            made = _with_errors(made, refused)
        else:
            made = replace(made, tried=_tried(entered))
    made = replace(made, was_tried=True)
    return _show(made, 422 if made.form.errors and not asked_fragment(("trial",)) else 200)


def _tried(entered: Entered) -> Tried:
    return try_provider(entered, control_plane().settings, utcnow)


def _rotation(provider_id: str, name: str, type_name: str) -> FormPage:
    return FormPage(
        f"Rotate the credential of {name}",
        f"{HERE}/{provider_id}/rotate",
        HERE,
        controls.credential_fields(type_name),
        {},
        caption="The new one counts at once for every key. End the old one at the provider afterwards.",
        submit="Rotate",
        trail="Providers",
    )


def _show_tried(name: str, provider_id: str, tried: Tried | None) -> Response:
    path = f"{HERE}/{provider_id}/test"
    page = TriedPage(name, path, tried, as_page=not asked_fragment(DRAWER))
    return respond("provider_trial.html", DRAWER, page=page)
