"""The lake on both catalogs: what is appended is read back exactly, in every window, whatever was tidied meanwhile."""

import dataclasses
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.lake import (
    LakeBusy,
    LakeReader,
    LakeWriter,
    activity,
    open_reader,
    open_writer,
    ownership,
)
from core.settings import Settings, load
from rules.activity_events import API_CALL, API_REFUSED, ActivityEvent

NOW = datetime(2026, 11, 21, 10, 20, 30, 123456, tzinfo=UTC)
ORG = "org_1"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    environ = {"LANGWATCH_DATA_DIR": str(tmp_path / "var")}
    if not database_url.startswith("sqlite:"):
        environ["DATABASE_URL"] = database_url
    return load(environ)


@pytest.fixture
def writer(settings: Settings) -> Iterator[LakeWriter]:
    writer = open_writer(settings)
    yield writer
    writer.close()


@pytest.fixture
def reader(settings: Settings) -> Iterator[LakeReader]:
    reader = open_reader(settings)
    yield reader
    reader.close()


def event(number: int, at: datetime, **changes: object) -> ActivityEvent:
    made = ActivityEvent(
        event_id=f"req_{number:030x}",
        organization_id=ORG,
        source_type="gateway",
        source_id="gateway",
        event_type=API_CALL,
        event_timestamp=at,
        ingested_at=at,
        actor="ada@acme.test",
        action="chat",
        target="gpt-5",
        cost_nanousd=1_000_000_000,
        cost_source="list",
        team_id="team_1",
        project_id="project_1",
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def scattered(count: int, seed: int) -> list[ActivityEvent]:
    """Events over 70 days, many of them close to the edges of windows and hours."""
    pick = random.Random(seed)
    edges = [NOW - timedelta(days=days) for days in (0, 1, 7, 30, 60)]
    made = []
    for number in range(count):
        if pick.random() < 0.3:
            at = pick.choice(edges) + timedelta(microseconds=pick.randrange(-3, 4))
        else:
            at = NOW - timedelta(seconds=pick.randrange(70 * 86_400))
        refused = pick.random() < 0.1
        made.append(
            event(
                number,
                at,
                actor=pick.choice(["", "ada@acme.test", "bob@acme.test", "key:ci"]),
                target=pick.choice(["gpt-5", "claude-sonnet-4-5"]),
                team_id=pick.choice([None, "team_1", "team_2"]),
                cost_nanousd=0 if refused else pick.randrange(5_000_000_000),
                event_type=API_REFUSED if refused else API_CALL,
                source_id=pick.choice(["gateway", "src_1"]),
                cost_source=pick.choice(["list", "flat"]),
            )
        )
    return made


def within(events: list[ActivityEvent], start_days: int, end_days: int = 0) -> list[ActivityEvent]:
    start, end = NOW - timedelta(days=start_days), NOW - timedelta(days=end_days)
    return [e for e in events if start <= e.event_timestamp < end and not e.is_refused]


def spent(events: list[ActivityEvent]) -> int:
    return sum(e.cost_nanousd for e in events)


def fill(writer: LakeWriter, events: list[ActivityEvent]) -> None:
    for first in range(0, len(events), 150):
        writer.append(events[first : first + 150], first, NOW)


def test_an_event_comes_back_as_it_went_in(writer: LakeWriter, reader: LakeReader) -> None:
    full = event(
        1,
        NOW,
        is_estimated=True,
        tokens_input=7,
        cache_read_tokens=2**40,
        status=429,
        provider_id="prov",
        is_streamed=True,
        duration_ms=12,
        trace_id="ab" * 16,
        raw_payload='{"text": "Grüße \U0001f642 \\u0000"}',
    )
    assert writer.append([full], 1, NOW) == 1
    assert activity.recent_calls(reader, ORG) == [full]


def test_no_lake_reads_as_an_empty_one(reader: LakeReader, settings: Settings) -> None:
    assert activity.summary(reader, ORG, NOW) == activity.Summary(0, 0, None, 0, 0, 0, 0)
    assert activity.spend_over_time(reader, ORG, NOW) == []
    assert not activity.has_recent_activity(reader, ORG, NOW)
    writer = open_writer(settings)
    writer.append([event(1, NOW - timedelta(hours=1))], 1, NOW)
    assert activity.summary(reader, ORG, NOW).calls == 1
    writer.close()


def test_sums_equal_the_events_in_every_window_before_and_after_tidying(
    writer: LakeWriter, reader: LakeReader
) -> None:
    events = scattered(600, seed=7)
    fill(writer, events)
    assert_sums(reader, events)
    assert writer.compact_rollups() > 0
    assert writer.compact_rollups() == 0
    writer.flush()
    writer.tidy(NOW + timedelta(days=1))
    assert_sums(reader, events)


def assert_sums(reader: LakeReader, events: list[ActivityEvent]) -> None:
    for days in (1, 7, 30):
        current, previous = within(events, days), within(events, 2 * days, days)
        seen_before = {e.actor for e in within(events, 10_000, days)}
        people = {e.actor for e in current if e.actor}
        found = activity.summary(reader, ORG, NOW, days)
        assert (found.spent_nanousd, found.previous_nanousd) == (spent(current), spent(previous))
        assert (found.active_users, found.calls) == (len(people), len(current))
        assert found.new_users == len(people - seen_before)
        assert found.unpriced_calls == len([e for e in current if e.cost_source == "flat"])
        assert_users(reader, current, previous, days)
        assert_groups(reader, current, days)


def assert_users(
    reader: LakeReader, current: list[ActivityEvent], previous: list[ActivityEvent], days: int
) -> None:
    users = activity.spend_by_user(reader, ORG, NOW, days)
    assert [u.spend_nanousd for u in users] == sorted(
        (u.spend_nanousd for u in users), reverse=True
    )
    assert {u.actor for u in users} == {e.actor for e in current if e.actor}
    for user in users:
        theirs = [e for e in current if e.actor == user.actor]
        before = spent([e for e in previous if e.actor == user.actor])
        assert (user.spend_nanousd, user.requests) == (spent(theirs), len(theirs))
        assert user.last_activity_at == max(e.event_timestamp for e in theirs)
        assert user.trend_pct == activity.percent_change(spent(theirs), before)


def assert_groups(reader: LakeReader, current: list[ActivityEvent], days: int) -> None:
    teams = activity.spend_by_team(reader, ORG, NOW, days)
    assert {t.team_id: t.spend_nanousd for t in teams} == {
        team: spent([e for e in current if e.team_id == team])
        for team in {e.team_id for e in current}
    }
    for group_by in activity.GROUPINGS:
        points = activity.spend_over_time(reader, ORG, NOW, days, group_by)
        assert sum(p.spend_nanousd for p in points) == spent(current)
        assert sum(p.requests for p in points) == len(current)


def test_counts_of_a_source_follow_the_events_own_times(
    writer: LakeWriter, reader: LakeReader
) -> None:
    events = scattered(400, seed=11)
    fill(writer, events)
    found = activity.source_activity(reader, ORG, NOW)
    for source_id, counts in found.items():
        theirs = [e.event_timestamp for e in events if e.source_id == source_id]
        for days, counted in (
            (1, counts.events_24h),
            (7, counts.events_7d),
            (30, counts.events_30d),
        ):
            assert counted == len([at for at in theirs if NOW - timedelta(days=days) <= at < NOW])
        assert counts.last_event_at == max(theirs)


def test_every_day_of_the_window_has_a_point_and_small_series_are_folded(
    writer: LakeWriter, reader: LakeReader
) -> None:
    at = NOW - timedelta(days=3)
    costs = {"gpt-5": 5, "o3": 3, "gpt-5-mini": 1, "gpt-5-nano": 2}
    writer.append(
        [event(n, at, target=m, cost_nanousd=c) for n, (m, c) in enumerate(costs.items())], 1, NOW
    )
    points = activity.spend_over_time(reader, ORG, NOW, 7, "model", series=2)
    assert [p.key for p in points[:3]] == ["gpt-5", "o3", activity.OTHER_KEY]
    assert len(points) == 8 * 3
    assert {p.day for p in points} == {(NOW - timedelta(days=n)).date() for n in range(8)}
    assert [p.spend_nanousd for p in points if p.day == at.date()] == [5, 3, 3]


def test_a_replayed_event_is_counted_once(writer: LakeWriter, reader: LakeReader) -> None:
    at = NOW - timedelta(hours=1)
    first = event(1, at)
    assert writer.append([first, first], 1, NOW) == 1
    assert writer.append([first, event(1, at, source_id="src_1")], 2, NOW) == 1
    writer.flush()
    assert writer.append([first], 3, NOW) == 0
    assert activity.summary(reader, ORG, NOW).spent_nanousd == 2_000_000_000
    assert writer.watermark() == 3


def test_the_tail_is_newest_first_and_strictly_before_its_cursor(
    writer: LakeWriter, reader: LakeReader
) -> None:
    times = [NOW - timedelta(minutes=n) for n in range(5)]
    writer.append([event(n, at, source_id="src_1") for n, at in enumerate(times)], 1, NOW)
    page = activity.events_for_source(reader, ORG, "src_1", 2)
    assert [e.event_timestamp for e in page] == times[:2]
    rest = activity.events_for_source(reader, ORG, "src_1", 10, page[-1].event_timestamp)
    assert [e.event_timestamp for e in rest] == times[2:]


def test_one_organization_never_sees_another(writer: LakeWriter, reader: LakeReader) -> None:
    at = NOW - timedelta(hours=2)
    writer.append([event(1, at), event(2, at, organization_id="org_2")], 1, NOW)
    assert activity.summary(reader, "org_2", NOW).calls == 1
    assert activity.source_activity(reader, "org_3", NOW) == {}
    assert len(activity.recent_calls(reader, "org_2")) == 1


def test_a_scope_narrows_what_a_rule_measures(writer: LakeWriter, reader: LakeReader) -> None:
    at = NOW - timedelta(minutes=5)
    writer.append([event(1, at), event(2, at, team_id="team_2", source_id="src_1")], 1, NOW)
    since = NOW - timedelta(minutes=10)
    for scope, expected in (
        (("organization", ORG), 2),
        (("team", "team_2"), 1),
        (("project", "project_1"), 2),
        (("source_type", "gateway"), 2),
        (("source", "src_1"), 1),
        (("source", "src_9"), 0),
    ):
        assert activity.window_spend(reader, ORG, scope, since, NOW).requests == expected


def test_a_second_writer_is_turned_away_until_the_first_lets_go(settings: Settings) -> None:
    first = open_writer(settings)
    with pytest.raises(LakeBusy):
        ownership.take(settings, patience_seconds=0.2)
    first.close()
    open_writer(settings).close()


def test_events_are_filed_by_month(writer: LakeWriter, settings: Settings) -> None:
    months = [datetime(2026, month, 3, tzinfo=UTC) for month in (9, 10, 11)]
    writer.append([event(n, at) for n, at in enumerate(months)], 1, NOW)
    writer.flush()
    folders = {p.parent.name for p in (settings.lake_dir / "data").rglob("year=2026/*/*.parquet")}
    assert folders == {"month=9", "month=10", "month=11"}


def test_a_lake_goes_on_where_its_directory_was_moved_to(settings: Settings) -> None:
    writer = open_writer(settings)
    before = scattered(100, seed=3)
    fill(writer, before)
    writer.flush()
    writer.close()
    moved = settings.data_dir.rename(settings.data_dir.with_name("elsewhere"))
    elsewhere = dataclasses.replace(settings, data_dir=moved)
    writer, reader = open_writer(elsewhere), open_reader(elsewhere)
    try:
        after = [event(1000 + n, NOW - timedelta(hours=n + 1)) for n in range(3)]
        fill(writer, after)
        writer.flush()
        assert_sums(reader, before + after)
        assert not settings.data_dir.exists()
    finally:
        reader.close()
        writer.close()
