"""Cache rules: list in the order in which they are tried, composer, archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import cache_rules as authoring
from core.authoring import people
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Refused
from core.models import CacheRule
from webapp.access import requires, viewer
from webapp.forms import done, sent_version, show_form, show_page, told, typed
from webapp.page_models import cache_rules as pages
from webapp.page_models.cache_rules import HERE
from webapp.page_models.settings_pages import FormPage, SettingsPage
from webapp.pages import see
from webapp.queries.matched import key_names, people_emails
from webapp.queries.tested_keys import named_key

blueprint = Blueprint("cache_rules", __name__)


@blueprint.get(HERE)
@requires("gatewayCacheRules:view")
def index() -> Response:
    """Answer with the rules, the highest priority first."""
    who = viewer()
    may = {verb: who.may(f"gatewayCacheRules:{verb}") for verb in ("create", "update", "delete")}
    rows = authoring.all_of(who.organization_id)
    page = SettingsPage(
        "Cache rules",
        "What happens to the marks by which a provider keeps a prompt in its cache.",
        HERE,
        utcnow(),
        (pages.table_of(rows, *_names(rows), may),),
        actions=(("New rule", f"{HERE}/new", True),) if may["create"] else (),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/new")
@requires("gatewayCacheRules:create")
def compose() -> Response:
    """Answer with the empty composer."""
    return show_form(_form({"mode": "force", "priority": 100, "enabled": True}))


@blueprint.post(HERE)
@requires("gatewayCacheRules:create")
def create() -> Response:
    """Create a rule."""
    return _save(None)


@blueprint.get(f"{HERE}/<rule_id>/edit")
@requires("gatewayCacheRules:update")
def edit(rule_id: str) -> Response:
    """Answer with the form over a rule."""
    row = authoring.find(viewer().organization_id, rule_id)
    return show_form(_form(pages.values_of(row, *_names([row])), row, version_of(row)))


@blueprint.post(f"{HERE}/<rule_id>/edit")
@requires("gatewayCacheRules:update")
def update(rule_id: str) -> Response:
    """Change a rule."""
    return _save(authoring.find(viewer().organization_id, rule_id))


@blueprint.post(f"{HERE}/<rule_id>/archive")
@requires("gatewayCacheRules:delete")
def archive(rule_id: str) -> Response:
    """End a rule."""
    row = authoring.archive(viewer().actor(), rule_id, utcnow())
    flash(f"{row.name} is archived.", "positive")
    return see("cache_rules.index")


def _names(rows: list[CacheRule]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of the keys and the addresses of the people that rules are about, by id."""
    organization_id = viewer().organization_id
    keys = {row.matchers["vk_id"] for row in rows if row.matchers.get("vk_id")}
    persons = {row.matchers["principal_id"] for row in rows if row.matchers.get("principal_id")}
    return key_names(organization_id, keys), people_emails(organization_id, persons)


def _form(values: dict[str, Any], row: CacheRule | None = None, version: str = "") -> FormPage:
    return FormPage(
        f"Edit {row.name}" if row else "New cache rule",
        f"{HERE}/{row.id}/edit" if row else HERE,
        HERE,
        pages.fields_of(),
        values,
        caption="All that is filled in must match.",
        submit="Save" if row else "Create rule",
        version=version,
        trail="Cache rules",
    )


def _save(row: CacheRule | None) -> Response:
    actor = viewer().actor()
    form = _form({}, row, sent_version() or "")
    values, errors = typed(form.fields), dict[str, str]()
    form = replace(form, values=values)
    key_id, person_id = _key(row, values["key"], errors), _person(row, values["person"], errors)
    new = pages.typed_rule(values, key_id, person_id, errors)
    if errors:
        return show_form(replace(form, errors=errors), 422)
    try:
        if row is None:
            authoring.create(actor, new, utcnow())
        else:
            authoring.update(actor, row.id, new, utcnow(), sent_version())
    except Refused as refused:
        return show_form(told(form, refused, pages.errors_by_control), refused.fault.status)
    flash(f"{new.name} is created." if row is None else f"{new.name} is saved.", "positive")
    return done("cache_rules.index")


def _key(row: CacheRule | None, text: str, errors: dict[str, str]) -> str:
    """Return the id of the key that was typed; what stood there and names nothing any more stays."""
    if not text or (row is not None and row.matchers.get("vk_id") == text):
        return text
    found = named_key(viewer().organization_id, text, None)
    if found is None:
        errors["key"] = "There is no such virtual key."
    return "" if found is None else str(found.id)


def _person(row: CacheRule | None, text: str, errors: dict[str, str]) -> str:
    if not text or (row is not None and row.matchers.get("principal_id") == text):
        return text
    found = people.find_by_email(viewer().organization_id, text)
    if found is None:
        errors["person"] = "Nobody here has this e-mail address."
    return "" if found is None else str(found.id)
