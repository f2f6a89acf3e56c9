"""The leash of an exchange: one object that says why work must stop, and stops it.

Whoever learns first that an exchange is pointless (the departure watcher, the sweeper, a blocked
write, a drain) pulls the leash. It does not decide what the exchange was worth: the application does.
"""

import enum
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol

import trio
from trio.lowlevel import Task, current_task

from proxy.transport.faults import LeashPulled
from proxy.transport.hub import Hub

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
    """A reason, a deadline that costs one assignment to move, and the means to stop the exchange.

    Hold it with ``with leash.hold(connection):`` around dispatch and relay, set ``expires_at``
    (monotonic seconds, None for no limit) and ``expiry_reason`` at each phase, and read ``reason``
    afterwards. A pull ends the waits of this package inside the block. A wait on anything else
    (a lock, a channel, an httpx call) needs ``with leash.cancel_scope:`` around it as well.

    A leash may be held inside another, for a part of the exchange with a deadline of its own: whoever
    pulls then pulls the inner one, and its holder passes on what concerns the whole exchange.
    """

    __slots__ = (
        "_connection",
        "_held",
        "_outer",
        "_scopes",
        "_task",
        "expires_at",
        "expiry_reason",
        "reason",
    )

    def __init__(
        self,
        expires_at: float | None = None,
        expiry_reason: LeashReason = LeashReason.TOTAL_TIMEOUT,
    ) -> None:
        self.expires_at = expires_at
        self.expiry_reason = expiry_reason
        self.reason: LeashReason | None = None
        self._scopes: list[trio.CancelScope] = []
        self._held: trio.CancelScope | None = None
        self._task: Task | None = None
        self._connection: Holder | None = None
        self._outer: Leash | None = None

    @property
    def cancel_scope(self) -> trio.CancelScope:
        """A new Trio scope that a pull cancels. Only for waits outside this package: it costs microseconds."""
        scope = trio.CancelScope()
        self._scopes.append(scope)
        if self.reason is not None:
            scope.cancel()
        return scope

    def pull(self, reason: LeashReason) -> None:
        """Stop the exchange. The first reason stays; later pulls change nothing."""
        if self.reason is not None:
            return
        self.reason = reason
        for scope in self._scopes:
            scope.cancel()
        if self._task is not None and self._connection is not None:
            self._connection.hub.interrupt(self._task)

    def hold(self, connection: "Holder") -> "Leash":
        """Return the context manager that attaches this leash to ``connection`` while it is entered."""
        self._connection = connection
        return self

    def __enter__(self) -> "Leash":
        connection = self._connection
        if connection is None:
            raise RuntimeError("use leash.hold(connection)")
        self._task = current_task()
        if not connection.hub.interrupts:
            self._held = self.cancel_scope.__enter__()
        self._outer = connection.leash
        connection.leash = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        connection, task, outer = self._connection, self._task, self._outer
        self._task = self._connection = self._outer = None
        if connection is None or task is None:
            return False
        if self._held is not None:
            is_swallowed = bool(self._held.__exit__(kind, error, trace))
            connection.leash = outer
            return is_swallowed
        if self.reason is not None:
            connection.hub.release(task)
        # Last, because attaching the outer leash pulls it when the client has left meanwhile.
        connection.leash = outer
        return isinstance(error, LeashPulled)


class Holder(Protocol):
    """A connection that a leash can be attached to."""

    leash: Leash | None
    hub: Hub


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
