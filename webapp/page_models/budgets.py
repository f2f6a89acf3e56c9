"""The budget pages as plain values: rows with a bar, the detail with its forecast in words, the forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from core.authoring.budgets import ON_BREACH, ON_OUTAGE, ON_UNPRICED, NewBudget
from core.authoring.validation import invalid
from core.models import Budget, BudgetIncrease
from core.spending import Standing
from rules.forecast import Forecast, Outlook
from rules.limits import Verdict
from rules.pricing import NANOUSD_PER_USD
from rules.windows import Window
from webapp import filters
from webapp.burn_down import BurnDown
from webapp.page_models.settings_pages import Field, Paging

WINDOWS = tuple(window.value for window in Window)
_WINDOW_WORDS = {"total": "in all", "manual": "until it is reset"}
_STATES = {
    Verdict.ALLOW: ("Within", "positive"),
    Verdict.WARN: ("Close to the limit", "warning"),
    Verdict.BLOCK: ("Spent: calls are refused", "critical"),
}
DEFAULTS: Mapping[str, str] = {
    "name": "",
    "applies_to": "",
    "provider_id": "",
    "window": "month",
    "limit_usd": "",
    "on_breach": "block",
    "on_unpriced": "flat",
    "on_outage": "block",
    "cycle_anchor_at": "",
    "allow_unreachable": "",
}


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One budget as it stands."""

    id: str
    name: str
    scope: str
    provider: str
    window: str
    spent: str
    limit: str
    percent: int
    state: str
    tone: str
    resets: str
    raised: str
    may_update: bool


@dataclass(frozen=True, slots=True)
class BudgetsPage:
    """The list."""

    rows: tuple[BudgetRow, ...]
    now: datetime
    may_create: bool
    paging: Paging
    pending: int = 0
    """Requests for an increase that this person may decide."""


@dataclass(frozen=True, slots=True)
class BudgetPage:
    """One budget: its row, what is left over time, and what is to be expected."""

    row: BudgetRow
    chart: BurnDown
    forecast: str
    facts: tuple[tuple[str, str], ...]
    affected: tuple[tuple[str, str, str], ...]
    """Id, name and prefix of the keys whose calls count in it."""
    more_affected: bool
    may_delete: bool
    may_reset: bool
    now: datetime


def row_of(
    standing: Standing, labels: Mapping[tuple[str, str], str], may_update: bool, now: datetime
) -> BudgetRow:
    """Return the list's row of a budget."""
    budget = standing.budget
    state, tone = _STATES[standing.check.verdict]
    is_over = standing.spent_nanousd >= standing.limit_nanousd
    if is_over and budget.on_breach == "warn":
        state, tone = "Over the limit: calls are warned", "warning"
    raised = ""
    if budget.raised_until is not None and standing.limit_nanousd != budget.limit_nanousd:
        raised = f"Raised until {filters.stamp(budget.raised_until)}"
    return BudgetRow(
        id=budget.id,
        name=budget.name,
        scope=scope_label(budget, labels),
        provider=labels.get(("provider", budget.provider_id or ""), budget.provider_id or ""),
        window=window_words(budget),
        spent=filters.money(standing.spent_nanousd),
        limit=filters.money(standing.limit_nanousd),
        percent=standing.check.percent,
        state=state,
        tone=tone,
        resets=resets_in(standing, now),
        raised=raised,
        may_update=may_update,
    )


def window_words(budget: Budget) -> str:
    """Return a window as it follows an amount: a month, in all."""
    return _WINDOW_WORDS.get(budget.window, f"a {budget.window}")


def scope_label(budget: Budget, labels: Mapping[tuple[str, str], str]) -> str:
    """Return what a budget stands at, in words."""
    if budget.scope == "organization":
        return "Whole organization"
    noun = {"virtual_key": "Key", "principal": "Person"}.get(
        budget.scope, budget.scope.capitalize()
    )
    return f"{noun} {labels.get((budget.scope, budget.scope_id), budget.scope_id)}"


def resets_in(standing: Standing, now: datetime) -> str:
    """Return when a period ends and the next one begins, in words."""
    if standing.ends_at is None:
        return "Never" if standing.budget.window == Window.TOTAL else "When somebody resets it"
    return f"In {filters.duration((standing.ends_at - now).total_seconds())}"


def forecast_words(found: Forecast, standing: Standing, recent_seconds: float) -> str:
    """Return a forecast as a sentence or two."""
    span = filters.duration(recent_seconds)
    if found.outlook is Outlook.SPENT:
        return "It is spent."
    if found.outlook is Outlook.QUIET:
        return f"Nothing was spent in the last {span}, so there is nothing to foretell."
    if found.outlook is Outlook.HOLDS:
        end = filters.money(found.by_end_nanousd or 0)
        return f"At the rate of the last {span} it lasts: about {end} will be spent when it resets."
    if found.breach_at is None:
        return f"At the rate of the last {span} it lasts for centuries."
    words = f"At the rate of the last {span} it is spent on {filters.stamp(found.breach_at)}"
    if standing.ends_at is None:
        return words + "."
    early = filters.duration((standing.ends_at - found.breach_at).total_seconds())
    return f"{words}, {early} before it resets."


NAMED = "named"


def form_fields(
    scopes: Sequence[tuple[str, str]],
    providers: Sequence[tuple[str, str]],
    is_new: bool,
    are_all: bool = True,
) -> tuple[Field, ...]:
    """Return the form's controls; what a budget keeps for life is only asked of a new one.

    Unless the scopes ``are_all`` there are, what the list leaves out may be named.
    """
    money = {"inputmode": "decimal", "autocomplete": "off"}
    named = Field(NAMED, "Or to a key or person that the list leaves out", required=False,
                  help="The key's name or the person's e-mail address.", attrs={"autocomplete": "off"})  # fmt: skip
    at_first = (
        Field("applies_to", "Applies to", "select", options=scopes),
        *(() if are_all else (named,)),
        Field("provider_id", "Provider", "select", options=providers, required=False,
              help="Counts only calls that this provider serves; when it is spent, the others still serve."),
    )  # fmt: skip
    last = (
        Field("cycle_anchor_at", "Periods repeat from", required=False,
              help="A moment in UTC such as 2026-01-31 08:00; months keep its day. Empty: the calendar's marks."),
        Field("allow_unreachable", "Create it even if no key's calls count in it yet", "checkbox", required=False),
    )  # fmt: skip
    always = (
        Field("window", "Window", "select", options=[(w, w.capitalize()) for w in WINDOWS]),
        Field("limit_usd", "Limit", unit="USD a window", attrs=money),
        Field("on_breach", "When it is spent", "select", options=_options(ON_BREACH, _BREACH)),
        Field("on_unpriced", "Models without a price", "select",
              options=_options(ON_UNPRICED, _UNPRICED)),
        Field("on_outage", "While the control plane is away", "select",
              options=_options(ON_OUTAGE, _OUTAGE)),
    )  # fmt: skip
    name = Field("name", "Name", attrs={"autocomplete": "off"})
    return (name, *at_first, *always, *last) if is_new else (name, *always)


_BREACH = {"block": "Refuse calls", "warn": "Warn and let them pass"}
_UNPRICED = {
    "flat": "Count a stand-in price",
    "refuse": "Refuse them",
    "allow": "Let them pass uncounted",
}
_OUTAGE = {"block": "Refuse calls after a while", "allow": "Let calls pass"}


def _options(values: Sequence[str], words: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(value, words[value]) for value in values]


def new_budget(values: Mapping[str, str], kept: Budget | None = None) -> NewBudget:
    """Return what a form describes. Raises Refused(VALIDATION_ERROR) for what can't be read."""
    errors: dict[str, str] = {}
    limit_nanousd = amount(values.get("limit_usd", ""), "limit_usd", errors)
    anchor = moment(values.get("cycle_anchor_at", ""), "cycle_anchor_at", errors)
    if errors:
        raise invalid(errors)
    scope, _, scope_id = values.get("applies_to", "").partition(":")
    return NewBudget(
        name=values["name"],
        scope=kept.scope if kept else scope,
        scope_id=kept.scope_id if kept else scope_id,
        window=values["window"],
        limit_nanousd=limit_nanousd,
        on_breach=values["on_breach"],
        on_unpriced=values["on_unpriced"],
        on_outage=values["on_outage"],
        provider_id=kept.provider_id if kept else values.get("provider_id") or None,
        cycle_anchor_at=kept.cycle_anchor_at if kept else anchor,
        allow_unreachable=bool(values.get("allow_unreachable")),
    )


def form_values(row: Budget) -> dict[str, str]:
    """Return the form's values for a budget that exists."""
    names = ("name", "window", "on_breach", "on_unpriced", "on_outage")
    return {name: getattr(row, name) for name in names} | {
        "limit_usd": plain_usd(row.limit_nanousd)
    }


def amount(text: str, field: str, errors: dict[str, str]) -> int:
    """Return dollars as nano-USD, or note why they can't be read."""
    try:
        usd = Decimal(text.replace(",", "").removeprefix("$").strip())
    except InvalidOperation:
        errors[field] = "Give an amount in dollars, such as 250 or 0.50."
        return 0
    nanousd = usd * NANOUSD_PER_USD
    if not usd.is_finite() or usd <= 0 or usd > 4 * 10**9 or nanousd != nanousd.to_integral_value():
        errors[field] = "Give an amount above zero with at most nine decimals."
        return 0
    return int(nanousd)


def moment(text: str, field: str, errors: dict[str, str]) -> datetime | None:
    """Return a moment in UTC, None for an empty text, or note why it can't be read."""
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        errors[field] = "Give a day or a moment such as 2026-12-31 or 2026-12-31 18:00."
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def plain_usd(nanousd: int) -> str:
    """Return dollars as a form holds them: no sign, no trailing zeros."""
    whole, rest = divmod(nanousd, NANOUSD_PER_USD)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class IncreaseRow:
    """A request as people read it."""

    id: str
    budget: str
    requester: str
    wanted: str
    until: str
    reason: str
    status: str
    tone: str
    answer: str
    created_at: datetime


def increase_row(row: BudgetIncrease, budget: str) -> IncreaseRow:
    """Return a request with what became of it, in words."""
    tones = {"pending": "", "approved": "positive", "declined": "critical"}
    answer = row.note
    if row.status == "approved" and row.granted_limit_nanousd is not None:
        span = f" until {filters.stamp(row.granted_until)}" if row.granted_until else " for good"
        answer = f"{filters.money(row.granted_limit_nanousd)}{span}. {row.note}".strip()
    return IncreaseRow(
        id=row.id,
        budget=budget,
        requester=row.requester,
        wanted=filters.money(row.wanted_limit_nanousd),
        until=f"until {filters.stamp(row.wanted_until)}" if row.wanted_until else "for good",
        reason=row.reason,
        status=row.status.capitalize(),
        tone=tones.get(row.status, ""),
        answer=answer,
        created_at=row.created_at,
    )


@dataclass(frozen=True, slots=True)
class IncreasesPage:
    """The requests that somebody may decide."""

    rows: tuple[IncreaseRow, ...]
    now: datetime
    is_full: bool = False
    """Whether there may be more than these."""


@dataclass(frozen=True, slots=True)
class MyBudgetsPage:
    """One's own budgets and what one asked for."""

    rows: tuple[BudgetRow, ...]
    asked: tuple[IncreaseRow, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class AskingPage:
    """The page behind a signed link: how the budget stands, the form, and what was asked for already."""

    token: str
    row: BudgetRow
    asked: tuple[IncreaseRow, ...]
    is_waiting: bool
    values: Mapping[str, str]
    errors: Mapping[str, str]
    now: datetime


ASKING_FIELDS = (
    Field("limit_usd", "New limit", unit="USD", attrs={"inputmode": "decimal", "autocomplete": "off"}),
    Field("until", "Until", required=False, help="A day or moment in UTC; leave it empty to ask for good."),
    Field("reason", "What it is for", "textarea"),
)  # fmt: skip
DECIDING_FIELDS = (
    Field("limit_usd", "New limit", unit="USD", attrs={"inputmode": "decimal", "autocomplete": "off"}),
    Field("until", "Until", required=False, help="A day or moment in UTC; empty raises it for good."),
    Field("note", "A word to whoever asked", "textarea", required=False),
)  # fmt: skip
DECLINING_FIELDS = (Field("note", "Why not", "textarea"),)
