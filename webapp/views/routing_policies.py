"""Routing policies: lists by scope, composer with an order of providers, the default of a scope, archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from core.authoring import routing_policies as authoring
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import RoutingPolicy
from webapp.access import requires, viewer
from webapp.forms import DRAWER, done, sent_version, show_form, show_page, told, typed
from webapp.page_models import homes
from webapp.page_models import routing_policies as pages
from webapp.page_models.routing_policies import HERE, PolicyForm
from webapp.page_models.settings_pages import FormPage, SettingsPage
from webapp.pages import asked_fragment, respond, see
from webapp.places import routing_policy_place
from webapp.queries.routing import keys_by_policy, provider_names
from webapp.queries.ruled import choices_for, judge, refuse_at
from webapp.queries.scopes import names_at

blueprint = Blueprint("routing_policies", __name__)
_FRAGMENTS = ("drawer", "order")
VIEW, MANAGE = "routingPolicies:view", "routingPolicies:manage"


@blueprint.get("/gateway/routing-policies")
@requires(VIEW, anywhere=True)
def moved() -> AnyResponse:
    """Send an address under /gateway to the settings page."""
    return redirect(HERE)


@blueprint.get(HERE)
@requires(VIEW, anywhere=True)
def index() -> Response:
    """Answer with the policies by scope."""
    who = viewer()
    found = authoring.all_of(who.organization_id)
    may = judge(who, found)
    rows = [row for row in found if may(VIEW, row)]
    tables = pages.tables_of(
        rows,
        names_at(rows),
        provider_names(who.organization_id),
        keys_by_policy(who.organization_id),
        lambda row: may(MANAGE, row),
        {value.partition(":")[0] for value, _ in _scopes()},
    )
    # Nobody who holds no permission over it reads that the organization has no policy.
    tables = [table for table in tables if table.id != homes.ORGANIZATION or who.may(VIEW)]
    page = SettingsPage(
        "Routing policies",
        "In which order providers are tried, and under which names models are known. A key goes by the policy "
        "it names, else by the default of its project, its team or the organization, whichever comes first.",
        HERE,
        utcnow(),
        tables,
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires(MANAGE, anywhere=True)
def compose() -> Response:
    """Answer with the empty composer; the address may choose the kind of scope."""
    scopes = _scopes()
    wanted = request.args.get("scope", "")
    first = next((value for value, _ in scopes if value.partition(":")[0] == wanted), "")
    return _show(_form({"applies_to": first, "strategy": "priority"}, []))


@blueprint.post(f"{HERE}/arrange")
@requires(MANAGE, anywhere=True)
def arrange() -> Response:
    """Answer with the form after a change to its order of providers; nothing is saved."""
    made = _typed(_row(request.form.get("policy_id", "")))
    ids = [provider_id for provider_id, _ in made.order]
    order = pages.moved(ids, request.args.get("change", ""), request.form.get("another", ""))
    return _show(_form(dict(made.form.values), order, _row(made.policy_id), made.form.version))


@blueprint.post(HERE)
@requires(MANAGE, anywhere=True)
def create() -> Response:
    """Create a policy."""
    made = _typed(None)
    return _save(made, homes.chosen(made.form.value("applies_to"), viewer().organization_id), "")


@blueprint.get(f"{HERE}/<policy_id>/edit")
@requires(MANAGE, at=routing_policy_place)
def edit(policy_id: str) -> Response:
    """Answer with the form over a policy."""
    row = authoring.find(viewer().organization_id, policy_id)
    return _show(_form(pages.values_of(row), row.provider_ids, row, version_of(row)))


@blueprint.post(f"{HERE}/<policy_id>/edit")
@requires(MANAGE, at=routing_policy_place)
def update(policy_id: str) -> Response:
    """Change a policy; keys follow within seconds."""
    row = authoring.find(viewer().organization_id, policy_id)
    return _save(_typed(row), (row.scope, row.scope_id), row.id)


@blueprint.post(f"{HERE}/<policy_id>/default")
@requires(MANAGE, at=routing_policy_place)
def set_default(policy_id: str) -> Response:
    """Make a policy the default of its scope."""
    row = authoring.set_default(viewer().actor(), policy_id, utcnow())
    flash(f"{row.name} is the default now.", "positive")
    return see("routing_policies.index")


@blueprint.get(f"{HERE}/<policy_id>/archive")
@requires(MANAGE, at=routing_policy_place)
def ask_archive(policy_id: str) -> Response:
    """Answer with the question whether to archive a policy, and who would be affected."""
    return show_form(_question(authoring.find(viewer().organization_id, policy_id)))


@blueprint.post(f"{HERE}/<policy_id>/archive")
@requires(MANAGE, at=routing_policy_place)
def archive(policy_id: str) -> Response:
    """End a policy that no key names."""
    row = authoring.find(viewer().organization_id, policy_id)
    try:
        authoring.archive(viewer().actor(), policy_id, utcnow())
    except Refused as refused:
        if refused.fault is not Fault.CONFLICT:
            raise
        return show_form(replace(_question(row), errors={"form": refused.message}), 409)
    flash(f"{row.name} is archived.", "positive")
    return done("routing_policies.index")


def _row(policy_id: str) -> RoutingPolicy | None:
    if not policy_id:
        return None
    row = authoring.find(viewer().organization_id, policy_id)
    refuse_at(viewer(), MANAGE, row.scope, row.scope_id)
    return row


def _scopes() -> list[tuple[str, str]]:
    return homes.options(choices_for(viewer(), MANAGE), viewer().may(MANAGE))


def _form(
    values: dict[str, Any],
    order: list[str],
    row: RoutingPolicy | None = None,
    version: str = "",
) -> PolicyForm:
    fields = pages.fields_of([] if row else _scopes(), row is not None)
    known = provider_names(viewer().organization_id)
    form = FormPage(
        f"Edit {row.name}" if row else "New routing policy",
        f"{HERE}/{row.id}/edit" if row else HERE,
        HERE,
        fields,
        values,
        caption=_where(row) if row else "",
        submit="Save" if row else "Create policy",
        version=version,
        trail="Routing policies",
    )
    return PolicyForm(
        form,
        row.id if row else "",
        [(each, known.get(each, "An archived provider")) for each in order],
        [(each, name) for each, name in known.items() if each not in order],
    )


def _where(row: RoutingPolicy) -> str:
    names = names_at([row])
    return f"Applies to: {homes.label(row.scope, row.scope_id, names)}"


def _typed(row: RoutingPolicy | None) -> PolicyForm:
    order = list(dict.fromkeys(request.form.getlist("provider")))[: authoring.MAX_PROVIDERS]
    made = _form({}, order, row, sent_version() or "")
    return replace(made, form=replace(made.form, values=typed(made.form.fields)))


def _save(made: PolicyForm, where: tuple[str, str], policy_id: str) -> Response:
    actor, errors = viewer().actor(), dict[str, str]()
    ids = [provider_id for provider_id, _ in made.order]
    new = pages.typed_policy(made.form.values, where, ids, errors)
    if errors:
        return _show(replace(made, form=replace(made.form, errors=errors)), 422)
    refuse_at(viewer(), MANAGE, new.scope, new.scope_id)
    try:
        if policy_id:
            authoring.update(actor, policy_id, new, utcnow(), sent_version())
        else:
            authoring.create(actor, new, utcnow())
    except Refused as refused:
        form = told(made.form, refused, homes.errors_by_control)
        return _show(replace(made, form=form), refused.fault.status)
    flash(f"{new.name} is saved." if policy_id else f"{new.name} is created.", "positive")
    return done("routing_policies.index")


def _show(made: PolicyForm, status: int = 200) -> Response:
    form = replace(made.form, as_page=not asked_fragment(DRAWER), now=utcnow())
    made = replace(made, form=form)
    return respond("routing_policy_form.html", _FRAGMENTS, status, page=form, made=made)


def _question(row: RoutingPolicy) -> FormPage:
    names = names_at([row])
    where = homes.label(row.scope, row.scope_id, names)
    return FormPage(
        f"Archive {row.name}?",
        f"{HERE}/{row.id}/archive",
        HERE,
        (),
        {},
        caption=pages.affected(row, where, authoring.keys_naming(row)),
        submit="Archive",
        is_danger=True,
        trail="Routing policies",
    )
