"""How much of a limit one worker borrows ahead of need, and when it gives back. Borrows nothing itself.

A worker keeps a cushion, so that requests are admitted without a call: one twentieth of the limit, but at
most one eighth of what the others leave. Each loan takes a share of what is left, so cushions shrink with
the remaining amount, any number of workers fits, and near the limit each request borrows exactly its need.
"""

from dataclasses import dataclass

_SHARE_OF_LIMIT = 20
_SHARE_OF_REST = 8
REST_SECONDS = 1.0
"""A limit that nobody used for this long rests: nothing is borrowed ahead for it."""
IDLE_SECONDS = 5.0
"""A slice that nobody used for this long goes back, whatever is left of the limit."""
# A million fresh tokens of the dearest list prices and the longest estimated answer stay below 25 USD: while
# more than that is free, no resting slice is what another worker's call lacks.
_AMPLE_NANOUSD = 25_000_000_000


def cushion_nanousd(limit_nanousd: int, reachable_nanousd: int) -> int:
    """Return what a worker should have beyond its holds; ``reachable`` is its own slice and what is free."""
    return max(0, min(limit_nanousd // _SHARE_OF_LIMIT, reachable_nanousd // _SHARE_OF_REST))


def low_water_nanousd(cushion_nanousd: int) -> int:
    """Return the amount below which a worker borrows again, early enough that nobody waits for it."""
    return cushion_nanousd // 2


@dataclass(frozen=True, slots=True)
class Slice:
    """What a worker could give back of one limit, in nano-USD, and how long nobody used it."""

    limit_nanousd: int
    available_nanousd: int
    free_nanousd: int
    cushion_nanousd: int
    idle_seconds: float


def surplus_nanousd(part: Slice) -> int:
    """Return what goes back now, so that a slice at rest never keeps another worker's call from a limit."""
    available = max(0, part.available_nanousd)
    if part.idle_seconds >= IDLE_SECONDS:
        return available
    if part.idle_seconds >= REST_SECONDS and part.free_nanousd < _AMPLE_NANOUSD:
        return available
    if part.free_nanousd * _SHARE_OF_LIMIT < part.limit_nanousd:
        return max(0, available - part.cushion_nanousd)
    return 0
