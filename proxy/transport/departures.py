"""Notices clients that leave while an exchange is under way. Decides nothing: it calls ``client_left``."""

import select
import socket
from typing import Protocol

import trio

_RECHECK_SECONDS = 0.1
"""How often the portable watcher looks again while unread bytes hide the end of the stream."""


class Watched(Protocol):
    """What a watcher needs of a connection."""

    sock: socket.socket
    fd: int

    def client_left(self) -> None:
        """Be told that the peer closed or reset the connection."""


class Departures(Protocol):
    """Watches connections from ``add`` until ``discard``."""

    def add(self, connection: Watched) -> None:
        """Start watching."""

    def discard(self, connection: Watched) -> None:
        """Stop watching; to be called before the socket is closed."""

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch, for ever."""


class EpollDepartures:
    """One epoll set for all connections, awaited by one task.

    It asks for hang-ups only, never for data, and edge-triggered: a connection costs one system
    call when it opens and nothing per request.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}

    def add(self, connection: Watched) -> None:
        """Start watching."""
        self._watched[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLRDHUP | select.EPOLLET)

    def discard(self, connection: Watched) -> None:
        """Stop watching; closing the socket takes it out of the epoll set."""
        self._watched.pop(connection.fd, None)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch, for ever."""
        task_status.started()
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                for fd, _ in self._epoll.poll(0):
                    connection = self._watched.get(fd)
                    if connection is not None:
                        connection.client_left()
        finally:
            self._epoll.close()


class PortableDepartures:
    """One task per connection that peeks at the socket: for systems without ``select.epoll``."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None
        self._scopes: dict[int, trio.CancelScope] = {}

    def add(self, connection: Watched) -> None:
        """Start watching."""
        if self._nursery is None:
            raise RuntimeError("the watcher is not running")
        scope = self._scopes[connection.fd] = trio.CancelScope()
        # A second descriptor, because Trio lets only one task wait for each.
        self._nursery.start_soon(self._watch, connection, connection.sock.dup(), scope)

    def discard(self, connection: Watched) -> None:
        """Stop watching."""
        scope = self._scopes.pop(connection.fd, None)
        if scope is not None:
            scope.cancel()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch, for ever."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def _watch(
        self, connection: Watched, peeked: socket.socket, scope: trio.CancelScope
    ) -> None:
        with scope, peeked:
            while True:
                await trio.lowlevel.wait_readable(peeked)
                try:
                    if not peeked.recv(1, socket.MSG_PEEK):
                        break
                except BlockingIOError:
                    continue
                except OSError:
                    break
                await trio.sleep(_RECHECK_SECONDS)
            connection.client_left()


def best_departures() -> Departures:
    """Return the cheapest watcher that this system has."""
    return EpollDepartures() if hasattr(select, "epoll") else PortableDepartures()
