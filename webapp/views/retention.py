"""Retention: how long events and captured content stay, by scope, and what a policy would delete before it is saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash

from core.authoring import retention
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import RetentionPolicy
from rules.retention import LEDGER_MONTHS
from webapp.access import requires, viewer
from webapp.forms import done, sent_version, show_form, show_page, show_refused, typed
from webapp.page_models import retention as pages
from webapp.page_models.settings_pages import FormPage, SettingsPage, Table
from webapp.pages import see
from webapp.queries import privacy as scopes
from webapp.queries import retention as queries
from webapp.state import control_plane

blueprint = Blueprint("retention", __name__)
HERE = pages.HERE


@blueprint.get(HERE)
@requires("organization:view")
def index() -> Response:
    """Answer with the policies, and with what no policy changes."""
    who = viewer()
    may_manage = who.may("organization:manage")
    found = retention.all_of(who.organization_id)
    labels = scopes.labels(who.organization_id, found)
    rows = [
        pages.policy_row(
            row, labels.get((row.scope, row.scope_id), "Something removed"), may_manage
        )
        for row in found
    ]
    table = Table(
        "policies",
        "Policies",
        ("Applies to", "Activity events", "Prompts and answers", "Stored since"),
        rows,
        "No policy yet. Events stay; prompts and answers go by the setting of this installation.",
        "The narrowest policy decides: project, team, organization.",
        ("New policy", f"{HERE}/policies/new") if may_manage else None,
    )
    days = control_plane().settings.capture_days
    facts = (
        ("Prompts and answers without a policy", f"{days} days"),
        ("Ledger of calls", f"{LEDGER_MONTHS} months, whatever policies say"),
        ("Sums of spend", "Stay when their events go"),
        ("Audit log", "Never deleted"),
    )
    lead = "How long what is stored stays. What is due is deleted once a day."
    return show_page(SettingsPage("Retention", lead, HERE, utcnow(), (table,), facts=facts))


@blueprint.get(f"{HERE}/policies/new")
@requires("organization:manage")
def compose() -> Response:
    """Answer with the empty form."""
    return show_form(_form({}))


@blueprint.post(f"{HERE}/policies")
@requires("organization:manage")
def create() -> Response:
    """Create a policy; what it would delete at once has to be confirmed."""
    return _saved(None)


@blueprint.get(f"{HERE}/policies/<policy_id>/edit")
@requires("organization:manage")
def edit(policy_id: str) -> Response:
    """Answer with the form over a policy."""
    row = retention.find(viewer().organization_id, policy_id)
    return show_form(_form(pages.form_values(row), row, version_of(row)))


@blueprint.post(f"{HERE}/policies/<policy_id>/edit")
@requires("organization:manage")
def update(policy_id: str) -> Response:
    """Change a policy; what it would delete at once has to be confirmed."""
    return _saved(retention.find(viewer().organization_id, policy_id))


@blueprint.post(f"{HERE}/policies/<policy_id>/delete")
@requires("organization:manage")
def delete(policy_id: str) -> Response:
    """Delete a policy."""
    retention.delete(viewer().actor(), policy_id, utcnow())
    flash("The policy is gone.", "positive")
    return see("retention.index")


def _saved(row: RetentionPolicy | None) -> Response:
    actor, now = viewer().actor(), utcnow()
    form = _form({}, row, sent_version() or "")
    values = typed(pages.form_fields((), row is None, due="something"))
    form, due = replace(form, values=values), ""
    try:
        wanted = pages.new_policy(values, row)
        due = _due(wanted, row)
        if due and values[pages.CONFIRMED] != "1":
            raise invalid({pages.CONFIRMED: "Say yes to this, or change the days."})
        if row is None:
            retention.create(actor, wanted, now)
        else:
            retention.update(actor, row.id, wanted, now, sent_version())
    except Refused as refused:
        return _refused(form, refused, row, due)
    flash("The policy holds from the next run on.", "positive")
    return done("retention.index")


def _due(wanted: retention.NewRetentionPolicy, row: RetentionPolicy | None) -> str:
    """Return what would be deleted, in words. Days that are not right are complained about elsewhere."""
    lake, organization_id = control_plane().lake, viewer().organization_id
    return queries.due_words(*queries.would_delete(lake, organization_id, wanted, row, utcnow()))


def _refused(form: FormPage, refused: Refused, row: RetentionPolicy | None, due: str) -> Response:
    given = refused.facts.get("errors")
    if isinstance(given, dict):
        errors = {"applies_to" if n in ("scope", "scope_id") else n: t for n, t in given.items()}
        if pages.CONFIRMED in errors:
            errors = {"due": f"The next run would delete {due}. Tick the last box to agree."}
        refused = Refused(Fault.VALIDATION_ERROR, refused.message, errors=errors)
    choices = _choices() if row is None else ()
    return show_refused(replace(form, fields=pages.form_fields(choices, row is None, due)), refused)


def _choices() -> list[tuple[str, str]]:
    who = viewer()
    everywhere = [(f"organization:{who.organization_id}", "Whole organization")]
    return everywhere + scopes.team_and_project_scopes(
        who, "organization:manage", "organization:manage"
    )


def _form(
    values: dict[str, Any], row: RetentionPolicy | None = None, version: str = ""
) -> FormPage:
    caption = "What is deleted does not come back. What a policy would delete is shown before it is saved."
    if row is None:
        fields = pages.form_fields(_choices(), is_new=True)
        return FormPage(
            "New retention policy", f"{HERE}/policies", HERE, fields, values, caption, "Create",
            trail="Retention",
        )  # fmt: skip
    return FormPage(
        "Edit retention policy", f"{HERE}/policies/{row.id}/edit", HERE,
        pages.form_fields((), is_new=False), values, caption, version=version, trail="Retention",
    )  # fmt: skip
