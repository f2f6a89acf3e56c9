"""Counts requests by address in fixed windows, in this process. What is counted is the views' choice."""

from __future__ import annotations

import threading
import time

# An attacker with many addresses must not fill memory; past this the window starts anew for everyone.
_ADDRESSES = 50_000


class FixedWindow:
    """At most ``limit`` a window for each address."""

    def __init__(self, limit: int, window_seconds: int) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._lock = threading.Lock()
        self._window = -1
        self._counts: dict[str, int] = {}

    def retry_after_seconds(self, address: str, now: float | None = None) -> int:
        """Count one request; return 0 when it may pass, else the seconds until the next window."""
        moment = time.monotonic() if now is None else now
        window = int(moment // self._window_seconds)
        with self._lock:
            if window != self._window or len(self._counts) >= _ADDRESSES:
                self._window, self._counts = window, {}
            count = self._counts.get(address, 0) + 1
            self._counts[address] = count
        if count <= self._limit:
            return 0
        return max(1, int((window + 1) * self._window_seconds - moment))
