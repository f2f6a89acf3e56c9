"""The schedule with real threads and a real database: first runs at once, nudges soon, failures written down."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.database import connection
from core.ids import new_token
from core.models import JobHeartbeat, OneTimeLink
from streamer.heartbeat import Heartbeat, Job
from streamer.schedule import VITAL_FAILURES, Schedule
from streamer.upkeep import KEEP_EXPIRED_LINKS, purge_expired


class Work:
    """A job that counts its runs and can be held up."""

    def __init__(self) -> None:
        self.runs = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, now: datetime) -> dict[str, Any]:
        self.runs.release()
        self.may_end.wait(20)
        return {}

    def ran(self, within_seconds: float) -> bool:
        return self.runs.acquire(timeout=within_seconds)


@pytest.fixture
def schedule(sqlite_db: str) -> Iterator[Schedule]:
    made = Schedule()
    yield made
    made.stop()


def test_a_job_runs_at_once_and_a_nudge_brings_the_next_run_forward(schedule: Schedule) -> None:
    work = Work()
    schedule.start([Job("work", 3600, work)])
    assert work.ran(10)
    assert not work.ran(0.3)
    for _ in range(50):
        schedule.nudge("work")
    assert work.ran(10)
    assert not work.ran(2.5)


def test_a_nudge_during_a_run_is_not_lost(schedule: Schedule) -> None:
    work = Work()
    work.may_end.clear()
    schedule.start([Job("work", 3600, work)])
    assert work.ran(10)
    schedule.nudge("work")
    assert not work.ran(1.5)
    work.may_end.set()
    assert work.ran(15)


def test_stopping_waits_for_a_job_that_nudges_another_as_it_ends(sqlite_db: str) -> None:
    schedule, began, may_nudge = Schedule(), threading.Event(), threading.Event()

    def nudging(now: datetime) -> dict[str, Any]:
        began.set()
        may_nudge.wait(20)
        schedule.nudge("other")
        return {}

    schedule.start(
        [Job("nudging", 3600, nudging), Job("other", 3600, Work(), first_delay_seconds=60)]
    )
    assert began.wait(10)
    stopping = threading.Thread(target=schedule.stop, daemon=True)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive(), "it did not wait for the job"
    may_nudge.set()
    stopping.join(10)
    assert not stopping.is_alive(), "the job and the stop wait for each other"


def test_a_failing_job_is_counted_kept_going_and_reported_in_the_end(sqlite_db: str) -> None:
    outcomes = iter([*["broken"] * VITAL_FAILURES, "fine"])

    def work(now: datetime) -> dict[str, Any]:
        if next(outcomes) == "broken":
            raise RuntimeError("the lake is away")
        return {"rows": 3}

    heartbeat = Heartbeat(Job("work", 1, work, is_vital=True))
    for _ in range(VITAL_FAILURES):
        heartbeat()
    assert heartbeat.failures_in_row == VITAL_FAILURES
    with connection():
        row = JobHeartbeat.get_by_id("work")
    assert (row.outcome, row.failures, row.runs) == ("failed", VITAL_FAILURES, VITAL_FAILURES)
    assert row.last_error == "RuntimeError: the lake is away" and row.last_success_at is None
    heartbeat()
    with connection():
        row = JobHeartbeat.get_by_id("work")
    assert (row.outcome, row.last_error, row.detail) == ("ok", "", {"rows": 3})
    assert (row.runs, row.failures) == (VITAL_FAILURES + 1, VITAL_FAILURES)
    assert heartbeat.failures_in_row == 0


def test_an_idle_job_is_not_written_down_every_time(sqlite_db: str) -> None:
    heartbeat = Heartbeat(Job("work", 1, lambda now: {}))
    for _ in range(3):
        heartbeat()
    with connection():
        assert JobHeartbeat.get_by_id("work").runs == 1


def test_links_are_cleared_away_long_after_they_expired(db: str, now: datetime) -> None:
    def link(expires_at: datetime) -> None:
        OneTimeLink.create(
            id=new_token(),
            kind="setup",
            organization_id="org_1",
            token_hash=new_token(),
            created_at=now - timedelta(days=30),
            expires_at=expires_at,
        )

    with connection():
        link(now - KEEP_EXPIRED_LINKS - timedelta(seconds=1))
        link(now - timedelta(hours=1))
        link(now + timedelta(hours=1))
    assert purge_expired(now, timedelta(days=30)) == {"links": 1}
    assert purge_expired(now, timedelta(days=30)) == {}
