"""``/api/gateway/v1``: budgets with what is left of them, and the requests for more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from core.authoring import budgets, increases
from core.models import Budget, BudgetIncrease, LimitPeriod
from rules.limits import check
from rules.pricing import NANOUSD_PER_USD
from rules.windows import Window, period
from webapp.api.endpoint import Body, Call, ListQuery, Moment, Page, Routes, moment
from webapp.api.paging import page_of
from webapp.api.resource import AwareMoment, Permissions, Resource, columns_of, routes_of
from webapp.api.shared import DATES, GATEWAY
from webapp.places import budget_place, increase_place, place_at_scope
from webapp.queries.budgets import reached

_CREATE = "gatewayBudgets:create"
_SPENT = {
    "limit_usd": str,
    "spent_usd": str,
    "state": str,
    "percent": int,
    "period_started_at": Moment,
    "resets_at": Moment,
}


def usd(nanousd: int) -> str:
    """Return dollars as decimal text, up to nine decimals."""
    whole, rest = divmod(nanousd, NANOUSD_PER_USD)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def _spent(call: Call, rows: Sequence[Budget]) -> list[dict[str, Any]]:
    """Return how each budget stands in its current period, in one statement."""
    periods = {
        row.id: period(Window(row.window), call.now, row.cycle_anchor_at, row.last_reset_at)
        for row in rows
    }
    starts = {start for start, _ in periods.values()}
    found = LimitPeriod.select().where(
        LimitPeriod.limit_id.in_(list(periods)), LimitPeriod.period_start.in_(list(starts))
    )
    settled = {(one.limit_id, one.period_start): one.settled for one in found}
    told = []
    for row in rows:
        start, end = periods[row.id]
        spent, limit = settled.get((row.id, start), 0), row.limit_at(call.now)
        judged = check(spent, limit, row.on_breach)
        told.append(
            {
                "limit_usd": usd(limit),
                "spent_usd": usd(spent),
                "state": judged.verdict.value,
                "percent": judged.percent,
                "period_started_at": moment(start),
                "resets_at": moment(end),
            }
        )
    return told


def _make(call: Call, new: budgets.NewBudget) -> Budget:
    call.viewer.need_at(_CREATE, place_at_scope(new.scope, new.scope_id), "budget")
    return budgets.create(call.actor, new, call.now)


BUDGETS = routes_of(
    Resource(
        noun="budget",
        root=f"{GATEWAY}/budgets",
        tag="Budgets",
        model=Budget,
        permissions=Permissions.of("gatewayBudgets"),
        at=budget_place,
        within=lambda call, rows: rows.where(reached(call.viewer.reach("gatewayBudgets:view"))),
        takes=budgets.NewBudget,
        fixed=("scope", "scope_id", "allow_unreachable"),
        shown={
            "id": str,
            "name": str,
            "scope": str,
            "scope_id": str,
            "window": str,
            "limit_nanousd": int,
            "on_breach": str,
            "on_unpriced": str,
            "on_outage": str,
            "provider_id": str | None,
            "cycle_anchor_at": datetime,
            "last_reset_at": datetime,
            "raised_limit_nanousd": int | None,
            "raised_until": datetime,
            **DATES,
        },
        extra=_spent,
        extra_shown=_SPENT,
        find=budgets.find,
        made_anywhere=True,
        make=_make,
        alter=lambda call, row, new: budgets.update(
            call.actor, row.id, new, call.now, call.expected
        ),
        end=lambda call, budget_id: budgets.archive(call.actor, budget_id, call.now),
    )
)


@BUDGETS.post("/<budget_id>/reset", "gatewayBudgets:update", at=budget_place)
def reset_budget(call: Call, budget_id: str) -> None:
    """Begin a budget's period anew; what was spent stays on record."""
    budgets.reset(call.actor, budget_id, call.now)


class IncreaseOut(msgspec.Struct, kw_only=True):
    """What somebody asked for, and what was decided; ``status`` is pending, approved or declined."""

    id: str
    budget_id: str
    requester: str
    requester_user_id: str | None
    virtual_key_id: str | None
    wanted_limit_nanousd: int
    wanted_until: Moment | None
    reason: str
    status: str
    granted_limit_nanousd: int | None
    granted_until: Moment | None
    note: str
    decided_by: str | None
    decided_at: Moment | None
    created_at: Moment


class IncreaseQuery(ListQuery, kw_only=True):
    """Which requests a list shows."""

    status: str = ""
    budget_id: str = ""


class Approval(Body, kw_only=True):
    """What is granted, where it is not what was asked for; ``until`` of null grants it for good."""

    limit_nanousd: int | msgspec.UnsetType = msgspec.UNSET
    until: AwareMoment | msgspec.UnsetType | None = msgspec.UNSET
    note: str = ""


class Declining(Body, kw_only=True):
    """Why a request is turned down; whoever asked reads it."""

    note: str


INCREASES = Routes("Budget increases", f"{GATEWAY}/budget-increases")
_UPDATE = "gatewayBudgets:update"


@INCREASES.get("", _UPDATE, anywhere=True)
def list_budget_increases(call: Call, query: IncreaseQuery) -> Page[IncreaseOut]:
    """List the requests for more that the caller may decide, or could have."""
    mine = reached(call.viewer.reach(_UPDATE))
    live = Budget.select(Budget.id).where(
        Budget.organization_id == call.organization_id, Budget.archived_at.is_null(), mine
    )
    rows = BudgetIncrease.select().where(
        BudgetIncrease.organization_id == call.organization_id, BudgetIncrease.budget_id.in_(live)
    )
    for name in ("status", "budget_id"):
        if wanted := getattr(query, name):
            rows = rows.where(BudgetIncrease._meta.fields[name] == wanted)
    told = lambda found: [*map(increase_out, found)]  # noqa: E731
    return page_of(query, rows, BudgetIncrease.id, told, "budget-increases")


@INCREASES.get("/<increase_id>", _UPDATE, at=increase_place)
def get_budget_increase(call: Call, increase_id: str) -> IncreaseOut:
    """Read a request for more."""
    return increase_out(increases.find(call.organization_id, increase_id))


@INCREASES.post("/<increase_id>/approve", _UPDATE, at=increase_place)
def approve_budget_increase(call: Call, increase_id: str, body: Approval) -> IncreaseOut:
    """Raise the budget, as asked or otherwise."""
    row = increases.find(call.organization_id, increase_id)
    is_own = isinstance(body.limit_nanousd, msgspec.UnsetType)
    limit = row.wanted_limit_nanousd if is_own else body.limit_nanousd
    until = row.wanted_until if isinstance(body.until, msgspec.UnsetType) else body.until
    return increase_out(increases.approve(call.actor, row.id, limit, until, body.note, call.now))  # type: ignore[arg-type]


@INCREASES.post("/<increase_id>/decline", _UPDATE, at=increase_place)
def decline_budget_increase(call: Call, increase_id: str, body: Declining) -> IncreaseOut:
    """Turn a request down, with the reason."""
    return increase_out(increases.decline(call.actor, increase_id, body.note, call.now))


def increase_out(row: BudgetIncrease) -> IncreaseOut:
    """Return a request as the API shows it."""
    return IncreaseOut(**columns_of(row, IncreaseOut.__struct_fields__))
