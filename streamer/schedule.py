"""When the jobs run: each on its own beat, never twice at once, never skipped for being late.

APScheduler stops at this file; what the jobs do is not its business.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from core.clock import utcnow
from streamer.heartbeat import Heartbeat, Job

# A run that is late, by a suspended laptop or a long pause, still runs, once.
MISFIRE_GRACE_SECONDS = 24 * 3600
NUDGE_SECONDS = 1.0
LEAST_PAUSE_SECONDS = 2.0
# After a nudge a job may take a fifth of the time; the rest is for everybody else.
PAUSE_RATIO = 5
VITAL_FAILURES = 30
MOST_JOBS = 10


class Schedule:
    """The running jobs. Start it once, stop it once."""

    def __init__(self) -> None:
        self._heartbeats: dict[str, Heartbeat] = {}
        self._nudges: dict[str, _Nudge] = {}
        self._running = 0
        self._settled = threading.Condition()
        self._is_stopping = False
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(MOST_JOBS)},
            job_defaults={
                "coalesce": True,
                "max_instances": 1,
                "misfire_grace_time": MISFIRE_GRACE_SECONDS,
            },
        )
        # It warns whenever a run outlasts its interval, which is what max_instances is for.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def start(self, jobs: Sequence[Job]) -> None:
        """Start every job; the first run comes after the job's first delay, at once for most."""
        self._heartbeats = {job.name: Heartbeat(job) for job in jobs}
        self._nudges = {job.name: _Nudge(self, job.name) for job in jobs}
        now = utcnow()
        for name, heartbeat in self._heartbeats.items():
            self._scheduler.add_job(
                self._run,
                IntervalTrigger(seconds=max(heartbeat.job.interval_seconds, 0.05), timezone=UTC),
                args=[name],
                id=name,
                next_run_time=now + timedelta(seconds=heartbeat.job.first_delay_seconds),
            )
        self._scheduler.start()

    def stop(self) -> None:
        """Start nothing more and wait for what runs."""
        self._is_stopping = True
        self._scheduler.pause()
        # Waited for here, because shutdown() waits while it holds the lock that a nudging job needs.
        with self._settled:
            self._settled.wait_for(lambda: self._running == 0)
        self._scheduler.shutdown(wait=True)

    def nudge(self, name: str) -> None:
        """Let a job run soon, within two seconds when it rests; many nudges make one run."""
        self._nudges[name].ask()

    def failing(self) -> list[str]:
        """Return the vital jobs that have failed so often in a row that only a fresh start can help."""
        return [
            name
            for name, heartbeat in self._heartbeats.items()
            if heartbeat.job.is_vital and heartbeat.failures_in_row >= VITAL_FAILURES
        ]

    def bring_forward(self, name: str, delay_seconds: float) -> None:
        """Move a job's next run to after ``delay_seconds``, unless it comes sooner anyway."""
        if self._is_stopping:
            return
        job = self._scheduler.get_job(name)
        at = utcnow() + timedelta(seconds=delay_seconds)
        if job is not None and (job.next_run_time is None or job.next_run_time > at):
            self._scheduler.modify_job(name, next_run_time=at)

    def _run(self, name: str) -> None:
        with self._settled:
            self._running += 1
        self._nudges[name].started()
        try:
            self._heartbeats[name]()
        finally:
            self._nudges[name].finished()
            with self._settled:
                self._running -= 1
                self._settled.notify_all()


class _Nudge:
    """Remembers that a job is wanted soon, also while it runs and so would miss its call."""

    def __init__(self, schedule: Schedule, name: str) -> None:
        self._schedule = schedule
        self._name = name
        self._lock = threading.Lock()
        self._is_asked = False
        self._is_running = False
        self._started = -1e9
        self._pause_seconds = LEAST_PAUSE_SECONDS

    def ask(self) -> None:
        with self._lock:
            self._is_asked = True
            self._arrange()

    def started(self) -> None:
        with self._lock:
            self._is_asked, self._is_running = False, True
            self._started = time.monotonic()

    def finished(self) -> None:
        with self._lock:
            took_seconds = time.monotonic() - self._started
            self._pause_seconds = max(LEAST_PAUSE_SECONDS, PAUSE_RATIO * took_seconds)
            self._is_running = False
            if self._is_asked:
                self._arrange()

    def _arrange(self) -> None:
        if self._is_running:
            return
        rest_seconds = self._started + self._pause_seconds - time.monotonic()
        self._schedule.bring_forward(self._name, max(NUDGE_SECONDS, rest_seconds))
