"""Policy rules: list, composer by dimension with presets, shadow mode, archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, request

from core.authoring import policy_rule_sets as authoring
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Refused
from webapp.access import requires, viewer
from webapp.forms import DRAWER, done, sent_version, show_page, told, typed
from webapp.page_models import homes
from webapp.page_models import policy_rules as pages
from webapp.page_models.policy_rules import HERE, RulesForm
from webapp.page_models.settings_pages import FormPage, SettingsPage
from webapp.pages import asked_fragment, respond, see
from webapp.places import rule_set_place
from webapp.queries.ruled import choices_for, judge, refuse_at
from webapp.queries.scopes import names_at

blueprint = Blueprint("policy_rules", __name__)
_FRAGMENTS = ("drawer", "rules")
VIEW, MANAGE = "routingPolicies:view", "routingPolicies:manage"


@blueprint.get(HERE)
@requires(VIEW, anywhere=True)
def index() -> Response:
    """Answer with the sets of rules."""
    who = viewer()
    found = authoring.all_of(who.organization_id)
    may = judge(who, found)
    rows = [row for row in found if may(VIEW, row)]
    table = pages.table_of(rows, names_at(rows), lambda row: may(MANAGE, row))
    page = SettingsPage(
        "Policy rules",
        "Which tools, MCP servers, addresses and models calls may name.",
        HERE,
        utcnow(),
        (table if who.may(VIEW) else homes.of_some(table),),
        actions=(("New rules", f"{HERE}/new", True),) if who.may_somewhere(MANAGE) else (),
        links=(("Test a request", f"{HERE}/test"),) if who.may(VIEW) else (),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires(MANAGE, anywhere=True)
def compose() -> Response:
    """Answer with the empty composer."""
    return _show(_form({"applies_to": homes.ORGANIZATION, "enabled": True}))


@blueprint.post(f"{HERE}/fill")
@requires(MANAGE, anywhere=True)
def fill() -> Response:
    """Answer with the form after a preset was put into it; nothing is saved."""
    set_id = request.form.get("set_id", "")
    if set_id:
        row = authoring.find(viewer().organization_id, set_id)
        refuse_at(viewer(), MANAGE, row.scope, row.scope_id)
    made = _typed(set_id)
    values = pages.filled(made.form.values, request.args.get("preset", ""))
    return _show(replace(made, form=replace(made.form, values=values)))


@blueprint.post(HERE)
@requires(MANAGE, anywhere=True)
def create() -> Response:
    """Create a set of rules."""
    return _save(_typed(""), "")


@blueprint.get(f"{HERE}/<set_id>/edit")
@requires(MANAGE, at=rule_set_place)
def edit(set_id: str) -> Response:
    """Answer with the form over a set of rules."""
    row = authoring.find(viewer().organization_id, set_id)
    return _show(_form(pages.values_of(row), row.id, version_of(row)))


@blueprint.post(f"{HERE}/<set_id>/edit")
@requires(MANAGE, at=rule_set_place)
def update(set_id: str) -> Response:
    """Change a set of rules."""
    authoring.find(viewer().organization_id, set_id)
    return _save(_typed(set_id), set_id)


@blueprint.post(f"{HERE}/<set_id>/<any(shadow, enforce):mode>")
@requires(MANAGE, at=rule_set_place)
def switch(set_id: str, mode: str) -> Response:
    """Let all rules of a set only report, or block."""
    row = authoring.find(viewer().organization_id, set_id)
    wanted = pages.with_shadow(row, mode == "shadow")
    authoring.update(viewer().actor(), set_id, wanted, utcnow())
    said = "only reports now" if mode == "shadow" else "is enforced"
    flash(f"{row.name} {said}.", "positive")
    return see("policy_rules.index")


@blueprint.post(f"{HERE}/<set_id>/archive")
@requires(MANAGE, at=rule_set_place)
def archive(set_id: str) -> Response:
    """End a set of rules."""
    row = authoring.archive(viewer().actor(), set_id, utcnow())
    flash(f"{row.name} is archived.", "positive")
    return see("policy_rules.index")


def _form(values: dict[str, Any], set_id: str = "", version: str = "") -> RulesForm:
    scopes = homes.options(choices_for(viewer(), MANAGE), viewer().may(MANAGE))
    kept = str(values.get("applies_to", ""))
    if set_id and kept and kept not in dict(scopes):
        # What was archived since stays chosen, so that saving moves nothing.
        row = authoring.find(viewer().organization_id, set_id)
        label = homes.label(row.scope, row.scope_id, names_at([row]))
        scopes.append((kept, label))
    parts = pages.parts_of()
    fields = [*pages.fields_of(scopes), *(each for part in parts for each in part.fields)]
    form = FormPage(
        f"Edit {values.get('name') or 'rules'}" if set_id else "New policy rules",
        f"{HERE}/{set_id}/edit" if set_id else HERE,
        HERE,
        fields,
        values,
        caption="Patterns are RE2 and match anywhere; write ^ and $ to match a whole name.",
        submit="Save" if set_id else "Create rules",
        version=version,
        trail="Policy rules",
    )
    return RulesForm(form, set_id, parts)


def _typed(set_id: str) -> RulesForm:
    made = _form({}, set_id, sent_version() or "")
    values = typed(made.form.fields)
    title = f"Edit {values['name'] or 'rules'}" if set_id else made.form.title
    return replace(made, form=replace(made.form, values=values, title=title))


def _save(made: RulesForm, set_id: str) -> Response:
    actor = viewer().actor()
    where = homes.chosen(made.form.value("applies_to"), actor.organization_id)
    new = pages.typed_set(made.form.values, where)
    refuse_at(viewer(), MANAGE, new.scope, new.scope_id)
    try:
        if set_id:
            authoring.update(actor, set_id, new, utcnow(), sent_version())
        else:
            authoring.create(actor, new, utcnow())
    except Refused as refused:
        form = told(made.form, refused, pages.errors_by_control)
        return _show(replace(made, form=form), refused.fault.status)
    flash(f"{new.name} is saved." if set_id else f"{new.name} is created.", "positive")
    return done("policy_rules.index")


def _show(made: RulesForm, status: int = 200) -> Response:
    form = replace(made.form, as_page=not asked_fragment(DRAWER), now=utcnow())
    made = replace(made, form=form)
    return respond("policy_rule_form.html", _FRAGMENTS, status, page=form, made=made)
