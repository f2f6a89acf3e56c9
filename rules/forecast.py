"""When a budget will be spent if it goes on as lately. A straight line, no more; it reads no clock."""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

RECENT_SHARE = 4
"""The rate is that of the last quarter of what has passed of the period."""


class Outlook(enum.StrEnum):
    """What the straight line meets first."""

    SPENT = "spent"
    QUIET = "quiet"
    """Nothing was spent lately, so nothing can be said."""
    BREACH = "breach"
    HOLDS = "holds"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The outlook; ``breach_at`` when the limit is met, ``by_end_nanousd`` what is spent when the period ends."""

    outlook: Outlook
    breach_at: datetime | None = None
    by_end_nanousd: int | None = None


def recent_span(begun_at: datetime, now: datetime) -> timedelta:
    """Return how far back the rate is taken from."""
    return (now - begun_at) / RECENT_SHARE


def forecast(
    spent_nanousd: int,
    limit_nanousd: int,
    recent_nanousd: int,
    recent: timedelta,
    now: datetime,
    ends_at: datetime | None,
) -> Forecast:
    """Return what comes of spending on at the rate of ``recent_nanousd`` in ``recent``.

    A period without an end holds only when nothing is being spent.
    """
    if spent_nanousd >= limit_nanousd:
        return Forecast(Outlook.SPENT)
    if recent_nanousd <= 0 or recent <= timedelta():
        return Forecast(Outlook.QUIET)
    seconds = recent.total_seconds()
    left_seconds = (limit_nanousd - spent_nanousd) * seconds / recent_nanousd
    breach_at = _later(now, left_seconds)
    if ends_at is not None and (breach_at is None or breach_at >= ends_at):
        to_end = (ends_at - now).total_seconds()
        return Forecast(Outlook.HOLDS, None, spent_nanousd + int(recent_nanousd * to_end / seconds))
    return Forecast(Outlook.BREACH, breach_at)


def _later(now: datetime, seconds: float) -> datetime | None:
    """Return the moment so much later, or None beyond the calendar."""
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return None
