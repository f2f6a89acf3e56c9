"""When a budget's period starts and ends. Computed from timestamps at reading, never by a job."""

import calendar
import enum
from datetime import UTC, datetime, timedelta

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Window(enum.StrEnum):
    """How long the amounts of a limit add up before they start at zero again."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"
    MANUAL = "manual"


ENDLESS = frozenset({Window.TOTAL, Window.MANUAL})
"""Windows that never turn by themselves; ``manual`` begins anew whenever someone resets it."""


_FIXED = {
    Window.MINUTE: timedelta(minutes=1),
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(days=1),
    Window.WEEK: timedelta(weeks=1),
}
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def period(
    window: Window, now: datetime, anchor: datetime | None = None, reset: datetime | None = None
) -> tuple[datetime, datetime]:
    """Return the start (inclusive) and end (exclusive) of the period that holds ``now``, in UTC.

    Weeks start on Monday, months on day 1, unless ``anchor`` moves the cycle: fixed windows repeat
    from it, months keep its day and time and are clamped to short months; what comes before it is one
    period. ``total`` and ``manual`` never end. ``reset`` is when someone began the period anew: it moves
    the start of the period it lies in, and no other boundary. Raises ValueError for a naive ``now``.
    """
    if now.tzinfo is None:
        raise ValueError("now must be aware")
    start, end = _scheduled(window, now, anchor)
    if reset is not None and start < reset <= now:
        start = reset
    return start, end


def _scheduled(window: Window, now: datetime, anchor: datetime | None) -> tuple[datetime, datetime]:
    if window in ENDLESS:
        return BEGINNING, NEVER
    if anchor is not None and now < anchor:
        return BEGINNING, anchor
    if window is Window.MONTH:
        return _month(now, anchor or BEGINNING)
    length = _FIXED[window]
    start = anchor or (_MONDAY if window is Window.WEEK else BEGINNING)
    begun = start + ((now - start) // length) * length
    return begun, begun + length


def _month(now: datetime, anchor: datetime) -> tuple[datetime, datetime]:
    this = _on_month(now.year, now.month, anchor)
    if this > now:
        return _on_month(*_shift(now.year, now.month, -1), anchor), this
    return this, _on_month(*_shift(now.year, now.month, 1), anchor)


def _shift(year: int, month: int, by: int) -> tuple[int, int]:
    index = year * 12 + month - 1 + by
    return index // 12, index % 12 + 1


def _on_month(year: int, month: int, anchor: datetime) -> datetime:
    day = min(anchor.day, calendar.monthrange(year, month)[1])
    return anchor.replace(year=year, month=month, day=day)
