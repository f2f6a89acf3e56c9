"""Guardrails: list, composer by type, a try on a text, archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, request

from core.authoring import guardrails as authoring
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Refused
from core.models import Guardrail
from rules.guardrails.types import EVALUATOR, TYPES, guard_of
from webapp.access import requires, viewer
from webapp.forms import DRAWER, done, sent_version, show_page, told, typed
from webapp.page_models import guardrails as pages
from webapp.page_models import homes
from webapp.page_models.guardrails import HERE, GuardrailForm
from webapp.page_models.settings_pages import FormPage, SettingsPage
from webapp.pages import asked_fragment, respond, see
from webapp.places import guardrail_place
from webapp.queries.ruled import choices_for, judge, refuse_at
from webapp.queries.scopes import names_at
from webapp.state import control_plane

blueprint = Blueprint("guardrails", __name__)
_FIRST = "secrets"
VIEW, CREATE = "gatewayGuardrails:view", "gatewayGuardrails:create"
UPDATE, DELETE = "gatewayGuardrails:update", "gatewayGuardrails:delete"
_FRAGMENTS = ("drawer", "tried")


@blueprint.get(HERE)
@requires(VIEW, anywhere=True)
def index() -> Response:
    """Answer with the guardrails."""
    who = viewer()
    found = authoring.all_of(who.organization_id)
    may = judge(who, found)
    rows = [row for row in found if may(VIEW, row)]
    table = pages.table_of(
        rows, names_at(rows), lambda verb, row: may(f"gatewayGuardrails:{verb}", row)
    )
    page = SettingsPage(
        "Guardrails",
        "What is looked for in the texts of requests and answers.",
        HERE,
        utcnow(),
        (table if who.may(VIEW) else homes.of_some(table),),
        actions=(("New guardrail", f"{HERE}/new", True),) if who.may_somewhere(CREATE) else (),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires(CREATE, anywhere=True)
def compose() -> Response:
    """Answer with the composer for a type; another type has other controls."""
    type_name = _known(request.args.get("type", _FIRST))
    name = request.args.get("name", "").strip()[:120]
    return _show(_form(type_name, {**pages.first_values(type_name), "name": name}))


@blueprint.post(HERE)
@requires(CREATE, anywhere=True)
def create() -> Response:
    """Create a guardrail."""
    made, new = _typed(_known(request.form.get("type", "")))
    if made.form.errors:
        return _show(made, 422)
    refuse_at(viewer(), CREATE, new.scope, new.scope_id)
    try:
        row = authoring.create(viewer().actor(), new, control_plane().sealer, utcnow())
    except Refused as refused:
        return _show_refused(made, refused)
    flash(f"{row.name} is created.", "positive")
    return done("guardrails.index")


@blueprint.post(f"{HERE}/try")
@requires(VIEW, anywhere=True)
def try_text() -> Response:
    """Answer with what the guardrail, as it stands in the form, finds in a text; nothing is saved or asked."""
    guardrail_id = request.form.get("guardrail_id", "")
    row = authoring.find(viewer().organization_id, guardrail_id) if guardrail_id else None
    if row is not None:
        refuse_at(viewer(), VIEW, row.scope, row.scope_id)
    made, new = _typed(row.type if row else _known(request.form.get("type", "")), row)
    sample = request.form.get("sample", "")[: pages.SAMPLE_CHARACTERS]
    made = replace(made, sample=sample)
    if new.type == EVALUATOR:
        return _show(replace(made, problem="An evaluator is asked by the gateway alone."))
    try:
        guard = guard_of(
            {
                "id": "",
                "name": new.name,
                "type": new.type,
                "settings": new.settings,
                "action": new.action,
                "on_failure": new.on_failure,
            }
        )
    except ValueError as error:
        return _show(replace(made, problem=str(error)))
    return _show(replace(made, found=pages.found_in(guard, sample)))


@blueprint.get(f"{HERE}/<guardrail_id>/edit")
@requires(UPDATE, at=guardrail_place)
def edit(guardrail_id: str) -> Response:
    """Answer with the form over a guardrail."""
    row = authoring.find(viewer().organization_id, guardrail_id)
    return _show(_form(row.type, pages.values_of(row), row, version_of(row)))


@blueprint.post(f"{HERE}/<guardrail_id>/edit")
@requires(UPDATE, at=guardrail_place)
def update(guardrail_id: str) -> Response:
    """Change a guardrail; an empty secret keeps the one there is."""
    actor = viewer().actor()
    row = authoring.find(actor.organization_id, guardrail_id)
    made, new = _typed(row.type, row)
    if made.form.errors:
        return _show(made, 422)
    refuse_at(viewer(), UPDATE, new.scope, new.scope_id)
    stays = row.is_operator_address and new.settings.get("url") == row.settings.get("url")
    wanted = replace(new, is_operator_address=stays)
    try:
        authoring.update(actor, row.id, wanted, control_plane().sealer, utcnow(), sent_version())
    except Refused as refused:
        return _show_refused(made, refused)
    flash(f"{wanted.name} is saved.", "positive")
    return done("guardrails.index")


@blueprint.post(f"{HERE}/<guardrail_id>/archive")
@requires(DELETE, at=guardrail_place)
def archive(guardrail_id: str) -> Response:
    """End a guardrail."""
    row = authoring.archive(viewer().actor(), guardrail_id, utcnow())
    flash(f"{row.name} is archived.", "positive")
    return see("guardrails.index")


def _known(type_name: str) -> str:
    return type_name if type_name in TYPES else _FIRST


def _form(
    type_name: str, values: dict[str, Any], row: Guardrail | None = None, version: str = ""
) -> GuardrailForm:
    permission = UPDATE if row else CREATE
    scopes = homes.options(choices_for(viewer(), permission), viewer().may(permission))
    if row is not None and homes.choice_of(row.scope, row.scope_id) not in dict(scopes):
        # What was archived since stays chosen, so that saving moves nothing.
        names = names_at([row])
        label = homes.label(row.scope, row.scope_id, names)
        scopes.append((homes.choice_of(row.scope, row.scope_id), label))
    form = FormPage(
        f"Edit {row.name}" if row else "New guardrail",
        f"{HERE}/{row.id}/edit" if row else HERE,
        HERE,
        pages.fields_of(type_name, scopes, row is not None),
        values,
        caption=TYPES[type_name].title if row else "",
        submit="Save" if row else "Create guardrail",
        version=version,
        trail="Guardrails",
    )
    return GuardrailForm(form, row.id if row else "", type_name)


def _typed(
    type_name: str, row: Guardrail | None = None
) -> tuple[GuardrailForm, authoring.NewGuardrail]:
    made = _form(type_name, {}, row, sent_version() or "")
    values, errors = typed(made.form.fields), dict[str, str]()
    where = homes.chosen(values["applies_to"], viewer().organization_id)
    new = pages.typed_guardrail(type_name, values, where, errors)
    return replace(made, form=replace(made.form, values=values, errors=errors)), new


def _show_refused(made: GuardrailForm, refused: Refused) -> Response:
    form = told(made.form, refused, pages.errors_by_control)
    return _show(replace(made, form=form), refused.fault.status)


def _show(made: GuardrailForm, status: int = 200) -> Response:
    values = {name: value for name, value in made.form.values.items() if name != "secret"}
    as_page = not asked_fragment(DRAWER)
    form = replace(made.form, values=values, as_page=as_page, now=utcnow())
    made = replace(made, form=form)
    return respond("guardrail_form.html", _FRAGMENTS, status, page=form, made=made)
