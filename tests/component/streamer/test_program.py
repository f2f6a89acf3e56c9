"""The streamer as a process: it announces itself, does its jobs, leaves heartbeats, and ends when it is told to."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import process
from core.authoring import destinations
from core.clock import utcnow
from core.database import connection
from core.lake import LakeReader, activity
from core.models import Anomaly, AnomalyRule, InboxRow, JobHeartbeat
from core.secrets import sealer_for
from core.settings import Settings
from tests.component.streamer.inbox_rows import ORG, book
from tests.component.streamer.slack_peer import slack_peer

PROGRAM = """
import os, sys
from core.log import configure
from core.settings import load
from streamer.program import run
configure("streamer", "info", "json")
sys.exit(run(load(os.environ)))
"""


class Running:
    """A streamer, and the end of its parent pipe that we hold."""

    def __init__(self, child: subprocess.Popen[bytes], parent: int) -> None:
        self.child = child
        self.parent: int | None = parent

    def orphan(self) -> None:
        """Be gone, as far as the streamer can tell."""
        if self.parent is not None:
            os.close(self.parent)
            self.parent = None

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.child.send_signal(number)
        return self.child.wait(20)


@contextmanager
def streamer(settings: Settings, log: Path, **environ: str) -> Iterator[Running]:
    """Start a streamer as a supervisor does and wait until it says that it is ready."""
    ready_read, ready_write = os.pipe()
    parent_read, parent_write = os.pipe()
    with log.open("ab") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={
                "PATH": os.environ["PATH"],
                "LANGWATCH_DATA_DIR": str(settings.data_dir),
                "DATABASE_URL": settings.database_url,
                "LANGWATCH_MASTER_KEY": settings.master_key.reveal(),
                "LW_GATEWAY_INTERNAL_SECRET": settings.internal_secret.reveal(),
                "LANGWATCH_PUBLIC_URL": settings.web_url,
                process.READY_FD: str(ready_write),
                process.PARENT_FD: str(parent_read),
                **environ,
            },
            pass_fds=(ready_write, parent_read),
            stderr=stderr,
        )
    os.close(ready_write)
    os.close(parent_read)
    running = Running(child, parent_write)
    try:
        assert select.select([ready_read], [], [], 30)[0], log.read_text()
        assert os.read(ready_read, 1) == b"1", log.read_text()
        yield running
    finally:
        os.close(ready_read)
        running.orphan()
        if child.poll() is None:
            child.kill()
            child.wait()


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Return what the condition gives once it is true; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        select.select([], [], [], 0.05)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "streamer.log"


def test_a_call_reaches_the_lake_and_sigterm_ends_the_program_cleanly(
    settings: Settings, reader: LakeReader, log: Path
) -> None:
    with streamer(settings, log) as running:
        book(range(1, 4), utcnow() - timedelta(minutes=1))
        until(lambda: len(activity.recent_calls(reader, ORG)) == 3)
        assert running.stop() == 0
    text = log.read_text()
    assert '"streamer_started"' in text and '"streamer_stopped"' in text
    assert "Traceback" not in text


def test_every_job_leaves_a_heartbeat(settings: Settings, log: Path) -> None:
    def beats() -> dict[str, JobHeartbeat]:
        with connection():
            return {row.name: row for row in JobHeartbeat.select()}

    wanted = {"drain_inbox", "evaluate_rules", "deliver_alerts", "purge_expired"}
    with streamer(settings, log) as running:
        until(lambda: wanted <= set(beats()))
        found = until(lambda: beats() if beats()["drain_inbox"].runs >= 3 else None)
        running.stop()
    drain = found["drain_inbox"]
    assert (drain.outcome, drain.failures, drain.last_error) == ("ok", 0, "")
    assert drain.interval_seconds == 1 and drain.last_success_at is not None


def test_the_end_of_the_supervisor_ends_the_streamer(settings: Settings, log: Path) -> None:
    with streamer(settings, log) as running:
        running.orphan()
        assert running.child.wait(20) == 0


def test_a_job_that_fails_says_so_and_goes_on(settings: Settings, log: Path, db: str) -> None:
    def drain() -> JobHeartbeat | None:
        with connection():
            return JobHeartbeat.get_or_none(JobHeartbeat.name == "drain_inbox")

    with streamer(settings, log) as running:
        until(drain)
        with connection():
            InboxRow._meta.database.execute_sql("ALTER TABLE inbox RENAME TO inbox_away")
        failed = until(lambda: (row := drain()) and row.outcome == "failed" and row)
        assert failed.failures >= 1 and "inbox" in failed.last_error
        with connection():
            InboxRow._meta.database.execute_sql("ALTER TABLE inbox_away RENAME TO inbox")
        until(lambda: (row := drain()) and row.outcome == "ok" and row)
        assert running.stop() == 0


def test_a_spike_reaches_slack_within_seconds_of_the_call(settings: Settings, log: Path) -> None:
    moment = utcnow()
    with slack_peer() as slack:
        target = {"type": "slack", "webhookUrl": slack.url, "operator": "true"}
        with connection():
            AnomalyRule.create(
                id="rule_1",
                organization_id=ORG,
                name="spend doubled",
                severity="warning",
                type="spend_spike",
                scope="organization",
                scope_id=ORG,
                threshold={"windowSec": 3600, "ratioVsBaseline": 2.0, "minBaselineUsd": 0},
                destinations=destinations.sealed(
                    [target], "rule_1", sealer_for(settings.master_key)
                ),
                created_at=moment,
                updated_at=moment,
            )
        with streamer(settings, log) as running:
            book(range(1, 50), moment - timedelta(minutes=1))
            until(lambda: slack.posts, 15)
            assert running.stop() == 0
        assert len(slack.posts) == 1
        with connection():
            assert Anomaly.get().detail["dispatch"] == "dispatched_slack_1"
