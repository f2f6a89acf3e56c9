"""The budget pages: list, composer, detail with what is to be expected, reset, archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import Blueprint, Response, flash

from core.authoring import budgets as authoring
from core.authoring.validation import invalid
from core.authoring.versions import version_of
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import Budget
from core.spending import Standing, keys_under, spent_by_step, standings
from rules.forecast import forecast, recent_span
from rules.permissions import Place
from webapp import filters
from webapp.access import requires, viewer
from webapp.burn_down import BurnDown, Course, burn_down
from webapp.forms import (
    asked_page,
    at_of,
    done,
    paged,
    sent_version,
    show_form,
    show_refused,
    typed,
)
from webapp.page_models import budgets as pages
from webapp.page_models.settings_pages import FormPage
from webapp.pages import respond, see
from webapp.places import budget_place, homes_of, place_at_scope, place_of_budget
from webapp.queries import budgets as queries
from webapp.queries.keyset import counted_to
from webapp.queries.virtual_keys import visible

blueprint = Blueprint("budgets", __name__)
HERE = "/gateway/budgets"
CREATE = "gatewayBudgets:create"
_STEPS = 48
_SHOWN_KEYS = 20


@blueprint.get(HERE)
@requires("gatewayBudgets:view", anywhere=True)
def index() -> Response:
    """Answer with the budgets that stand where the viewer may see them."""
    who, now, paging = viewer(), utcnow(), asked_page(HERE)
    found = queries.budgets_page(
        who.organization_id, who.reach("gatewayBudgets:view"), at_of(paging)
    )
    places = _places(found.rows)
    labels = queries.labels_of(found.rows)
    updates = who.reach("gatewayBudgets:update")
    page = pages.BudgetsPage(
        rows=tuple(
            pages.row_of(
                standing,
                labels,
                who.may("gatewayBudgets:update", places[standing.budget.id]),
                now,
            )
            for standing in standings(found.rows, now)
        ),
        now=now,
        may_create=who.may_somewhere(CREATE),
        pending=counted_to(queries.pending_increases(who.organization_id, updates)),
        paging=paged(paging, found),
    )
    return respond("budgets.html", ("budgets",), page=page)


@blueprint.get(f"{HERE}/new")
@requires(CREATE, anywhere=True)
def compose() -> Response:
    """Answer with the empty form."""
    return show_form(_form(dict(pages.DEFAULTS)))


@blueprint.post(HERE)
@requires(CREATE, anywhere=True)
def create() -> Response:
    """Create a budget."""
    form, who = _form({}), viewer()
    values = typed(form.fields)
    try:
        found = dict(values)
        if name := values.get(pages.NAMED):
            choice = queries.scope_named(who.organization_id, name)
            if choice is None or not _may_create_at(choice):
                raise invalid({pages.NAMED: "There is no key and no person of this name."})
            found["applies_to"] = choice
        elif found["applies_to"] and not _may_create_at(found["applies_to"]):
            raise invalid({"applies_to": f"This needs the permission {CREATE} there."})
        authoring.create(who.actor(), pages.new_budget(found), utcnow())
    except Refused as refused:
        return _refused(_form(values), refused)
    flash(f"{values['name']} counts from now on.", "positive")
    return done("budgets.index")


@blueprint.get(f"{HERE}/<budget_id>")
@requires("gatewayBudgets:view", at=budget_place)
def show(budget_id: str) -> Response:
    """Answer with one budget: how it stands, how it went, and how it will go."""
    who, now = viewer(), utcnow()
    budget = authoring.find(who.organization_id, budget_id)
    place = place_of_budget(budget, *homes_of([budget]))
    labels = queries.labels_of([budget])
    (standing,) = standings([budget], now)
    may_update = who.may("gatewayBudgets:update", place)
    chart, words = _course(standing, now)
    keys = keys_under(budget, _SHOWN_KEYS + 1, *visible(who))
    page = pages.BudgetPage(
        row=pages.row_of(standing, labels, may_update, now),
        chart=chart,
        forecast=words,
        facts=_facts(standing, labels),
        affected=tuple((key.id, key.name, key.display_prefix) for key in keys[:_SHOWN_KEYS]),
        more_affected=len(keys) > _SHOWN_KEYS,
        may_delete=who.may("gatewayBudgets:delete", place),
        may_reset=may_update and budget.window != "total",
        now=now,
    )
    return respond("budget.html", page=page)


@blueprint.get(f"{HERE}/<budget_id>/edit")
@requires("gatewayBudgets:update", at=budget_place)
def edit(budget_id: str) -> Response:
    """Answer with the form, filled from the budget."""
    row = authoring.find(viewer().organization_id, budget_id)
    return show_form(_form(pages.form_values(row), row, version_of(row)))


@blueprint.post(f"{HERE}/<budget_id>/edit")
@requires("gatewayBudgets:update", at=budget_place)
def update(budget_id: str) -> Response:
    """Change a budget."""
    row = authoring.find(viewer().organization_id, budget_id)
    values, version = typed(_form({}, row).fields), sent_version()
    try:
        wanted = pages.new_budget(values, row)
        authoring.update(viewer().actor(), budget_id, wanted, utcnow(), version)
    except Refused as refused:
        return _refused(_form(values, row, version or ""), refused)
    flash(f"{values['name']} is saved.", "positive")
    return done("budgets.show", budget_id=budget_id)


@blueprint.post(f"{HERE}/<budget_id>/reset")
@requires("gatewayBudgets:update", at=budget_place)
def reset(budget_id: str) -> Response:
    """Begin a budget's period anew."""
    row = authoring.reset(viewer().actor(), budget_id, utcnow())
    flash(f"{row.name} starts from zero now. What was spent stays on record.", "positive")
    return see("budgets.show", budget_id=budget_id)


@blueprint.post(f"{HERE}/<budget_id>/archive")
@requires("gatewayBudgets:delete", at=budget_place)
def archive(budget_id: str) -> Response:
    """Archive a budget and return to the list."""
    row = authoring.archive(viewer().actor(), budget_id, utcnow())
    flash(f"{row.name} no longer counts.", "positive")
    return see("budgets.index")


def _may_create_at(choice: str) -> bool:
    scope, _, scope_id = choice.partition(":")
    return viewer().may(CREATE, place_at_scope(scope, scope_id))


def _places(rows: Sequence[Budget]) -> dict[str, Place]:
    homes = homes_of(rows)
    return {row.id: place_of_budget(row, *homes) for row in rows}


def _form(values: dict[str, str], row: Budget | None = None, version: str = "") -> FormPage:
    organization_id = viewer().organization_id
    is_new = row is None
    scopes, are_all = (
        queries.scope_choices(organization_id, viewer().reach(CREATE)) if is_new else ([], True)
    )
    providers = queries.provider_choices(organization_id) if is_new else ()
    fields = pages.form_fields(scopes, providers, is_new, are_all)
    if row is None:
        caption = "An amount of money a window, at a scope. The strictest budget of a call decides."
        return FormPage(
            "New budget", HERE, HERE, fields, values, caption, "Create", trail="Budgets"
        )
    here = f"{HERE}/{row.id}"
    caption = "A budget keeps its scope, its provider and its anchor."
    return FormPage(
        row.name, f"{here}/edit", here, fields, values, caption, version=version, trail="Budgets"
    )


def _refused(form: FormPage, refused: Refused) -> Response:
    """Show a refused form; complaints about a scope stand beside the control that chooses it."""
    if refused.fault is Fault.GATEWAY_BUDGET_SCOPE_UNREACHABLE:
        errors: dict[str, str] = {
            "applies_to": f"{refused.message} Tick the last box to make it all the same."
        }
        refused = Refused(Fault.VALIDATION_ERROR, errors=errors)
    given = refused.facts.get("errors")
    if isinstance(given, dict) and ({"scope", "scope_id"} & given.keys()):
        renamed = {"applies_to" if n in ("scope", "scope_id") else n: t for n, t in given.items()}
        refused = Refused(refused.fault, refused.message, errors=renamed)
    return show_refused(form, refused)


def _course(standing: Standing, now: datetime) -> tuple[BurnDown, str]:
    """Return the chart of a period so far, and the forecast in words."""
    begun_at = max(standing.begun_at, standing.budget.created_at)
    until = standing.ends_at or now + (now - begun_at) / 4
    step = max((now - begun_at) / _STEPS, timedelta(seconds=1))
    spent = spent_by_step(standing.budget, begun_at, step, now)
    recent = recent_span(begun_at, now)
    since = (now - recent - begun_at) / step
    lately = sum(amount for place, amount in spent.items() if place >= since)
    found = forecast(
        standing.spent_nanousd, standing.limit_nanousd, lately, recent, now, standing.ends_at
    )
    # What counted before the ledger's rows, and what they hold beside it, is not told apart: the line ends
    # at what the budget itself says is left.
    left, points = standing.limit_nanousd - standing.spent_nanousd, []
    for place in range(_STEPS, -1, -1):
        points.append((min(now, begun_at + place * step), left))
        left += spent.get(place - 1, 0)
    ahead = None if found.breach_at is None else (found.breach_at, 0)
    if found.by_end_nanousd is not None:
        ahead = (until, standing.limit_nanousd - found.by_end_nanousd)
    course = Course(begun_at, until, standing.limit_nanousd, points[::-1], ahead)
    chart = burn_down(course, filters.money, filters.money_axis)
    return chart, pages.forecast_words(found, standing, recent.total_seconds())


def _facts(standing: Standing, labels: dict[tuple[str, str], str]) -> tuple[tuple[str, str], ...]:
    budget = standing.budget
    return (
        ("Applies to", pages.scope_label(budget, labels)),
        ("Provider", labels.get(("provider", budget.provider_id or ""), "All")),
        ("Limit", f"{filters.money(budget.limit_nanousd)} {pages.window_words(budget)}"),
        ("Period since", filters.stamp(standing.begun_at)),
        (
            "When it is spent",
            "Calls are refused" if budget.on_breach == "block" else "Calls are warned",
        ),
        ("Last reset", filters.stamp(budget.last_reset_at) if budget.last_reset_at else "Never"),
    )
