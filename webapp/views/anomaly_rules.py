"""Anomaly rules: list by severity, composer with a live preview, switching on and off, archive."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from core.authoring import anomaly_rules as authoring
from core.authoring.validation import name_error
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from rules.source_types import SOURCE_TYPES
from webapp.access import requires, viewer
from webapp.forms import Stale, sent_version, stale_of
from webapp.page_models import anomaly_rules as pages
from webapp.pages import asked_fragment, respond, see
from webapp.queries.rules import live_rules
from webapp.queries.scopes import names_at, scope_names
from webapp.state import control_plane

blueprint = Blueprint("anomaly_rules", __name__)
HERE = "/settings/governance/anomaly-rules"
DRAWER = ("drawer",)


@blueprint.get("/governance/anomaly-rules")
@requires("governance:view")
def moved() -> AnyResponse:
    """Send an address under /governance to the settings page."""
    return redirect(HERE)


@blueprint.get(HERE)
@requires("governance:view")
def index() -> Response:
    """Answer with the rules by severity."""
    who = viewer()
    may_see = who.may("anomalyRules:view")
    rules = live_rules(who.organization_id) if may_see else []
    names = names_at(rules)
    page = pages.RulesPage(
        rows={
            severity: tuple(
                pages.row_of(rule, _scope_label(rule.scope, rule.scope_id, names))
                for rule in rules
                if rule.severity == severity
            )
            for severity in pages.SEVERITIES
        },
        may_see=may_see,
        may_manage=who.may("anomalyRules:manage"),
        marked=request.args.get("ruleId", ""),
    )
    return respond("anomaly_rules.html", ("rules",), page=page)


@blueprint.get(f"{HERE}/new")
@requires("anomalyRules:manage")
def compose() -> Response:
    """Answer with the empty composer; the address may choose the severity."""
    severity = request.args.get("severity", "")
    chosen = {"severity": severity} if severity in pages.SEVERITIES else {}
    return _form(pages.DEFAULTS | chosen)


@blueprint.post(f"{HERE}/preview")
@requires("anomalyRules:manage")
def preview() -> Response:
    """Answer with what the threshold typed so far means."""
    values = _typed()
    form = pages.RuleForm(values=values, scopes=_scopes(values["applies_to"]))
    return respond("anomaly_rule_form.html", ("preview",), page=form)


@blueprint.post(HERE)
@requires("anomalyRules:manage")
def create() -> Response:
    """Create a rule."""
    values = _typed()
    try:
        authoring.create(viewer().actor(), _new_rule(values, []), control_plane().sealer, utcnow())
    except Refused as refused:
        return _form(values, _errors(refused))
    flash(f"{values['name']} is watching.", "positive")
    return _done()


@blueprint.get(f"{HERE}/<rule_id>/edit")
@requires("anomalyRules:manage")
def edit(rule_id: str) -> Response:
    """Answer with the composer, filled from the rule; its sealed addresses stay out."""
    row = authoring.find(viewer().organization_id, rule_id)
    return _form(pages.form_values(row), rule_id=rule_id, version=version_of(row))


@blueprint.post(f"{HERE}/<rule_id>/edit")
@requires("anomalyRules:manage")
def update(rule_id: str) -> Response:
    """Change a rule; without new destinations it keeps those it has."""
    values, version, sealer = _typed(), sent_version(), control_plane().sealer
    try:
        wanted = _new_rule(values, None)
        authoring.update(viewer().actor(), rule_id, wanted, sealer, utcnow(), version)
    except Refused as refused:
        stale = stale_of(refused)
        errors = {} if stale else _errors(refused)
        return _form(values, errors, rule_id, version or "", stale)
    flash(f"{values['name']} is saved.", "positive")
    return _done()


@blueprint.post(f"{HERE}/<rule_id>/<any(enable, disable):change>")
@requires("anomalyRules:manage")
def switch(rule_id: str, change: str) -> Response:
    """Switch a rule on or off and return to the list."""
    status = "active" if change == "enable" else "disabled"
    authoring.set_status(viewer().actor(), rule_id, status, utcnow())
    return see("anomaly_rules.index")


@blueprint.post(f"{HERE}/<rule_id>/archive")
@requires("anomalyRules:manage")
def archive(rule_id: str) -> Response:
    """Archive a rule and return to the list."""
    authoring.archive(viewer().actor(), rule_id, utcnow())
    flash("The rule is archived. The anomalies it found stay.", "positive")
    return see("anomaly_rules.index")


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "").strip() for name in pages.DEFAULTS}


def _new_rule(
    values: dict[str, str], no_destinations: list[dict[str, object]] | None
) -> authoring.NewRule:
    """Return what the composer describes; raises Refused(VALIDATION_ERROR) naming the composer's own fields."""
    scope, _, scope_id = values["applies_to"].partition(":")
    errors: dict[str, str] = {}
    threshold: dict[str, object] = {}
    destinations = no_destinations
    try:
        threshold = pages.threshold_of(values)
    except ValueError as mistake:
        errors["threshold_json" if values["threshold_json"] else "threshold"] = str(mistake)
    try:
        given = pages.destinations_of(values)
        destinations = no_destinations if given is None else given
    except ValueError as mistake:
        errors["destinations_json"] = str(mistake)
    if errors:
        # The name is judged here too, so that one attempt tells as much as it can.
        unnamed = name_error(values["name"])
        named = {"name": unnamed} if unnamed else {}
        raise Refused(Fault.VALIDATION_ERROR, errors=named | errors)
    return authoring.NewRule(
        name=values["name"],
        description=values["description"],
        severity=values["severity"],
        type=pages.SPEND_SPIKE,
        scope=scope,
        scope_id=scope_id or viewer().organization_id,
        threshold=threshold,
        destinations=destinations,
    )


def _errors(refused: Refused) -> dict[str, str]:
    """Return the complaints to show beside the fields; any other refusal is not the form's to answer."""
    if refused.fault is not Fault.VALIDATION_ERROR:
        raise refused
    errors = refused.facts.get("errors", {})
    return dict(errors) if isinstance(errors, dict) else {"form": refused.message}


def _scopes(chosen: str) -> list[tuple[str, str]]:
    """Return what a rule may be about; what is chosen already is among it, so that saving never moves a rule."""
    names = scope_names(viewer().organization_id)
    types = [(f"source_type:{kind}", f"Source type {kind}") for kind in sorted(SOURCE_TYPES)]
    offered = [
        ("organization", pages.WHOLE),
        *((f"{scope}:{scope_id}", label) for (scope, scope_id), label in names.items()),
        *types,
    ]
    is_offered = not chosen or chosen in dict(offered)
    return offered if is_offered else [*offered, (chosen, chosen.replace(":", " ").capitalize())]


def _scope_label(scope: str, scope_id: str, names: dict[tuple[str, str], str]) -> str:
    if scope == "organization":
        return pages.WHOLE
    return names.get((scope, scope_id), f"{scope.replace('_', ' ').capitalize()} {scope_id}")


def _form(
    values: dict[str, str],
    errors: dict[str, str] | None = None,
    rule_id: str = "",
    version: str = "",
    stale: Stale | None = None,
) -> Response:
    kept = authoring.find(viewer().organization_id, rule_id).destinations if rule_id else []
    page = pages.RuleForm(
        values=values,
        scopes=_scopes(values["applies_to"]),
        errors=errors or {},
        rule_id=rule_id,
        kept_destinations=pages.destination_line(kept) if kept else "",
        version=stale.version if stale else version,
        is_stale=stale is not None,
        changes=stale.changes if stale else (),
        now=utcnow(),
        as_page=not asked_fragment(DRAWER),
    )
    status = 409 if stale else 422 if errors else 200
    return respond("anomaly_rule_form.html", DRAWER, status, page=page)


def _done() -> Response:
    """Return to the list; from a drawer the whole page is loaded, which closes it."""
    response = see("anomaly_rules.index")
    if asked_fragment(DRAWER):
        response.status_code = 200
        response.headers["HX-Redirect"] = response.headers.pop("Location")
    return response
