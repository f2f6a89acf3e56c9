"""Wraps a job so that each run leaves its mark in the control database, failures included. The job's edge.

A job that runs every second and finds nothing to do is written down every few seconds, not every second.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import peewee

from core.clock import utcnow
from core.database import transaction
from core.models import JobHeartbeat

LOG = logging.getLogger(__name__)
IDLE_MARK = timedelta(seconds=5)
# A job at least this rare is long enough to be seen while it runs.
_SHOWN_RUNNING_SECONDS = 30
_ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again. ``run`` takes the moment and returns what it did, nothing when idle."""

    name: str
    interval_seconds: float
    run: Callable[[datetime], Mapping[str, Any]]
    first_delay_seconds: float = 0.0
    is_vital: bool = False
    """The program gives up, to be started afresh, when such a job fails again and again."""


class Heartbeat:
    """Runs one job and keeps its row. Called by one thread at a time."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.failures_in_row = 0
        self._unwritten_runs = 0
        self._unwritten_failures = 0
        self._written_at: datetime | None = None

    def __call__(self) -> None:
        """Run the job once; never raises."""
        started_at, began = utcnow(), time.monotonic()
        if self.job.interval_seconds >= _SHOWN_RUNNING_SECONDS:
            self._write({"outcome": "running", "last_started_at": started_at})
        error = ""
        detail: Mapping[str, Any] = {}
        try:
            detail = self.job.run(started_at)
        except (
            Exception
        ) as raised:  # the jobs' one edge: log it, count it, try again at the next tick
            LOG.exception("job_failed", extra={"job": self.job.name})
            error = f"{type(raised).__name__}: {raised}"[:_ERROR_CHARACTERS]
        self._finish(started_at, int((time.monotonic() - began) * 1000), detail, error)

    def _finish(
        self, started_at: datetime, duration_ms: int, detail: Mapping[str, Any], error: str
    ) -> None:
        has_turned = bool(error) or self.failures_in_row > 0
        self.failures_in_row = self.failures_in_row + 1 if error else 0
        self._unwritten_runs += 1
        self._unwritten_failures += bool(error)
        finished_at = utcnow()
        is_due = self._written_at is None or finished_at - self._written_at >= IDLE_MARK
        if not (detail or has_turned or is_due):
            return
        row: dict[str, Any] = {
            "outcome": "failed" if error else "ok",
            "last_started_at": started_at,
            "last_finished_at": finished_at,
            "last_duration_ms": duration_ms,
            "last_error": error,
        }
        row |= {} if error else {"last_success_at": finished_at}
        row |= {"detail": dict(detail)} if detail else {}
        if self._write(row):
            self._written_at = finished_at
            self._unwritten_runs = self._unwritten_failures = 0

    def _write(self, row: dict[str, Any]) -> bool:
        is_end = row["outcome"] != "running"
        runs, failures = (self._unwritten_runs, self._unwritten_failures) if is_end else (0, 0)
        row |= {"interval_seconds": max(1, math.ceil(self.job.interval_seconds))}
        try:
            with transaction():
                JobHeartbeat.insert(
                    name=self.job.name, runs=runs, failures=failures, **row
                ).on_conflict(
                    conflict_target=[JobHeartbeat.name],
                    update=row
                    | {
                        "runs": JobHeartbeat.runs + runs,
                        "failures": JobHeartbeat.failures + failures,
                    },
                ).execute()
        except peewee.PeeweeException:
            LOG.exception("heartbeat_not_written", extra={"job": self.job.name})
            return False
        return True
