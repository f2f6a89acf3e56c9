"""Rate limits: which there are, what each counts, and the rolling window it counts in. Counts nothing itself.

A rolling window is kept in slots. What is used is booked in the slot of its admission, and a limit adds up
the slot under way and all slots that reach into the window before it: one more than fit the window. So no
interval as long as the window ever holds more than the limit, however it lies, and what was used comes back
one slot's length late at most.
"""

import enum
from dataclasses import dataclass


class Unit(enum.IntEnum):
    """What the amounts of a limit are; also the place of an amount among ``Amounts``."""

    NANOUSD = 0
    REQUESTS = 1
    TOKENS = 2


Amounts = tuple[int, int, int]
"""What a call takes of each unit, in the order of ``Unit``."""
NOTHING: Amounts = (0, 0, 0)

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Dimension:
    """A kind of rate limit, in the words of the ``X-LangWatch-RateLimit-Dimension`` header."""

    name: str
    unit: Unit
    window_ms: int
    slot_ms: int
    window: str
    """The window's name in sentences."""

    def slot_start_ms(self, now_ms: int) -> int:
        """Return the start of the slot that holds a moment."""
        return now_ms - now_ms % self.slot_ms

    def counted_from_ms(self, now_ms: int) -> int:
        """Return the start of the oldest slot that still counts."""
        return self.slot_start_ms(now_ms) - self.window_ms

    def leaves_at_ms(self, slot_start_ms: int) -> int:
        """Return the moment from which a slot no longer counts."""
        return slot_start_ms + self.window_ms + self.slot_ms


DIMENSIONS: dict[str, Dimension] = {
    "rpm": Dimension("rpm", Unit.REQUESTS, _MINUTE_MS, _MINUTE_MS // 12, "minute"),
    "tpm": Dimension("tpm", Unit.TOKENS, _MINUTE_MS, _MINUTE_MS // 12, "minute"),
    "rpd": Dimension("rpd", Unit.REQUESTS, _DAY_MS, _DAY_MS // 48, "day"),
}
"""The limits of keys and providers, shortest window first: of two that are reached, the first is named."""
COUNTING = Dimension("count", Unit.REQUESTS, _MINUTE_MS, _MINUTE_MS // 12, "minute")
"""Counting tokens is free and held against no other limit; this one keeps it from being abused."""
COUNTING_RPM = 1000

_ALL = {**DIMENSIONS, COUNTING.name: COUNTING}


def rate_limit_id(dimension: str, subject_id: str) -> str:
    """Return the id of a key's or a provider's limit, such as ``rpm:vk_01J…``."""
    return f"{dimension}:{subject_id}"


def read_rate_limit_id(limit_id: str) -> tuple[Dimension, str] | None:
    """Return what a limit counts and whose it is, or None when the id is a budget's."""
    name, colon, subject_id = limit_id.partition(":")
    dimension = _ALL.get(name)
    return (dimension, subject_id) if colon and dimension is not None else None
