"""Made-up values for the page of patterns, chosen to show each state; no page of the product reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webapp import charts, filters

_DOLLAR = filters.NANOUSD_PER_USD
_NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a checklist."""

    title: str
    body: str
    is_done: bool
    action_label: str = ""
    action_href: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the sample table."""

    name: str
    spend_nanousd: int
    requests: int
    last_active_at: datetime
    trend_pct: float
    model: str


@dataclass(frozen=True, slots=True)
class PatternsPage:
    """Everything `/-/patterns` shows."""

    now: datetime
    chart: charts.DayChart
    empty_chart: charts.DayChart
    spark: tuple[float, ...]
    bars: tuple[charts.Bar, ...]
    people: tuple[Person, ...]
    steps: tuple[Step, ...]


def _wave(day: int, base: int, swing: int) -> int:
    return (base + swing * ((day * 7919) % 13) // 12) * _DOLLAR * (2 if day % 7 < 5 else 1) // 2


def sample() -> PatternsPage:
    """Return the page's values; the same in every process, so that screenshots can be compared."""
    days = [(_NOW - timedelta(days=29 - offset)).date() for offset in range(30)]
    teams = {
        "Engineering": (60, 80),
        "Data science": (40, 30),
        "Support": (12, 20),
        "Finance": (4, 9),
    }
    series = [
        charts.Series(name, tuple(_wave(day, base, swing) for day in range(30)))
        for name, (base, swing) in teams.items()
    ]
    people = (
        ("Ada Lovelace", 1_284, 18_204, 1, 42.0, "claude-sonnet-4-5"),
        ("grace.hopper@acme.test", 840, 9_120, 14, -31.0, "gpt-5"),
        ("Edsger Dijkstra", 96, 1_204, 190, 4.0, "gpt-5-mini"),
        ("key:nightly-batch", 12, 44, 2_900, 0.0, "claude-haiku-4-5"),
    )
    return PatternsPage(
        now=_NOW,
        chart=charts.stacked_days(days, series, filters.money, filters.money_axis),
        empty_chart=charts.stacked_days(days, [], filters.money, filters.money_axis),
        spark=tuple(float(sum(one.values[day] for one in series)) for day in range(30)),
        bars=charts.ranked_bars([(one.name, one.total) for one in series], filters.money),
        people=tuple(
            Person(name, usd * _DOLLAR, calls, _NOW - timedelta(minutes=ago), trend, model)
            for name, usd, calls, ago, trend, model in people
        ),
        steps=(
            Step("Issue a virtual key", "Calls that carry it are governed and billed.", True),
            Step(
                "Connect an ingestion source",
                "Bring in what does not pass the gateway.",
                False,
                "Add a source",
                "#",
            ),
            Step(
                "Watch for anomalies",
                "Be told when spend leaves its usual range.",
                False,
                "Add a rule",
                "#",
            ),
        ),
    )
