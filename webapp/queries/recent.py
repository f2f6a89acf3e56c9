"""Shares an answer of the lake among everyone who asks within a second, so that a hundred open dashboards cost as
much as one. Keeps nothing longer and stores no errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

Answer = TypeVar("Answer")
FRESH_SECONDS = 1.0
MOST_ANSWERS = 512
"""Above this many the answers that are no longer fresh are let go."""


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    answered_at: float = float("-inf")
    answer: Any = None


class RecentAnswers:
    """One a process. Safe between threads: of those who ask at once, one asks the lake and the others wait for it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[Hashable, _Slot] = {}

    def ask(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        """Return the answer kept under ``key`` while it is fresh, else compute it. Raises what ``compute`` raises."""
        slot = self._slot(key)
        with slot.lock:
            if self._clock() - slot.answered_at >= FRESH_SECONDS:
                slot.answer = compute()
                slot.answered_at = self._clock()
            return cast(Answer, slot.answer)

    def _slot(self, key: Hashable) -> _Slot:
        with self._lock:
            if len(self._slots) >= MOST_ANSWERS:
                oldest = self._clock() - FRESH_SECONDS
                self._slots = {k: s for k, s in self._slots.items() if s.answered_at > oldest}
            return self._slots.setdefault(key, _Slot())
