"""The forms over virtual keys: composing one with a budget of its own, changing one, the order of its providers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, request

from core.authoring import capture, key_budgets
from core.authoring import virtual_keys as authoring
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import Project, VirtualKey
from rules.permissions import Place
from webapp.access import requires, viewer
from webapp.forms import DRAWER, done, sent_version, stale, typed
from webapp.page_models import key_fields as controls
from webapp.page_models.key_fields import KeyChoices, KeyForm
from webapp.page_models.settings_pages import FormPage
from webapp.page_models.virtual_keys import HERE
from webapp.pages import asked_fragment, respond
from webapp.places import virtual_key_place
from webapp.queries import virtual_keys as queries
from webapp.state import control_plane
from webapp.views.virtual_keys import found_key, show_secret

blueprint = Blueprint("virtual_key_forms", __name__)
_FRAGMENTS = ("drawer", "key_providers")
CREATE = "virtualKeys:create"


@blueprint.get(f"{HERE}/new")
@requires(CREATE, anywhere=True)
def compose() -> Response:
    """Answer with the empty composer, a provider chosen when there is no choice."""
    providers = queries.provider_choices(viewer().organization_id)
    first = {"provider_1": providers[0][0]} if len(providers) == 1 else {}
    return _show(_form(first))


@blueprint.post(f"{HERE}/new/providers")
@requires(CREATE, anywhere=True)
def arrange_new() -> Response:
    """Answer with the composer as typed, the order of its providers changed. Nothing is saved."""
    return _arranged(None)


@blueprint.post(HERE)
@requires(CREATE, anywhere=True)
def create() -> Response:
    """Create a key, with its budget if one was typed, and show its secret."""
    who, now = viewer(), utcnow()
    form = _typed_form(None)
    values = form.form.values
    email = values["person"]
    person_id = queries.person_by_email(who.organization_id, email) if email else None
    made = controls.typed_key(values, None, person_id, now)
    if email and person_id is None:
        made.errors["person"] = "No member has this address."
    if made.errors:
        return _show(_with_errors(form, made.errors), 422)
    try:
        _refuse_out_of_reach(made.key)
        row, secret = key_budgets.create(
            who.actor(), made.key, made.budget, control_plane().settings.pepper, now
        )
    except Refused as refused:
        return _show_refused(form, refused)
    return show_secret(row, secret, f"{HERE}/{row.id}", f"{row.name} is ready")


@blueprint.get(f"{HERE}/<key_id>/edit")
@requires("virtualKeys:update", at=virtual_key_place)
def edit(key_id: str) -> Response:
    """Answer with the form over a key."""
    row, _ = found_key(key_id)
    return _show(_form(controls.values_of(row), row, version_of(row)))


@blueprint.post(f"{HERE}/<key_id>/edit/providers")
@requires("virtualKeys:update", at=virtual_key_place)
def arrange(key_id: str) -> Response:
    """Answer with the form as typed, the order of its providers changed. Nothing is saved."""
    row, _ = found_key(key_id)
    return _arranged(row)


@blueprint.post(f"{HERE}/<key_id>/edit")
@requires("virtualKeys:update", at=virtual_key_place)
def update(key_id: str) -> Response:
    """Change a key."""
    row, place = found_key(key_id)
    form = _typed_form(row)
    made = controls.typed_key(form.form.values, row, None, utcnow())
    if made.errors:
        return _show(_with_errors(form, made.errors), 422)
    try:
        if row.config.get("capture") != (made.key.config or {}).get("capture"):
            _refuse_raw(made.key.config, place)
        wanted = made.key
        if wanted.expires_at == row.expires_at and row.expires_at and row.expires_at <= utcnow():
            raise invalid({"expires_at": "It is past its date. Choose another, or never."})
        authoring.update(viewer().actor(), row.id, wanted, utcnow(), sent_version())
    except Refused as refused:
        return _show_refused(form, refused)
    flash(f"{made.key.name} is saved; gateways follow within two seconds.", "positive")
    return done("virtual_keys.show", key_id=row.id)


def _refuse_out_of_reach(new: authoring.NewVirtualKey) -> None:
    """Raise Refused unless the viewer may make this key in its project; a project out of reach is none."""
    who = viewer()
    project = Project.get_or_none(
        Project.id == new.project_id, Project.organization_id == who.organization_id
    )
    place = Place(project.team_id, project.id) if project else None
    if place is None or not who.may(CREATE, place):
        raise invalid({"project": "There is no such project."})
    is_others = new.principal_user_id not in (None, who.user_id)
    if is_others and not who.may(queries.OTHERS, place):
        sentence = f"A key of another person's needs the permission {queries.OTHERS}."
        raise invalid({"principal": sentence})
    _refuse_raw(new.config, place)


def _refuse_raw(config: Any, place: Place) -> None:
    needed = capture.permission_for(config)
    if needed and not viewer().may(needed, place):
        raise invalid({"config.capture": f"This needs the permission {needed}."})


def _form(values: dict[str, Any], row: VirtualKey | None = None, version: str = "") -> KeyForm:
    who = viewer()
    choices = KeyChoices(
        () if row else queries.project_choices(who, CREATE),
        queries.provider_choices(who.organization_id),
        queries.guardrail_choices(who.organization_id) if _may_attach(row) else (),
        queries.policy_choices(who.organization_id),
        who.may_somewhere(capture.RAW_PERMISSION),
    )
    places = controls.places_for(values, len(choices.providers))
    fields = controls.fields_of(choices, places, row)
    here = f"{HERE}/{row.id}/edit" if row else f"{HERE}/new"
    form = FormPage(
        f"Edit {row.name}" if row else "New virtual key",
        here if row else HERE,
        f"{HERE}/{row.id}" if row else HERE,
        fields.all,
        values,
        caption="A key keeps its project and its person." if row else "",
        submit="Save" if row else "Create key",
        version=version,
        trail=row.name if row else "Virtual keys",
    )
    return KeyForm(form, fields, f"{here}/providers")


def _may_attach(row: VirtualKey | None) -> bool:
    """Say whether the viewer may put guardrails on a key or take them off; on a new one, anywhere."""
    may = [f"gatewayGuardrails:{verb}" for verb in ("attach", "detach")]
    if row is None:
        return viewer().may_somewhere(may[0])
    place = virtual_key_place(row.organization_id, {"key_id": row.id})
    return any(viewer().may(each, place) for each in may)


def _typed_form(row: VirtualKey | None) -> KeyForm:
    version = sent_version() or ""
    places = {name: request.form[name] for name in request.form if name.startswith("provider_")}
    values = typed(_form(places, row).form.fields) | places
    if places:
        values = controls.moved_up(values, 0)
    return _form(values, row, version)


def _arranged(row: VirtualKey | None) -> Response:
    form = _typed_form(row)
    moved = request.args.get("up", "")
    place = int(moved) if moved.isdecimal() and len(moved) < 3 else 0
    values = controls.moved_up(form.form.values, place)
    return _show(replace(form, form=replace(form.form, values=values)))


def _show(made: KeyForm, status: int = 200) -> Response:
    as_page = not asked_fragment(DRAWER)
    made = replace(made, form=replace(made.form, as_page=as_page, now=utcnow()))
    return respond("virtual_key_form.html", _FRAGMENTS, status, page=made.form, made=made)


def _with_errors(made: KeyForm, errors: dict[str, str]) -> KeyForm:
    return replace(made, form=replace(made.form, errors=controls.errors_by_control(errors)))


def _show_refused(made: KeyForm, refused: Refused) -> Response:
    told: Any = refused.facts.get("errors", {})
    if refused.fault is Fault.VALIDATION_ERROR:
        return _show(_with_errors(made, told), 422)
    if refused.fault is Fault.CONFLICT and "version" in refused.facts:
        return _show(replace(made, form=stale(made.form, refused)), 409)
    raise refused
