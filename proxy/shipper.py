"""The one link task of a worker: ships the spool and borrows for the limits, in turn, never both at once.

Serial on purpose: an answer about slices then covers exactly what was acknowledged before it was asked.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from proxy.control_plane import (
    ControlPlane,
    ControlPlaneAway,
    ControlPlaneRefusal,
    Rejection,
    Shipped,
)
from proxy.holds import Holds
from proxy.leasing import Leasing
from proxy.spool import Spool

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 5.0
PLAN_SECONDS = 0.5
"""How often slices are looked at when nothing urges."""


@dataclass(slots=True)
class Backoff:
    """Pauses between tries that fail: doubled each time up to a bound, gone after a success."""

    until: float = float("-inf")
    """Until when (Trio's clock) nothing is tried."""
    pause_seconds: float = FIRST_PAUSE_SECONDS

    def failed(self) -> None:
        """Pause from now."""
        self.until = trio.current_time() + self.pause_seconds
        self.pause_seconds = min(2 * self.pause_seconds, MAX_PAUSE_SECONDS)

    def clear(self) -> None:
        """Try again at once."""
        self.until, self.pause_seconds = float("-inf"), FIRST_PAUSE_SECONDS

    @property
    def is_over(self) -> bool:
        """True when a try is due."""
        return trio.current_time() >= self.until


class Shipper:
    """Ships the records of one worker and plans its borrowing. ``wake`` makes it look at once."""

    def __init__(
        self,
        spool: Spool,
        holds: Holds,
        control_plane: ControlPlane,
        interval_seconds: float,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.rejected = 0
        """Records that the control plane would not book."""
        self._spool = spool
        self._holds = holds
        self._leasing = Leasing(holds)
        self._control_plane = control_plane
        self._interval_seconds = interval_seconds
        self._now_s = now_s
        self._woken = trio.Event()
        self._ship_at = float("-inf")
        self._shipping = Backoff()
        self._borrowing = Backoff()

    def wake(self) -> None:
        """Make the link task look at the limits now."""
        self._woken.set()

    def retry(self) -> None:
        """Try again at once: the control plane was heard elsewhere."""
        self._shipping.clear()
        self._borrowing.clear()
        self._woken.set()

    async def run(self) -> None:
        """Ship and borrow, for ever."""
        while True:
            with trio.move_on_at(self._next_at()):
                await self._woken.wait()
            self._woken = trio.Event()
            if self._borrowing.is_over:
                await self.borrow()
            is_due = trio.current_time() >= self._ship_at or self._leasing.is_tight()
            if is_due and self._shipping.is_over:
                await self.ship()

    def _next_at(self) -> float:
        now = trio.current_time()
        ask_s = self._leasing.next_ask_s()
        wait = PLAN_SECONDS if ask_s is None else max(0.0, ask_s - self._now_s())
        plan_at = max(now + min(wait, PLAN_SECONDS), self._borrowing.until)
        return min(plan_at, max(self._ship_at, self._shipping.until))

    async def borrow(self) -> None:
        """Have one round with the control plane about slices, if there is anything to say."""
        plan = self._leasing.plan(self._now_s())
        if plan.is_empty:
            return
        try:
            states = await self._control_plane.lease(self._holds.owner, plan.wants, plan.gifts)
        except (ControlPlaneAway, ControlPlaneRefusal) as error:
            self._leasing.lost(plan)
            self._borrowing.failed()
            if self._holds.away_since_s is None:
                LOG.warning("leases_unavailable", extra={"reason": str(error)})
            self._holds.missed(self._now_s())
        else:
            self._borrowing.clear()
            self._leasing.learn(states, self._now_s())

    async def ship(self) -> bool:
        """Ship one batch; say whether the spool needs another try soon."""
        self._ship_at = trio.current_time() + self._interval_seconds
        batch = self._spool.next_batch()
        if batch is None:
            return False
        try:
            shipped = await ship_lines(
                self._control_plane, self._spool.epoch, self._spool.read(batch)
            )
        except (ControlPlaneAway, OSError) as error:
            if self._shipping.pause_seconds == FIRST_PAUSE_SECONDS:
                facts = {"reason": str(error), "unshipped_bytes": self._spool.unshipped_bytes}
                LOG.warning("spool_not_shipped", extra=facts)
            self._shipping.failed()
            return True
        self._shipping.clear()
        self._spool.acknowledge(batch)
        self._holds.acknowledge(batch.costs)
        self.rejected += len(shipped.rejected)
        if self._spool.is_backed_up:
            self._ship_at = float("-inf")
        return not self._spool.is_empty

    async def flush(self) -> bool:
        """Ship until nothing is left, for a worker that stops; the caller sets the deadline."""
        while not self._spool.is_empty:
            await trio.sleep_until(max(self._shipping.until, trio.current_time()))
            await self.ship()
        return True


async def ship_lines(control_plane: ControlPlane, worker: str, lines: bytes) -> Shipped:
    """Book lines; what is rejected is logged, and never sent again. Raises ControlPlaneAway.

    A batch that is refused as a whole is halved until the line that spoils it is found.
    """
    try:
        shipped = await control_plane.ship(worker, lines)
    except ControlPlaneRefusal as refusal:
        if refusal.status not in (400, 413, 422):
            raise ControlPlaneAway(f"spend-commands: {refusal}") from None
        return await _ship_halves(control_plane, worker, lines, refusal)
    for rejection in shipped.rejected:
        facts = {"code": rejection.code, "index": rejection.index, "worker": worker}
        LOG.error("record_rejected", extra=facts)
    return shipped


async def _ship_halves(
    control_plane: ControlPlane, worker: str, lines: bytes, refusal: ControlPlaneRefusal
) -> Shipped:
    split = lines.find(b"\n", len(lines) // 2 - 1) + 1
    if split in (0, len(lines)):
        split = lines.rfind(b"\n", 0, len(lines) - 1) + 1
    if split == 0:
        LOG.error("record_rejected", extra={"code": refusal.code, "worker": worker})
        return Shipped(0, [Rejection(0, refusal.code)])
    first = await ship_lines(control_plane, worker, lines[:split])
    second = await ship_lines(control_plane, worker, lines[split:])
    return Shipped(first.accepted + second.accepted, first.rejected + second.rejected)
