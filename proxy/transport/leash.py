"""The leash of an exchange: one object that says why work must stop, and stops it.

Whoever learns first that an exchange is pointless (the departure watcher, the sweeper, a blocked
write, a drain) pulls the leash. It does not decide what the exchange was worth: the application does.
"""

import enum
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import trio

SWEEP_SECONDS = 0.25
"""How late a limit may be noticed. Limits are seconds to minutes, so a coarse sweep is exact enough."""


class LeashReason(enum.Enum):
    """Why an exchange was stopped from outside."""

    CLIENT_GONE = "client_gone"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    SLOW_READER = "slow_reader"
    DRAIN = "drain"


class Leash:
    """A cancel scope with a reason and a deadline that costs one assignment to move.

    The application enters ``cancel_scope``, sets ``expires_at`` (monotonic seconds, None for no
    limit) and ``expiry_reason`` at each phase, and reads ``reason`` after the scope was left.
    """

    __slots__ = ("cancel_scope", "expires_at", "expiry_reason", "reason")

    def __init__(
        self,
        expires_at: float | None = None,
        expiry_reason: LeashReason = LeashReason.TOTAL_TIMEOUT,
    ) -> None:
        self.cancel_scope = trio.CancelScope()
        self.expires_at = expires_at
        self.expiry_reason = expiry_reason
        self.reason: LeashReason | None = None

    def pull(self, reason: LeashReason) -> None:
        """Cancel the exchange. The first reason stays; later pulls change nothing."""
        if self.reason is None:
            self.reason = reason
            self.cancel_scope.cancel()


class Sweepable(Protocol):
    """A connection whose limits the sweeper looks after."""

    def expire(self, now: float) -> None:
        """Act on each limit that lies before ``now`` (monotonic seconds)."""


async def sweep(connections: Callable[[], Iterable[Sweepable]]) -> None:
    """Expire what is late, for ever. One task per process, whatever the number of connections."""
    while True:
        await trio.sleep(SWEEP_SECONDS)
        now = time.monotonic()
        for connection in list(connections()):
            connection.expire(now)
