"""Privacy: the organization's content mode, and rules by scope. Everybody may see what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import organizations, privacy
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Refused
from core.models import PrivacyRule
from webapp.access import requires, viewer
from webapp.forms import (
    done,
    save,
    sent_version,
    show_form,
    show_page,
    show_refused,
    typed,
)
from webapp.page_models import privacy as pages
from webapp.page_models.settings_pages import FormPage, SettingsPage, Table
from webapp.pages import see
from webapp.places import privacy_rule_place
from webapp.queries import privacy as queries

blueprint = Blueprint("privacy", __name__)
HERE = pages.HERE
COLUMNS = ("Applies to", *pages.CATEGORY_WORDS.values(), "Further")


@blueprint.get(HERE)
@requires("organization:view")
def index() -> Response:
    """Answer with the mode and the rules; each can be changed by whoever holds what its scope asks for."""
    who = viewer()
    organization = organizations.find(who.organization_id)
    found = privacy.all_of(who.organization_id)
    labels = queries.labels(who.organization_id, found)
    homes = queries.places(who.organization_id, [row.scope_id for row in found])
    people = dict(queries.audiences(who.organization_id))
    rows = [
        pages.rule_row(
            row,
            labels.get((row.scope, row.scope_id), "Something removed"),
            queries.may_rule_at(who, row.scope, row.scope_id, homes),
            people,
        )
        for row in found
    ]
    table = Table(
        "rules",
        "Rules",
        COLUMNS,
        rows,
        "No rule yet. The organization's mode alone decides.",
        "The narrowest rule that says anything decides: project, department, team, organization.",
        ("New rule", f"{HERE}/rules/new") if who.may_somewhere("project:update") else None,
    )
    may_manage = who.may(privacy.MANAGE_ORGANIZATION)
    page = SettingsPage(
        "Privacy",
        "What is dropped of prompts and answers before anything is stored, and who may read the rest. Model, tokens, "
        "cost, times, identity and status always stay.",
        HERE,
        utcnow(),
        (table,),
        actions=(("Change mode", f"{HERE}/mode", False),) if may_manage else (),
        facts=(("Content mode", pages.MODE_WORDS[organization.content_mode]),),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/mode")
@requires("organization:manage")
def ask_mode() -> Response:
    """Answer with the form over the content mode."""
    row = organizations.find(viewer().organization_id)
    return show_form(_mode_form({"content_mode": row.content_mode}, version_of(row)))


@blueprint.post(f"{HERE}/mode")
@requires("organization:manage")
def set_mode() -> Response:
    """Set the content mode."""
    form = _mode_form({}, sent_version() or "")
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: privacy.set_mode(
            viewer().actor(), values["content_mode"], utcnow(), sent_version()
        ),
        "privacy.index",
        "The mode holds from now on.",
    )


@blueprint.get(f"{HERE}/rules/new")
@requires("project:update", anywhere=True)
def compose() -> Response:
    """Answer with the empty form."""
    return show_form(_form({}))


@blueprint.post(f"{HERE}/rules")
@requires("project:update", anywhere=True)
def create() -> Response:
    """Create a rule, where the viewer may."""
    form = _form({})
    values = typed(form.fields)
    wanted = pages.new_rule(values)
    queries.refuse_rule_at(viewer(), wanted.scope, wanted.scope_id)
    try:
        privacy.create(viewer().actor(), wanted, utcnow())
    except Refused as refused:
        return show_refused(replace(form, values=values), _beside_scope(refused))
    flash("The rule holds from now on.", "positive")
    return done("privacy.index")


@blueprint.get(f"{HERE}/rules/<rule_id>/edit")
@requires("project:update", at=privacy_rule_place)
def edit(rule_id: str) -> Response:
    """Answer with the form over a rule."""
    row = _changeable(rule_id)
    return show_form(_form(pages.rule_values(row), row, version_of(row)))


@blueprint.post(f"{HERE}/rules/<rule_id>/edit")
@requires("project:update", at=privacy_rule_place)
def update(rule_id: str) -> Response:
    """Change a rule."""
    row = _changeable(rule_id)
    form = _form({}, row, sent_version() or "")
    values = typed(form.fields)
    return save(
        replace(form, values=values),
        lambda: privacy.update(
            viewer().actor(), row.id, pages.new_rule(values, row), utcnow(), sent_version()
        ),
        "privacy.index",
        "The rule holds from now on.",
    )


@blueprint.post(f"{HERE}/rules/<rule_id>/delete")
@requires("project:update", at=privacy_rule_place)
def delete(rule_id: str) -> Response:
    """Delete a rule."""
    row = _changeable(rule_id)
    privacy.delete(viewer().actor(), row.id, utcnow())
    flash("The rule is gone.", "positive")
    return see("privacy.index")


def _changeable(rule_id: str) -> PrivacyRule:
    """Return a rule that the viewer may change: the route asks for the least, a wider scope for more."""
    row = privacy.find(viewer().organization_id, rule_id)
    queries.refuse_rule_at(viewer(), row.scope, row.scope_id)
    return row


def _beside_scope(refused: Refused) -> Refused:
    """Return a refusal with complaints about a scope beside the control that chooses it."""
    given = refused.facts.get("errors")
    if not isinstance(given, dict):
        return refused
    errors = {"applies_to" if n in ("scope", "scope_id") else n: t for n, t in given.items()}
    return Refused(refused.fault, refused.message, errors=errors)


def _mode_form(values: dict[str, Any], version: str) -> FormPage:
    return FormPage(
        "Content mode",
        f"{HERE}/mode",
        HERE,
        pages.mode_fields(),
        values,
        "It holds for what comes from now on. What is stored already goes by the retention policies.",
        version=version,
        trail="Privacy",
    )


def _form(values: dict[str, Any], row: PrivacyRule | None = None, version: str = "") -> FormPage:
    is_new = row is None
    fields = pages.rule_fields(
        queries.privacy_scopes(viewer()) if is_new else (),
        is_new,
        queries.audiences(viewer().organization_id),
    )
    caption = "What is dropped is dropped before it is stored, and can't be brought back."
    if row is None:
        return FormPage(
            "New privacy rule", f"{HERE}/rules", HERE, fields, values, caption, "Create",
            trail="Privacy",
        )  # fmt: skip
    action = f"{HERE}/rules/{row.id}/edit"
    return FormPage(
        "Edit privacy rule", action, HERE, fields, values, caption, version=version, trail="Privacy"
    )
