"""Draws what is left of a budget over its period, as SVG: a pure function from numbers to markup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from webapp.charts import nice_ticks


@dataclass(frozen=True, slots=True)
class BurnDown:
    """The plot, its axis marks from top to bottom, and the same numbers as rows of a table."""

    plot: Markup
    ticks: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Course:
    """What is drawn: what is left at each moment so far, in nano-USD, and where the line is thought to go."""

    begun_at: datetime
    until: datetime
    limit_nanousd: int
    left: Sequence[tuple[datetime, int]]
    ahead: tuple[datetime, int] | None = None


def burn_down(
    course: Course, written: Callable[[int], str], tick: Callable[[float], str]
) -> BurnDown:
    """Return the chart. ``written`` writes an amount in full, ``tick`` an axis mark; the line ends at ``until``."""
    ticks = nice_ticks(max([course.limit_nanousd, *(left for _, left in course.left)]))
    span = max(1.0, (course.until - course.begun_at).total_seconds())

    def spot(moment: datetime, left: float) -> str:
        x = min(100.0, max(0.0, 100 * (moment - course.begun_at).total_seconds() / span))
        return f"{x:.2f} {100 - 100 * max(0.0, left) / ticks[-1]:.2f}"

    lines = [
        Markup('<line class="grid-line{}" x1="0" x2="100" y1="{:.2f}" y2="{:.2f}"/>').format(
            " zero" if value == 0 else "", *(100 - 100 * value / ticks[-1],) * 2
        )
        for value in ticks
    ]
    points = [spot(moment, left) for moment, left in course.left]
    if points:
        path = "M" + "L".join(points)
        first, last = points[0].split()[0], points[-1].split()[0]
        lines.append(
            Markup('<path class="under" d="{}L{} 100L{} 100Z"/>').format(path, last, first)
        )
        lines.append(Markup('<path class="line" d="{}"/>').format(path))
        if course.ahead is not None:
            ahead = f"M{points[-1]}L{spot(*course.ahead)}"
            lines.append(Markup('<path class="ahead" d="{}"/>').format(ahead))
    return BurnDown(
        plot=Markup("").join(lines),
        ticks=tuple(tick(value) for value in reversed(ticks)),
        rows=tuple((f"{moment:%Y-%m-%d %H:%M} UTC", written(left)) for moment, left in course.left),
    )
