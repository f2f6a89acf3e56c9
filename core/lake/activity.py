"""What pages and rules ask of the lake: spend and activity of one organization in a window.

A window is ``[now - days, now)``, its previous window the same length just before. Names of teams and sources are
the control database's; here they are ids. Every function returns nothing, or zeros, while there is no lake.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from core.lake.reader import LakeReader, Row
from rules.activity_events import GATEWAY_SOURCE, ActivityEvent
from rules.windows import NEVER

OTHER_KEY = "(other)"
"""The series that holds what is beyond the largest ones."""
USER_SORTS = ("spend", "requests", "last_activity")
GROUPINGS = ("team", "user", "model")


@dataclass(frozen=True, slots=True)
class Summary:
    """One window in six numbers. ``change_pct`` is None when the previous window spent nothing."""

    spent_nanousd: int
    previous_nanousd: int
    change_pct: int | None
    active_users: int
    new_users: int
    """Of the active ones, those never seen before this window."""
    calls: int
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class UserSpend:
    """What one actor did in a window. ``trend_pct`` is None when the previous window has no spend of theirs."""

    actor: str
    spend_nanousd: int
    requests: int
    last_activity_at: datetime
    trend_pct: float | None
    most_used_target: str


@dataclass(frozen=True, slots=True)
class TeamSpend:
    """What one team's projects and sources did in a window; ``team_id`` None is activity of no team."""

    team_id: str | None
    spend_nanousd: int
    requests: int
    last_activity_at: datetime
    trend_pct: float | None
    source_count: int


@dataclass(frozen=True, slots=True)
class DayPoint:
    """One series on one UTC day. The key is a team id, an actor or a model; empty is unattributed."""

    day: date
    key: str
    label: str
    spend_nanousd: int
    requests: int


@dataclass(frozen=True, slots=True)
class SourceActivity:
    """How many events a source sent lately, by the events' own times."""

    events_24h: int
    events_7d: int
    events_30d: int
    last_event_at: datetime


@dataclass(frozen=True, slots=True)
class WindowSpend:
    """What a scope spent in a window, and in how many requests."""

    spend_nanousd: int
    requests: int


@dataclass(frozen=True, slots=True)
class UserPage:
    """Which part of the per-user table is asked for."""

    sort: str = "spend"
    descending: bool = True
    limit: int = 50
    offset: int = 0


FIRST_USERS = UserPage()


def summary(
    reader: LakeReader, organization_id: str, now: datetime, window_days: int = 30
) -> Summary:
    """Return the window's totals beside the previous window's."""
    found = reader.rows("summary", organization_id=organization_id, **_windows(now, window_days))
    spent, previous, users, new_users, calls, unpriced = found[0] if found else (0,) * 6
    change = percent_change(spent, previous)
    return Summary(
        spent,
        previous,
        None if change is None else round(change),
        users,
        new_users,
        calls,
        unpriced,
    )


def spend_by_user(
    reader: LakeReader,
    organization_id: str,
    now: datetime,
    window_days: int = 30,
    page: UserPage = FIRST_USERS,
) -> list[UserSpend]:
    """Return a part of the actors who did something in the window; ties are in order of the actor.

    Raises ValueError for a sort that is not one of USER_SORTS.
    """
    if page.sort not in USER_SORTS:
        raise ValueError(f"cannot sort by {page.sort!r}")
    found = reader.rows(
        "spend_by_user",
        organization_id=organization_id,
        sort=page.sort,
        direction=1 if page.descending else -1,
        limit=page.limit,
        offset=page.offset,
        **_windows(now, window_days),
    )
    return [
        UserSpend(actor, spend, requests, last, percent_change(spend, previous), target)
        for actor, spend, requests, last, previous, target in found
    ]


def spend_by_team(
    reader: LakeReader, organization_id: str, now: datetime, window_days: int = 30
) -> list[TeamSpend]:
    """Return each team's window, the largest spend first."""
    found = reader.rows(
        "spend_by_team", organization_id=organization_id, **_windows(now, window_days)
    )
    return [
        TeamSpend(team or None, spend, requests, last, percent_change(spend, previous), sources)
        for team, spend, requests, last, previous, sources in found
    ]


def spend_over_time(
    reader: LakeReader,
    organization_id: str,
    now: datetime,
    window_days: int = 30,
    group_by: str = "team",
    series: int = 8,
) -> list[DayPoint]:
    """Return every UTC day the window touches, for each of the ``series`` largest keys and OTHER_KEY.

    Days without activity are there with zeros; days ascend, then keys by spend in the window, OTHER_KEY
    last. Nothing at all in the window gives an empty list. Labels equal keys.
    Raises ValueError for a grouping that is not one of GROUPINGS.
    """
    if group_by not in GROUPINGS:
        raise ValueError(f"cannot group by {group_by!r}")
    since = now - timedelta(days=window_days)
    found = reader.rows(
        "spend_over_time",
        organization_id=organization_id,
        since=since,
        until=now,
        group_by=group_by,
        series=series,
        other=OTHER_KEY,
    )
    return _dense(found, since.date(), now.date())


def source_activity(
    reader: LakeReader, organization_id: str, now: datetime
) -> dict[str, SourceActivity]:
    """Return each source's recent activity by source id; the gateway itself is the source ``gateway``."""
    found = reader.rows(
        "source_activity",
        organization_id=organization_id,
        until=now,
        day_ago=now - timedelta(days=1),
        week_ago=now - timedelta(days=7),
        month_ago=now - timedelta(days=30),
    )
    return {source: SourceActivity(*counts) for source, *counts in found}


def events_for_source(
    reader: LakeReader,
    organization_id: str,
    source_id: str,
    limit: int = 50,
    before: datetime | None = None,
) -> list[ActivityEvent]:
    """Return a source's events, newest first, all strictly older than ``before`` when it is given."""
    found = reader.rows(
        "recent_events",
        organization_id=organization_id,
        source_id=source_id,
        limit=limit,
        before=before or NEVER,
    )
    return [event_of(row) for row in found]


def recent_calls(reader: LakeReader, organization_id: str, limit: int = 50) -> list[ActivityEvent]:
    """Return the gateway's latest calls, refused ones too, newest first."""
    return events_for_source(reader, organization_id, GATEWAY_SOURCE, limit)


def has_recent_activity(
    reader: LakeReader, organization_id: str, now: datetime, days: int = 30
) -> bool:
    """Say whether anything happened in the last ``days``, refused calls included."""
    since = now - timedelta(days=days)
    return bool(reader.rows("has_recent_activity", organization_id=organization_id, since=since))


def window_spend(
    reader: LakeReader,
    organization_id: str,
    scope: tuple[str, str],
    since: datetime,
    until: datetime,
) -> WindowSpend:
    """Return what a scope, such as ``("team", team_id)``, spent from ``since`` up to ``until``."""
    found = reader.rows(
        "window_spend",
        organization_id=organization_id,
        scope=scope[0],
        scope_id=scope[1],
        since=since,
        until=until,
    )
    return WindowSpend(*found[0]) if found else WindowSpend(0, 0)


def percent_change(current: int, previous: int) -> float | None:
    """Return how much more the current amount is, in percent of the previous; None without a previous."""
    return None if previous == 0 else (current - previous) * 100 / previous


def _windows(now: datetime, window_days: int) -> dict[str, datetime]:
    length = timedelta(days=window_days)
    return {"until": now, "since": now - length, "before": now - 2 * length}


def _dense(found: Sequence[Row], first: date, last: date) -> list[DayPoint]:
    known = {(day, key): (spend, requests) for day, key, spend, requests in found}
    totals: dict[str, int] = {}
    for _, key, spend, _ in found:
        totals[key] = totals.get(key, 0) + spend
    keys = sorted(totals, key=lambda key: (key == OTHER_KEY, -totals[key], key))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [DayPoint(day, key, key, *known.get((day, key), (0, 0))) for day in days for key in keys]


_EVENT_FIELDS = tuple(field.name for field in fields(ActivityEvent))


def event_of(row: Row) -> ActivityEvent:
    """Return a row of the events' own columns, in their order, as an event."""
    return ActivityEvent(**dict(zip(_EVENT_FIELDS, row, strict=True)))
