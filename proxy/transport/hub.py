"""Waits for sockets: one epoll set for all connections of a process, awaited by one task.

Registered once per connection and edge-triggered, so a wait costs no system call, a client that
leaves is noticed for free, and a leash can wake a task without a cancel scope per request. It reads
and writes nothing.
"""

import contextlib
import select
import socket
from collections.abc import Callable, Iterator
from typing import Protocol

import outcome
import trio
from trio.lowlevel import (
    Abort,
    RunVar,
    Task,
    cancel_shielded_checkpoint,
    checkpoint,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from proxy.transport.faults import LeashPulled

_RECHECK_SECONDS = 0.1
"""How often the portable hub looks again while unread bytes hide the end of a stream."""


class Slot(Protocol):
    """One socket's place in the hub. One task at a time waits in it, and tries its call again after."""

    async def wait_readable(self) -> None:
        """Return when reading may succeed; may return early."""

    async def wait_writable(self) -> None:
        """Return when writing may succeed; may return early."""

    async def wait_either(self) -> None:
        """Return when one of both may succeed; may return early."""

    def again(self) -> None:
        """Say that more may be readable although nothing new arrives: a read filled its buffer."""

    def close(self) -> None:
        """Leave the hub; to be called just before the socket is closed."""


class Hub(Protocol):
    """Gives out slots."""

    interrupts: bool
    """A leash can wake the tasks that wait in slots, so no cancel scope is needed."""

    def open(self, sock: socket.socket, on_hangup: Callable[[], None] | None) -> Slot:
        """Register a socket; ``on_hangup`` is called when its peer closes or resets."""

    def interrupt(self, task: Task) -> None:
        """Make the task's wait in a slot, or else its next one, raise LeashPulled, until ``release``."""

    def release(self, task: Task) -> None:
        """Let the task wait again."""


class _EpollSlot:
    __slots__ = ("_abort", "_hub", "fd", "hung_up", "on_hangup", "ready", "task")

    def __init__(self, hub: "EpollHub", fd: int, on_hangup: Callable[[], None] | None) -> None:
        self._hub = hub
        self.fd = fd
        self.on_hangup = on_hangup
        self.ready = False
        self.hung_up = False
        self.task: Task | None = None
        self._abort = self._give_up

    def _give_up(self, _: object) -> Abort:
        self.task = None
        return Abort.SUCCEEDED

    async def wait_readable(self) -> None:
        task = current_task()
        if self._hub.pulled and task in self._hub.pulled:
            raise LeashPulled
        if self.ready or self.hung_up:
            self.ready = False
            await checkpoint()
            return
        self.task = task
        task.custom_sleep_data = self
        await wait_task_rescheduled(self._abort)

    wait_writable = wait_readable
    wait_either = wait_readable

    def again(self) -> None:
        self.ready = True

    def close(self) -> None:
        self._hub.slots.pop(self.fd, None)


class EpollHub:
    """The hub of systems with ``select.epoll``."""

    interrupts = True

    def __init__(self) -> None:
        self.slots: dict[int, _EpollSlot] = {}
        self.pulled: set[Task] = set()
        """Tasks whose leash was pulled while they were not waiting in a slot."""
        self.abandoned: dict[Task, trio.CancelScope] = {}
        """Scopes around waits outside the hub (name resolution), to be cancelled with the leash."""
        self._epoll = select.epoll()

    def open(self, sock: socket.socket, on_hangup: Callable[[], None] | None) -> Slot:
        """Register a socket; ``on_hangup`` is called when its peer closes or resets."""
        slot = self.slots[sock.fileno()] = _EpollSlot(self, sock.fileno(), on_hangup)
        self._epoll.register(
            slot.fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
        )
        return slot

    def interrupt(self, task: Task) -> None:
        """Make the task's wait in a slot, or else its next one, raise LeashPulled, until ``release``."""
        slot = task.custom_sleep_data
        if isinstance(slot, _EpollSlot) and slot.task is task:
            slot.task = None
            reschedule(task, outcome.Error(LeashPulled()))
        elif task in self.abandoned:
            self.abandoned[task].cancel()
        self.pulled.add(task)

    def release(self, task: Task) -> None:
        """Let the task wait again."""
        self.pulled.discard(task)

    async def run(self) -> None:
        """Wake whoever waits, for ever."""
        hangup = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
        slots, poll = self.slots, self._epoll.poll
        try:
            while True:
                happened = poll(0)
                if not happened:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                    continue
                for fd, events in happened:
                    slot = slots.get(fd)
                    if slot is None:
                        continue
                    if events & hangup:
                        slot.hung_up = True
                        if slot.on_hangup is not None:
                            slot.on_hangup()
                    task = slot.task
                    if task is None:
                        slot.ready = True
                    else:
                        slot.task = None
                        reschedule(task)
                # Under load the next look follows in the same turn of Trio's loop as the woken tasks,
                # instead of costing a turn of its own.
                await cancel_shielded_checkpoint()
        finally:
            self._epoll.close()


class _PortableSlot:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.watching = trio.CancelScope()

    async def wait_readable(self) -> None:
        await trio.lowlevel.wait_readable(self._sock)

    async def wait_writable(self) -> None:
        await trio.lowlevel.wait_writable(self._sock)

    async def wait_either(self) -> None:
        async with trio.open_nursery() as nursery:
            for wait in (trio.lowlevel.wait_readable, trio.lowlevel.wait_writable):
                nursery.start_soon(self._first, wait, nursery.cancel_scope)

    async def _first(
        self, wait: "Callable[[socket.socket], object]", others: trio.CancelScope
    ) -> None:
        await wait(self._sock)  # type: ignore[misc]
        others.cancel()

    def again(self) -> None:
        """Nothing to do: Trio's own waits are level-triggered."""

    def close(self) -> None:
        self.watching.cancel()


class PortableHub:
    """The hub of systems without ``select.epoll``: Trio's waits, and a task per client that peeks."""

    interrupts = False

    def open(self, sock: socket.socket, on_hangup: Callable[[], None] | None) -> Slot:
        """Register a socket; ``on_hangup`` is called when its peer closes or resets."""
        slot = _PortableSlot(sock)
        if on_hangup is not None:
            # A second descriptor, because Trio lets only one task wait for each.
            trio.lowlevel.spawn_system_task(_peek, sock.dup(), slot.watching, on_hangup)
        return slot

    def interrupt(self, task: Task) -> None:
        """Nothing to do: here a leash holds a cancel scope, which it cancels itself."""

    def release(self, task: Task) -> None:
        """Nothing to do."""


async def _peek(
    sock: socket.socket, watching: trio.CancelScope, on_hangup: Callable[[], None]
) -> None:
    with watching, sock:
        while True:
            await trio.lowlevel.wait_readable(sock)
            try:
                if not sock.recv(1, socket.MSG_PEEK):
                    break
            except BlockingIOError:
                continue
            except OSError:
                break
            await trio.sleep(_RECHECK_SECONDS)
        on_hangup()


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[trio.CancelScope]:
    """Bound a wait outside the hub in time, and let a pulled leash end it (with LeashPulled)."""
    hub, task = current_hub(), current_task()
    if not isinstance(hub, EpollHub):
        with trio.move_on_after(seconds) as scope:
            yield scope
        return
    if task in hub.pulled:
        raise LeashPulled
    with trio.move_on_after(seconds) as scope:
        hub.abandoned[task] = scope
        try:
            yield scope
        finally:
            del hub.abandoned[task]
    if scope.cancelled_caught and task in hub.pulled:
        raise LeashPulled


_HUB: RunVar[Hub] = RunVar("proxy.transport.hub")


def current_hub() -> Hub:
    """Return the hub of this Trio run, started at its first use as a system task: it is to our
    sockets what Trio's own I/O manager is to others, and ends with the run."""
    try:
        return _HUB.get()
    except LookupError:
        pass
    if not hasattr(select, "epoll"):
        return use_hub(PortableHub())
    hub = EpollHub()
    trio.lowlevel.spawn_system_task(hub.run)
    return use_hub(hub)


def use_hub(hub: Hub) -> Hub:
    """Make ``hub`` the hub of this Trio run; to be called before the first socket is opened."""
    _HUB.set(hub)
    return hub
