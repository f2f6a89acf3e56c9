"""Reads the ledger of one organization: calls of a time, newest first, and their sums by one thing. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from peewee import SQL, fn

from core.clock import EPOCH
from core.models import LedgerRow

MOST_GROUPS = 1000
_DIGITS = 18
_DAY_MICROSECONDS = 86_400_000_000
_NOTHING_SPENT = ("admitted", "refused")
GROUPS: Mapping[str, Any] = {
    "virtual_key": LedgerRow.virtual_key_id,
    "principal": LedgerRow.principal_user_id,
    "project": LedgerRow.project_id,
    "team": LedgerRow.team_id,
    "provider": LedgerRow.provider_id,
    "model": LedgerRow.model,
    "day": LedgerRow.admitted_at / SQL(str(_DAY_MICROSECONDS)),
}
"""What sums are made by."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What one group came to; refused calls and those under way are not in it."""

    group: str
    """An id, a model's name or a day in UTC; empty for calls without one."""
    spent_nanousd: int
    requests: int
    input_tokens: int
    output_tokens: int


def calls_of(
    organization_id: str, since: datetime, until: datetime, equal: Mapping[str, str]
) -> Any:
    """Return the query of the calls admitted from ``since`` until before ``until`` whose columns have these values."""
    query = LedgerRow.select().where(
        LedgerRow.organization_id == organization_id,
        LedgerRow.admitted_at >= since,
        LedgerRow.admitted_at < until,
    )
    for name, value in equal.items():
        query = query.where(LedgerRow._meta.fields[name] == value)
    return query


Place = tuple[int, str]
"""Where a call stands: the microsecond of its admission, and its id."""


def place_of(row: LedgerRow) -> Place:
    """Return where a call stands."""
    return LedgerRow.admitted_at.db_value(row.admitted_at) or 0, str(row.call_id)


def cursor_behind(row: LedgerRow) -> str:
    """Return the text by which a list goes on behind a call."""
    return ":".join(map(str, place_of(row)))


def place_behind(text: str) -> Place | None:
    """Return the place that a text of ``cursor_behind`` names; None for any other."""
    moment, _, call_id = text.partition(":")
    if not (moment.isascii() and moment.isdecimal()) or len(moment) > _DIGITS:
        return None
    return int(moment), call_id


def page_of_calls(query: Any, behind: Place | None, limit: int) -> tuple[list[Any], bool]:
    """Return up to ``limit`` calls behind a place, newest first, and whether there are more; one statement."""
    if behind is not None:
        moment, call_id = behind
        is_older = LedgerRow.admitted_at < moment
        is_older |= (LedgerRow.admitted_at == moment) & (LedgerRow.call_id < call_id)
        query = query.where(is_older)
    ordered = query.order_by(LedgerRow.admitted_at.desc(), LedgerRow.call_id.desc())
    found = list(ordered.limit(limit + 1))
    return found[:limit], len(found) > limit


def sums_by(query: Any, group: str) -> list[Sum]:
    """Return what calls came to by one thing, the dearest first, at most ``MOST_GROUPS``; days in their order."""
    by = GROUPS[group]
    spent = fn.SUM(LedgerRow.cost_nanousd)
    tokens = (fn.SUM(LedgerRow.input_tokens), fn.SUM(LedgerRow.output_tokens))
    query = query.select(by.alias("by"), spent, fn.COUNT(LedgerRow.call_id), *tokens)
    query = query.where(LedgerRow.outcome.not_in(_NOTHING_SPENT)).group_by(by)
    ordered = query.order_by(by if group == "day" else spent.desc(), by)
    return [
        Sum(_named(group, value), *map(int, amounts))
        for value, *amounts in ordered.limit(MOST_GROUPS).tuples()
    ]


def _named(group: str, value: Any) -> str:
    if group == "day":
        return (EPOCH + timedelta(days=int(value))).astimezone(UTC).date().isoformat()
    return value or ""
