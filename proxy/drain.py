"""Stops a worker in four phases: not ready, still accepting, finishing, gone. Knows nothing of what it serves."""

import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from proxy.readiness import Readiness

LOG = logging.getLogger(__name__)
HURRIED_GRACE_SECONDS = 1.0


class Stop:
    """Whether this worker was asked to stop, and whether it was asked again, to be quick about it."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.hurried = trio.Event()

    def ask(self) -> None:
        """Ask to stop; a second time hurries."""
        (self.hurried if self.asked.is_set() else self.asked).set()

    async def watch_signals(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Take SIGTERM and SIGINT as asking, for ever."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                self.ask()

    async def watch_parent(self, descriptor: int) -> None:
        """Ask once when the supervisor's end of the pipe closes: then nobody is left who would."""
        async with trio.lowlevel.FdStream(descriptor) as pulse:
            while await pulse.receive_some(64):
                pass
        LOG.warning("supervisor_gone")
        if not self.asked.is_set():
            self.ask()


@dataclass(frozen=True, slots=True)
class DrainTiming:
    """How long the phases last, in seconds."""

    delay_seconds: float
    grace_seconds: float


async def drain(
    stop: Stop,
    readiness: Readiness,
    timing: DrainTiming,
    finish: Callable[[float], Awaitable[None]],
) -> None:
    """Run the phases after ``stop.asked``; ``finish(grace)`` stops accepting and ends what is under way.

    Being hurried ends the waiting: what is under way then has a second.
    """
    readiness.draining = True
    LOG.info("gateway_draining", extra={"pre_drain_wait": f"{timing.delay_seconds:g}s"})
    with trio.move_on_after(timing.delay_seconds):
        await stop.hurried.wait()
    LOG.info("gateway_shutting_down", extra={"timeout": f"{timing.grace_seconds:g}s"})
    async with trio.open_nursery() as nursery:
        calm = trio.CancelScope()
        nursery.start_soon(_cancel_when, stop.hurried, calm)
        with calm:
            await finish(timing.grace_seconds)
        if calm.cancelled_caught:
            await finish(min(timing.grace_seconds, HURRIED_GRACE_SECONDS))
        nursery.cancel_scope.cancel()


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
