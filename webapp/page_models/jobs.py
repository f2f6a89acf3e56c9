"""The streamer's jobs: when each last ran, how it went, and whether it is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.models import JobHeartbeat

LATE_INTERVALS = 3
LATE_GRACE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job with its state in a word."""

    beat: JobHeartbeat
    label: str
    tone: str


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Every job that ever ran."""

    now: datetime
    rows: tuple[JobRow, ...]

    @property
    def needs_attention(self) -> int:
        return sum(row.tone in ("warning", "critical") for row in self.rows)


def row_of(beat: JobHeartbeat, now: datetime) -> JobRow:
    """Return the job's state: failed, late (nothing for three intervals), running or on time."""
    last = max((m for m in (beat.last_started_at, beat.last_finished_at) if m), default=None)
    allowed = timedelta(seconds=beat.interval_seconds) * LATE_INTERVALS + LATE_GRACE
    if last is None or now - last > allowed:
        return JobRow(beat, "Late", "critical")
    if beat.outcome == "failed":
        return JobRow(beat, "Failed", "critical")
    return (
        JobRow(beat, "Running", "waiting")
        if beat.outcome == "running"
        else JobRow(beat, "On time", "positive")
    )
