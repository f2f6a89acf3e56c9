"""How much of a limit one worker borrows ahead of need, and when it gives back. Borrows nothing itself.

A worker keeps a cushion, so that requests are admitted without a call: one twentieth of the limit, but at
most one eighth of what the others leave. Each loan takes a share of what is left, so cushions shrink with
the remaining amount, any number of workers fits, and near the limit each request borrows exactly its need.
"""

_SHARE_OF_LIMIT = 20
_SHARE_OF_REST = 8
REST_SECONDS = 1.0
"""A limit that nobody used for this long rests: nothing is borrowed ahead for it."""
IDLE_SECONDS = 5.0
"""A slice that nobody used for this long goes back, whatever is left of the limit."""


def cushion_nanousd(limit_nanousd: int, reachable_nanousd: int) -> int:
    """Return what a worker should have beyond its holds; ``reachable`` is its own slice and what is free."""
    return max(0, min(limit_nanousd // _SHARE_OF_LIMIT, reachable_nanousd // _SHARE_OF_REST))


def low_water_nanousd(cushion_nanousd: int) -> int:
    """Return the amount below which a worker borrows again, early enough that nobody waits for it."""
    return cushion_nanousd // 2


def is_scarce(limit_nanousd: int, free_nanousd: int) -> bool:
    """Say whether so little is free that an idle slice may be keeping another worker from its calls."""
    return free_nanousd < limit_nanousd // _SHARE_OF_LIMIT


def surplus_nanousd(available_nanousd: int, cushion_nanousd: int, idle_seconds: float) -> int:
    """Return what a worker gives back of a scarce limit: all when it rests, else what is above its cushion."""
    if idle_seconds >= REST_SECONDS:
        return max(0, available_nanousd)
    return max(0, available_nanousd - cushion_nanousd)
