"""Reads the lake for one organization: the lake's own functions, bound to a reader and a tenant.

What dashboards poll is shared among viewers for a second; what one person pages through is not.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from core.lake import LakeReader, activity
from core.lake.activity import DayPoint, SourceActivity, Summary, UserPage, UserSpend
from core.lake.keys import ModelDay, latest_calls, spend_by_key, usage_of_key
from core.lake.providers import ProviderRecord, provider_records
from rules.activity_events import ActivityEvent
from webapp.queries.recent import RecentAnswers

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class LakeActivity:
    """Every answer is about ``organization_id`` alone."""

    reader: LakeReader
    organization_id: str
    recent: RecentAnswers

    def summary(self, now: datetime, window_days: int) -> Summary:
        """Return spend, people and calls of the window and of the one before."""
        return self._shared(
            ("summary", window_days),
            lambda: activity.summary(self.reader, self.organization_id, now, window_days),
        )

    def spend_by_user(
        self, now: datetime, window_days: int, sort: str, descending: bool, limit: int
    ) -> list[UserSpend]:
        """Return the first ``limit`` people in that order."""
        page = UserPage(sort, descending, limit)
        return self._shared(
            ("people", window_days, page),
            lambda: activity.spend_by_user(
                self.reader, self.organization_id, now, window_days, page
            ),
        )

    def spend_over_time(self, now: datetime, window_days: int, group_by: str) -> list[DayPoint]:
        """Return spend by day and group."""
        return self._shared(
            ("days", window_days, group_by),
            lambda: activity.spend_over_time(
                self.reader, self.organization_id, now, window_days, group_by
            ),
        )

    def sources(self, now: datetime) -> Mapping[str, SourceActivity]:
        """Return event counts by source id."""
        return self._shared(
            ("sources",),
            lambda: activity.source_activity(self.reader, self.organization_id, now),
        )

    def providers(self, now: datetime) -> dict[str, ProviderRecord]:
        """Return the last hour of each provider by its id."""
        return self._shared(
            ("providers",), lambda: provider_records(self.reader, self.organization_id, now)
        )

    def recent_calls(self, limit: int) -> list[ActivityEvent]:
        """Return the newest calls through the gateway."""
        return self._shared(
            ("calls", limit),
            lambda: activity.recent_calls(self.reader, self.organization_id, limit),
        )

    def key_spend(self, key_ids: Sequence[str], since: datetime, now: datetime) -> dict[str, int]:
        """Return what each of these keys spent since a moment, in nano-USD."""
        if not key_ids:
            return {}
        return self._shared(
            ("key_spend", since, *key_ids),
            lambda: spend_by_key(self.reader, self.organization_id, key_ids, since, now),
        )

    def key_usage(self, key_id: str, since: datetime, now: datetime) -> list[ModelDay]:
        """Return one key's days by model since a moment."""
        return self._shared(
            ("key_usage", key_id, since.date()),
            lambda: usage_of_key(self.reader, self.organization_id, key_id, since, now),
        )

    def calls_of(self, owner: str, owner_id: str, now: datetime, limit: int) -> list[ActivityEvent]:
        """Return the latest calls of a ``virtual_key`` or of a ``principal``."""
        return latest_calls(self.reader, self.organization_id, (owner, owner_id), now, limit)

    def _shared(self, key: tuple[Hashable, ...], compute: Callable[[], Answer]) -> Answer:
        return self.recent.ask((self.organization_id, *key), compute)

    def events_for_source(
        self, source_id: str, limit: int, before: datetime | None
    ) -> list[ActivityEvent]:
        """Return the source's events, newest first, strictly older than ``before``."""
        return activity.events_for_source(
            self.reader, self.organization_id, source_id, limit, before
        )
