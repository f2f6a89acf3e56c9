"""How budgets stand: what is spent in the current period, what the limit is now, and what that means. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import SQL, fn

from core.clock import EPOCH
from core.models import Budget, LedgerRow, LimitPeriod, Project, VirtualKey
from rules.limits import Check, check
from rules.windows import NEVER, Window, period

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget as of a moment; ``ends_at`` is None for a period that never ends by itself."""

    budget: Budget
    limit_nanousd: int
    spent_nanousd: int
    begun_at: datetime
    ends_at: datetime | None
    check: Check

    @property
    def left_nanousd(self) -> int:
        """What may still be spent; never below zero."""
        return max(0, self.limit_nanousd - self.spent_nanousd)


def standings(budgets: Sequence[Budget], now: datetime) -> list[Standing]:
    """Return how budgets stand, in their order, with one statement."""
    periods = {row.id: _period(row, now) for row in budgets}
    rows = LimitPeriod.select().where(
        LimitPeriod.limit_id.in_(list(periods)),
        LimitPeriod.period_start.in_([start for start, _ in periods.values()]),
    )
    settled = {(row.limit_id, row.period_start): row.settled for row in rows}
    found = []
    for row in budgets:
        start, end = periods[row.id]
        spent, limit = settled.get((row.id, start), 0), row.limit_at(now)
        ends_at = None if end == NEVER else end
        verdict = check(spent, limit, row.on_breach)
        found.append(Standing(row, limit, spent, start, ends_at, verdict))
    return found


def spent_by_step(
    budget: Budget, begun_at: datetime, step: timedelta, now: datetime
) -> dict[int, int]:
    """Return what calls cost that count in a budget, by how many steps after the beginning, from the ledger."""
    step_us, begun_us = step // _MICROSECOND, (begun_at - EPOCH) // _MICROSECOND
    place: Any = SQL(f"((admitted_at - {begun_us}) / {step_us})")
    query = (
        LedgerRow.select(place.alias("place"), fn.SUM(LedgerRow.cost_nanousd).alias("spent"))
        .where(
            _counts_in(budget),
            LedgerRow.admitted_at >= begun_at,
            LedgerRow.admitted_at <= now,
            LedgerRow.outcome != "admitted",
        )
        .group_by(place)
    )
    rows: Any = query.tuples()
    return {int(place): int(spent or 0) for place, spent in rows}


def keys_under(budget: Budget, limit: int, *conditions: Any) -> list[VirtualKey]:
    """Return keys whose calls count in a budget, oldest first, at most ``limit``; one statement.

    ``conditions`` leave out what a reader may not know of.
    """
    query = VirtualKey.select().where(
        VirtualKey.organization_id == budget.organization_id,
        VirtualKey.status != "revoked",
        *conditions,
    )
    if budget.scope == "team":
        projects = Project.select(Project.id).where(Project.team_id == budget.scope_id)
        query = query.where(VirtualKey.project_id.in_(projects))
    elif budget.scope != "organization":
        column = {
            "project": VirtualKey.project_id,
            "virtual_key": VirtualKey.id,
            "principal": VirtualKey.principal_user_id,
        }[budget.scope]
        query = query.where(column == budget.scope_id)
    if budget.provider_id is not None:
        query = query.where(
            VirtualKey.provider_ids.cast("TEXT").contains(f'"{budget.provider_id}"')
        )
    return list(query.order_by(VirtualKey.id).limit(limit))


def _period(row: Budget, now: datetime) -> tuple[datetime, datetime]:
    return period(Window(row.window), now, row.cycle_anchor_at, row.last_reset_at)


def _counts_in(budget: Budget) -> Any:
    counted = LedgerRow.organization_id == budget.organization_id
    if budget.scope != "organization":
        column = {
            "team": LedgerRow.team_id,
            "project": LedgerRow.project_id,
            "virtual_key": LedgerRow.virtual_key_id,
            "principal": LedgerRow.principal_user_id,
        }[budget.scope]
        counted &= column == budget.scope_id
    if budget.provider_id is not None:
        counted &= LedgerRow.provider_id == budget.provider_id
    return counted
