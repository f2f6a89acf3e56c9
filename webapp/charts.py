"""Charts drawn on the server as SVG: pure functions from numbers to markup; they fetch nothing and style nothing.

Geometry is written in percent, so a chart fills any width without distorting its text. Colours are classes
(``s0`` to ``s7``, ``srest``) that the stylesheet resolves for the theme; no style attribute is written, because the
content security policy forbids it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

TONES = 8
MAX_SERIES = 7
"""More series than this cannot be told apart; the smallest are drawn together."""
REST = "Other"
_BAR_SHARE = 0.72
_X_LABELS = 5


@dataclass(frozen=True, slots=True)
class Series:
    """One named row of amounts, in the order of the days."""

    name: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Key:
    """One legend entry: the series' name, its colour class, its total as text and its share of the whole."""

    name: str
    tone: str
    total: str
    share: float


@dataclass(frozen=True, slots=True)
class DayChart:
    """A chart over days, with everything its figure needs; ``rows`` is the same data for the table behind."""

    plot: Markup
    axis: Markup
    ticks: tuple[str, ...]
    """From top to bottom, evenly spaced."""
    keys: tuple[Key, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a horizontal bar list: ``width`` is its length in percent of the longest."""

    name: str
    tone: str
    amount: str
    width: str


def tone_of(name: str) -> int:
    """Return the palette index of ``name``: the same on every page and in every process."""
    return zlib.crc32(name.encode()) % TONES


def tones(names: Iterable[str]) -> dict[str, str]:
    """Return a colour class per name; names that would share a colour in one chart step to the next free one."""
    taken: dict[int, str] = {}
    chosen: dict[str, str] = {}
    for name in sorted(set(names) - {REST}):
        wanted = tone_of(name)
        free = next(
            (t % TONES for t in range(wanted, wanted + TONES) if t % TONES not in taken), wanted
        )
        taken[free] = name
        chosen[name] = f"s{free}"
    return chosen | {REST: "srest"}


def nice_ticks(maximum: float, steps: int = 4) -> tuple[float, ...]:
    """Return evenly spaced round numbers from 0 to at least ``maximum``, about ``steps`` intervals."""
    if maximum <= 0:
        return (0.0, 1.0)
    raw = maximum / steps
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw)
    return tuple(index * step for index in range(math.ceil(round(maximum / step, 9)) + 1))


def folded(series: Sequence[Series]) -> tuple[Series, ...]:
    """Return the series, largest first, with all beyond the limit, and any called ``Other``, added up as one last."""
    ranked = sorted(
        (one for one in series if one.name != REST), key=lambda one: (-one.total, one.name)
    )
    rest = [one for one in series if one.name == REST]
    if len(ranked) + len(rest) > MAX_SERIES:
        rest += ranked[MAX_SERIES - 1 :]
        del ranked[MAX_SERIES - 1 :]
    if rest:
        ranked.append(
            Series(REST, tuple(map(sum, zip(*(one.values for one in rest), strict=True))))
        )
    return tuple(ranked)


def stacked_days(
    days: Sequence[date],
    series: Sequence[Series],
    written: Callable[[int], str],
    tick: Callable[[float], str],
) -> DayChart:
    """Return stacked bars, one a day. ``written`` writes an amount in full, ``tick`` an axis mark.

    Raises ValueError when a series does not have exactly one value a day.
    """
    if any(len(one.values) != len(days) for one in series):
        raise ValueError("each series needs one value a day")
    shown = folded(series)
    classes = tones(one.name for one in shown)
    sums = [sum(values) for values in zip(*(one.values for one in shown), strict=True)] or [
        0
    ] * len(days)
    ticks = nice_ticks(max(sums, default=0))
    whole = sum(sums)
    bars = (
        _day_bar(
            index,
            len(days),
            _day_title(day, shown, index, written),
            _segments(shown, classes, index, ticks[-1]),
        )
        for index, day in enumerate(days)
    )
    return DayChart(
        plot=_grid(len(ticks) - 1) + Markup("").join(bars),
        axis=_day_axis(days),
        ticks=tuple(tick(value) for value in reversed(ticks)),
        keys=tuple(
            Key(
                one.name, classes[one.name], written(one.total), one.total / whole if whole else 0.0
            )
            for one in shown
        ),
        columns=("Day", *(one.name for one in shown), "Total"),
        rows=tuple(
            (day.isoformat(), *(written(one.values[index]) for one in shown), written(sums[index]))
            for index, day in enumerate(days)
        ),
        is_empty=whole == 0,
    )


def _grid(intervals: int) -> Markup:
    lines = (
        Markup('<line class="grid-line{}" x1="0" x2="100%" y1="{}%" y2="{}%"/>').format(
            " zero" if index == intervals else "", *(_pct(100 * index / intervals),) * 2
        )
        for index in range(intervals + 1)
    )
    return Markup("").join(lines)


def _segments(
    shown: Sequence[Series], classes: dict[str, str], index: int, top: float
) -> list[tuple[str, float]]:
    return [
        (classes[one.name], 100 * one.values[index] / top) for one in shown if one.values[index] > 0
    ]


def _day_bar(index: int, days: int, title: str, segments: Sequence[tuple[str, float]]) -> Markup:
    slot = 100 / days
    left, width = slot * (index + (1 - _BAR_SHARE) / 2), slot * _BAR_SHARE
    parts = [
        Markup(
            '<g class="day"><title>{}</title><rect class="hit" x="{}%" y="0" width="{}%" height="100%"/>'
        ).format(title, _pct(slot * index), _pct(slot))
    ]
    floor = 100.0
    for tone, height in segments:
        floor -= height
        parts.append(
            Markup('<rect class="tone {}" x="{}%" y="{}%" width="{}%" height="{}%"/>').format(
                tone, _pct(left), _pct(floor), _pct(width), _pct(height)
            )
        )
    return Markup("").join([*parts, Markup("</g>")])


def _day_title(
    day: date, shown: Sequence[Series], index: int, written: Callable[[int], str]
) -> str:
    parts = [f"{one.name}: {written(one.values[index])}" for one in shown if one.values[index]]
    total = written(sum(one.values[index] for one in shown))
    return "\n".join([f"{day.day} {day:%b}, {total}", *(parts if len(parts) > 1 else [])])


def _day_axis(days: Sequence[date]) -> Markup:
    if not days:
        return Markup("")
    labels = min(_X_LABELS, len(days))
    marked = sorted({round(k * (len(days) - 1) / max(labels - 1, 1)) for k in range(labels)})
    texts = (
        Markup('<text x="{}%" y="10" text-anchor="{}">{} {}</text>').format(
            _pct(100 * (index + 0.5) / len(days)), "middle", days[index].day, f"{days[index]:%b}"
        )
        for index in marked
    )
    return Markup("").join(texts)


def sparkline(values: Sequence[float], description: str) -> Markup:
    """Return a small line with its area, scaled from zero to the largest value; empty below two values."""
    if len(values) < 2:
        return Markup("")
    top = max(values) or 1
    points = [
        (100 * i / (len(values) - 1), 27 - 25 * max(value, 0) / top)
        for i, value in enumerate(values)
    ]
    line = "M" + "L".join(f"{_pct(x)} {_pct(y)}" for x, y in points)
    return Markup(
        '<svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="under" d="{}L100 28L0 28Z"/><path class="line" d="{}"/></svg>'
    ).format(description, line, line)


def ranked_bars(
    amounts: Sequence[tuple[str, int]], written: Callable[[int], str]
) -> tuple[Bar, ...]:
    """Return one bar per named amount, longest first, measured against the longest."""
    classes = tones(name for name, _ in amounts)
    top = max((amount for _, amount in amounts), default=0) or 1
    ranked = sorted(amounts, key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        Bar(name, classes[name], written(amount), _pct(100 * amount / top))
        for name, amount in ranked
    )


def share_bar(keys: Sequence[Key], description: str) -> Markup:
    """Return one bar cut into the shares of ``keys``, left to right."""
    left = 0.0
    parts = []
    for key in keys:
        parts.append(
            Markup(
                '<rect class="tone {}" x="{}%" width="{}%" height="100%"><title>{}: {}</title></rect>'
            ).format(key.tone, _pct(left), _pct(100 * key.share), key.name, key.total)
        )
        left += 100 * key.share
    return Markup('<svg class="share" role="img" aria-label="{}">{}</svg>').format(
        escape(description), Markup("").join(parts)
    )


def _pct(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
