"""Waits for changes on behalf of many long polls at once. It holds no connection while it waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from core import changes
from core.models import ChangeEvent

LOOK_SECONDS = 0.25


class ChangeFeed:
    """The newest revision, looked up at most every quarter second however many wait."""

    def __init__(self, newest: Callable[[], int] = changes.current_revision) -> None:
        self._newest = newest
        self._condition = threading.Condition()
        self._looking = threading.Lock()
        self._revision = 0
        self._looked_at = 0.0
        self._is_closed = False

    def current_revision(self) -> int:
        """Return the newest revision as the database has it now."""
        revision = self._newest()
        with self._condition:
            self._revision = max(self._revision, revision)
        return revision

    def wait(self, since: int, timeout_seconds: float) -> Sequence[ChangeEvent]:
        """Return the changes after ``since``, as soon as there are any; none when time is up or we close."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            if self._look() > since:
                found = changes.since(since)
                if found:
                    return found
            left = deadline - time.monotonic()
            with self._condition:
                if left <= 0 or self._is_closed:
                    return []
                self._condition.wait(min(left, LOOK_SECONDS))

    def close(self) -> None:
        """Answer everyone who waits, and nobody waits from then on: the server is stopping."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    def _look(self) -> int:
        with self._looking:
            now = time.monotonic()
            if now - self._looked_at >= LOOK_SECONDS:
                self._looked_at = now
                self.current_revision()
            return self._revision
