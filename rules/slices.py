"""How much of a limit one worker borrows ahead of need, and when it gives back. Borrows nothing itself.

A worker keeps a cushion, so that requests are admitted without a call: one twentieth of the limit, but at
most one eighth of what the others leave. Each loan takes a share of what is left, so cushions shrink with
the remaining amount, any number of workers fits, and near the limit each request borrows exactly its need.
"""

from dataclasses import dataclass

from rules.rates import Unit

_SHARE_OF_LIMIT = 20
_SHARE_OF_REST = 8
REST_SECONDS = 1.0
"""A limit that nobody used for this long rests: nothing is borrowed ahead for it."""
IDLE_SECONDS = 5.0
"""A slice that nobody used for this long goes back, whatever is left of the limit."""
# While more than this is free, no resting slice is what another worker's call lacks. A million fresh tokens
# of the dearest list prices and the longest estimated answer stay below 25 USD.
_AMPLE = {Unit.NANOUSD: 25_000_000_000, Unit.REQUESTS: 100, Unit.TOKENS: 1_100_000}


def cushion(limit: int, reachable: int) -> int:
    """Return what a worker should have beyond its holds; ``reachable`` is its own slice and what is free."""
    return max(0, min(limit // _SHARE_OF_LIMIT, reachable // _SHARE_OF_REST))


def low_water(cushion: int) -> int:
    """Return the amount below which a worker borrows again, early enough that nobody waits for it."""
    return cushion // 2


@dataclass(frozen=True, slots=True)
class Slice:
    """What a worker could give back of one limit, in the limit's unit, and how long nobody used it."""

    limit: int
    available: int
    free: int
    cushion: int
    idle_seconds: float
    unit: Unit = Unit.NANOUSD


def surplus(part: Slice) -> int:
    """Return what goes back now, so that a slice at rest never keeps another worker's call from a limit."""
    available = max(0, part.available)
    if part.idle_seconds >= IDLE_SECONDS:
        return available
    if part.idle_seconds >= REST_SECONDS and part.free < _AMPLE[part.unit]:
        return available
    if part.free * _SHARE_OF_LIMIT < part.limit:
        return max(0, available - part.cushion)
    return 0
