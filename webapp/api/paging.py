"""Cursors: where a list goes on. Opaque, bound to the list they came from, stable while rows come and go."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from core.fault import Fault, Refused
from webapp.api.endpoint import ListQuery, Page

Told = TypeVar("Told")


def page_of(
    query: ListQuery, rows: Any, key: Any, told: Callable[[list[Any]], list[Told]], scope: str
) -> Page[Told]:
    """Return one page of a Peewee query, newest first, by a unique column whose order is the list's.

    ``scope`` names the list, so that a cursor of another list is refused; ``told`` turns the rows of the page
    into what is shown of them. One statement, and those of ``told``. Raises Refused(INVALID_CURSOR).
    """
    if query.cursor:
        rows = rows.where(key < after(query.cursor, scope))
    found = list(rows.order_by(key.desc()).limit(query.limit + 1))
    shown = found[: query.limit]
    is_more = len(found) > query.limit
    last = getattr(shown[-1], key.name) if is_more else None
    return Page(
        data=told(shown),
        next_cursor=cursor(last, scope) if is_more else None,
    )


def cursor(last: Any, scope: str) -> str:
    """Return the cursor that begins behind a row."""
    return base64.urlsafe_b64encode(orjson.dumps([scope, last])).decode().rstrip("=")


def after(text: str, scope: str) -> Any:
    """Return the row that a cursor begins behind. Raises Refused(INVALID_CURSOR)."""
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        named, last = found
    except (ValueError, binascii.Error, TypeError):
        named, last = "", None
    if named != scope or not isinstance(last, str | int) or isinstance(last, bool):
        raise Refused(Fault.INVALID_CURSOR, "This cursor does not belong to this list.")
    return last
