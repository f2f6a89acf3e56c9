"""The governance home: what it shows, computed part by part, so that a polled fragment pays for its own part only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Protocol
from urllib.parse import urlencode

from core.lake.activity import OTHER_KEY, DayPoint, SourceActivity, Summary, UserSpend
from core.models import Anomaly
from rules.activity_events import ActivityEvent
from webapp import charts, filters
from webapp.page_models.sources_health import SourceChip, chips
from webapp.queries import anomalies, scopes, sources
from webapp.queries.rules import has_active_rule
from webapp.setup_state import SetupState

WINDOW_DAYS = 30
SOURCES_PATH = "/settings/governance/ingestion-sources"
RULES_PATH = "/settings/governance/anomaly-rules"
PEOPLE_SHOWN = 10
ANOMALIES_SHOWN = 6
CALLS_SHOWN = 8
BASELINE_FLOOR_NANOUSD = 10 * filters.NANOUSD_PER_USD
"""Below ten dollars a percentage is noise: the card then says that there is too little history."""
GROUPS = (("team", "Team"), ("user", "User"), ("model", "Model"))
SORTS = {"spend": "spend", "requests": "requests", "lastActivity": "last_activity"}
"""What a page address may sort by, and the lake's word for it."""
_UNNAMED = {"team": "Organization-wide", "user": "Nobody named", "model": "No model named"}


class Activity(Protocol):
    """What the lake tells about one organization."""

    def summary(self, now: datetime, window_days: int) -> Summary: ...
    def spend_by_user(
        self, now: datetime, window_days: int, sort: str, descending: bool, limit: int
    ) -> list[UserSpend]: ...
    def spend_over_time(self, now: datetime, window_days: int, group_by: str) -> list[DayPoint]: ...
    def sources(self, now: datetime) -> Mapping[str, SourceActivity]: ...
    def recent_calls(self, limit: int) -> list[ActivityEvent]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the setup checklist."""

    title: str
    body: str
    is_done: bool
    action_label: str = ""
    action_href: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """How the reader wants the page: the chart's grouping and the people's order."""

    group: str = "team"
    sort: str = "spend"
    descending: bool = True

    @classmethod
    def read(cls, query: Mapping[str, str]) -> View:
        """Return the view a query string asks for; what it does not know falls back to the default."""
        group, sort = query.get("group", ""), query.get("sort", "")
        return cls(
            group if group in dict(GROUPS) else "team",
            sort if sort in SORTS else "spend",
            query.get("dir") != "asc",
        )

    def query(self, **changed: str) -> str:
        """Return this view as a query string, with some of its parts changed."""
        parts = {
            "group": self.group,
            "sort": self.sort,
            "dir": "desc" if self.descending else "asc",
        }
        return "?" + urlencode(parts | changed)

    def sort_query(self, sort: str) -> str:
        """Return the query that sorts by ``sort``; asked for again, the order turns round."""
        turned = sort == self.sort and self.descending
        return self.query(sort=sort, dir="asc" if turned else "desc")

    def direction(self, sort: str) -> str:
        """Return the value of aria-sort for that column, empty when it is not the one sorted by."""
        if sort != self.sort:
            return ""
        return "descending" if self.descending else "ascending"


@dataclass(frozen=True)
class GovernancePage:
    """The page's only context. Each part is read once, when the first template asks for it."""

    activity: Activity
    organization_id: str
    now: datetime
    view: View
    may_see_activity: bool
    may_see_sources: bool
    may_manage_sources: bool
    may_manage_rules: bool
    may_have_key: bool
    may_open_calls: bool
    """Everybody's calls have pages that open for the viewer."""
    setup: Callable[[], SetupState]
    """Asked only while there is nothing else to show."""

    @cached_property
    def summary(self) -> Summary:
        return self.activity.summary(self.now, WINDOW_DAYS)

    @cached_property
    def open_anomalies(self) -> dict[str, int]:
        return anomalies.open_by_severity(self.organization_id)

    @cached_property
    def has_traffic(self) -> bool:
        """Say whether there is anything to show: spend, a person, a call or an open anomaly."""
        seen = self.summary
        return bool(seen.spent_nanousd or seen.active_users or seen.calls or self.open_anomalies)

    @property
    def has_baseline(self) -> bool:
        return (
            self.summary.change_pct is not None
            and self.summary.spent_nanousd >= BASELINE_FLOOR_NANOUSD
        )

    @property
    def open_count(self) -> int:
        return sum(self.open_anomalies.values())

    @property
    def open_split(self) -> str:
        """Return the open anomalies by severity, the gravest first: ``1 critical, 2 warning``."""
        counts = self.open_anomalies
        known = ("critical", "warning", "info")
        return ", ".join(f"{counts[level]} {level}" for level in known if counts.get(level))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        done = self.setup()
        return (
            Step(
                "Send a request through the gateway",
                "Point a coding tool or an SDK at the gateway with a virtual key. It shows up here within seconds.",
                self.has_traffic,
                *(("Get your key", "/welcome") if self.may_have_key else ()),
            ),
            Step(
                "Connect an ingestion source",
                "Bring in agents and assistants that do not pass the gateway.",
                done.has_ingestion_sources,
                *(("Add a source", f"{SOURCES_PATH}/new") if self.may_manage_sources else ()),
            ),
            Step(
                "Watch for unusual spend",
                "A rule compares spend with its own past and tells you in Slack when it leaves it.",
                done.has_anomaly_rules,
                *(("Add a rule", f"{RULES_PATH}/new") if self.may_manage_rules else ()),
            ),
        )

    @cached_property
    def chart(self) -> charts.DayChart:
        points = self.activity.spend_over_time(self.now, WINDOW_DAYS, self.view.group)
        names = scopes.team_names(self.organization_id) if self.view.group == "team" else {}
        days = [(self.now - timedelta(days=back)).date() for back in range(WINDOW_DAYS - 1, -1, -1)]
        return charts.stacked_days(
            days, _series(points, days, names, self.view.group), filters.money, filters.money_axis
        )

    @cached_property
    def daily_nanousd(self) -> tuple[float, ...]:
        """Return spend a day over the window, for the small line beside the total."""
        points = self.activity.spend_over_time(self.now, WINDOW_DAYS, self.view.group)
        totals: dict[date, int] = {}
        for point in points:
            totals[point.day] = totals.get(point.day, 0) + point.spend_nanousd
        first = (self.now - timedelta(days=WINDOW_DAYS - 1)).date()
        return tuple(
            float(totals.get(first + timedelta(days=day), 0)) for day in range(WINDOW_DAYS)
        )

    @cached_property
    def people(self) -> list[UserSpend]:
        return self.activity.spend_by_user(
            self.now, WINDOW_DAYS, SORTS[self.view.sort], self.view.descending, PEOPLE_SHOWN
        )

    @cached_property
    def calls(self) -> list[ActivityEvent]:
        return self.activity.recent_calls(CALLS_SHOWN)

    @cached_property
    def anomalies(self) -> list[Anomaly]:
        return anomalies.newest_anomalies(self.organization_id, ANOMALIES_SHOWN)

    @cached_property
    def is_watched(self) -> bool:
        """Say whether any rule is active; asked only where no anomaly is to be shown."""
        return has_active_rule(self.organization_id)

    @cached_property
    def sources(self) -> tuple[SourceChip, ...]:
        return chips(
            sources.live_sources(self.organization_id), self.activity.sources(self.now), self.now
        )


def _series(
    points: list[DayPoint], days: list[date], names: Mapping[str, str], group: str
) -> list[charts.Series]:
    place = {day: index for index, day in enumerate(days)}
    values: dict[str, list[int]] = {}
    for point in points:
        known = charts.REST if point.key == OTHER_KEY else names.get(point.key) or point.label
        name = known or _UNNAMED[group]
        if point.day in place:
            values.setdefault(name, [0] * len(days))[place[point.day]] += point.spend_nanousd
    return [charts.Series(name, tuple(amounts)) for name, amounts in values.items() if any(amounts)]
