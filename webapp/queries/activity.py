"""Reads the lake for one organisation: the lake's own functions, bound to a reader and a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.lake import LakeReader, activity
from core.lake.activity import DayPoint, SourceActivity, Summary, UserPage, UserSpend
from rules.activity_events import ActivityEvent


@dataclass(frozen=True, slots=True)
class LakeActivity:
    """Every answer is about ``organization_id`` alone."""

    reader: LakeReader
    organization_id: str

    def summary(self, now: datetime, window_days: int) -> Summary:
        """Return spend, people and calls of the window and of the one before."""
        return activity.summary(self.reader, self.organization_id, now, window_days)

    def spend_by_user(
        self, now: datetime, window_days: int, sort: str, descending: bool, limit: int
    ) -> list[UserSpend]:
        """Return the first ``limit`` people in that order."""
        return activity.spend_by_user(
            self.reader,
            self.organization_id,
            now,
            window_days,
            UserPage(sort, descending, limit),
        )

    def spend_over_time(self, now: datetime, window_days: int, group_by: str) -> list[DayPoint]:
        """Return spend by day and group."""
        return activity.spend_over_time(
            self.reader, self.organization_id, now, window_days, group_by
        )

    def sources(self, now: datetime) -> Mapping[str, SourceActivity]:
        """Return event counts by source id."""
        return activity.source_activity(self.reader, self.organization_id, now)

    def recent_calls(self, limit: int) -> list[ActivityEvent]:
        """Return the newest calls through the gateway."""
        return activity.recent_calls(self.reader, self.organization_id, limit)

    def events_for_source(
        self, source_id: str, limit: int, before: datetime | None
    ) -> list[ActivityEvent]:
        """Return the source's events, newest first, strictly older than ``before``."""
        return activity.events_for_source(
            self.reader, self.organization_id, source_id, limit, before
        )
