"""Pages of a list in both directions: each begins beside a row, so a page far down costs what the first one does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Any

import orjson
from peewee import fn

from webapp.page_models.settings_pages import PAGE_ROWS

MOST_COUNTED = 1000
"""Rows are counted up to here; what is more is told as more."""


@dataclass(frozen=True, slots=True)
class By:
    """A column of a list's order. The last of an order is unique, so that no row is passed over.

    ``lower`` puts texts in order whatever their case; ``name`` is where a row of the list has the value.
    """

    column: Any
    name: str
    descending: bool = False
    lower: bool = False

    @property
    def expression(self) -> Any:
        """What the database sorts by."""
        return fn.LOWER(self.column) if self.lower else self.column

    def of(self, value: Any) -> Any:
        """Return a value as it is compared with the column."""
        return fn.LOWER(value) if self.lower else value


@dataclass(frozen=True, slots=True)
class At:
    """Which part of a list was asked for: behind a row, before one, or, without values, the first."""

    values: tuple[str, ...] = ()
    is_before: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a list, and the cursors of the parts beside it; empty where there is none."""

    rows: Sequence[Any]
    before: str = ""
    after: str = ""


def asked_at(before: str, after: str) -> At:
    """Return the part that an address asks for; nonsense asks for the first."""
    for text, is_before in ((before, True), (after, False)):
        values = _read(text) if text else None
        if values:
            return At(values, is_before)
    return At()


def part_of(query: Any, order: Sequence[By], at: At, rows: int = PAGE_ROWS) -> Part:
    """Return one part of a query in an order, in one statement."""
    if len(at.values) != len(order):
        at = At()
    if at.values:
        query = query.where(_beyond(order, at))
    directed = [replace(by, descending=by.descending != at.is_before) for by in order]
    ordered = query.order_by(
        *(by.expression.desc() if by.descending else by.expression for by in directed)
    )
    found = list(ordered.limit(rows + 1).objects())
    is_more, shown = len(found) > rows, found[:rows]
    if at.is_before:
        shown.reverse()
    has_before = is_more if at.is_before else bool(at.values)
    has_after = bool(at.values) if at.is_before else is_more
    return Part(
        shown,
        _cursor(order, shown[0]) if shown and has_before else "",
        _cursor(order, shown[-1]) if shown and has_after else "",
    )


def counted_to(query: Any, most: int = MOST_COUNTED) -> int:
    """Return how many rows a query has, or ``most`` + 1 when there are more; one statement."""
    few: int = query.limit(most + 1).count()
    return few


def _beyond(order: Sequence[By], at: At) -> Any:
    """Return the condition that a row stands beyond another in a direction.

    The first column bounds the rows by itself, so that an index serves it.
    """
    first, value = order[0], order[0].of(at.values[0])
    is_up = first.descending == at.is_before
    bound = first.expression >= value if is_up else first.expression <= value
    # Beyond in the first column, or alike there and beyond in the next, and so on.
    beyond: Any = None
    for by, each in reversed(list(zip(order, at.values, strict=True))):
        column, other = by.expression, by.of(each)
        past = column > other if by.descending == at.is_before else column < other
        beyond = past if beyond is None else past | ((column == other) & beyond)
    return reduce(and_, (bound, beyond))


def _cursor(order: Sequence[By], row: Any) -> str:
    return cursor_of([getattr(row, by.name) for by in order])


def cursor_of(values: Sequence[str]) -> str:
    """Return the cursor of the row with these values in a list's order."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def _read(text: str) -> tuple[str, ...] | None:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(found, list):
        return None
    # What no database takes as a text is no place in a list.
    is_plain = all(isinstance(value, str) and "\0" not in value for value in found)
    return tuple(found) if is_plain else None
