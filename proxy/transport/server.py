"""The front door: accepts connections and gives each its one task. Frames nothing itself."""

import contextlib
import errno
import logging
import socket
from collections.abc import Sequence
from typing import Any

import trio

from proxy.transport.asgi import App
from proxy.transport.connection import ClientConnection
from proxy.transport.exchange import Exchange
from proxy.transport.faults import ClientGone
from proxy.transport.leash import LeashReason, sweep
from proxy.transport.limits import ServerLimits

_log = logging.getLogger(__name__)
_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ACCEPT_PAUSE_SECONDS = 0.1


class Server:
    """An HTTP/1.1 server for one ASGI application, for the life of one ``run``."""

    def __init__(self, app: App, limits: ServerLimits | None = None) -> None:
        self.connections: set[ClientConnection] = set()
        self.draining = False
        self._app = app
        self._limits = limits or ServerLimits()
        self._accepting = trio.CancelScope()
        self._emptied = trio.Event()
        self._stopping = trio.CancelScope()

    async def run(
        self,
        listeners: Sequence[socket.socket],
        *,
        task_status: trio.TaskStatus["Server"] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled or drained. Takes over ``listeners`` (bound and listening) and closes them."""
        with self._stopping:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sweep, lambda: self.connections)
                nursery.start_soon(self._accept_all, listeners, nursery)
                task_status.started(self)

    async def drain(self, grace_seconds: float | None = None) -> None:
        """Stop accepting, finish what is under way, and make ``run`` return.

        After ``grace_seconds`` the leashes of what is left are pulled with DRAIN; what does not end
        within the linger time after that is cut.
        """
        self.draining = True
        self._accepting.cancel()
        for connection in list(self.connections):
            connection.last = True
            if not connection.busy and not connection.reader.mid_head:
                connection.stop_reading()
        with trio.move_on_after(float("inf") if grace_seconds is None else grace_seconds):
            await self._wait_empty()
        for connection in list(self.connections):
            if connection.leash is not None:
                connection.leash.pull(LeashReason.DRAIN)
        with trio.move_on_after(self._limits.linger_seconds):
            await self._wait_empty()
        self._stopping.cancel()

    async def _wait_empty(self) -> None:
        while self.connections:
            self._emptied = trio.Event()
            await self._emptied.wait()

    async def _accept_all(
        self, listeners: Sequence[socket.socket], connections: trio.Nursery
    ) -> None:
        with contextlib.ExitStack() as stack:
            for listener in listeners:
                stack.enter_context(listener)
            with self._accepting:
                async with trio.open_nursery() as nursery:
                    for listener in listeners:
                        nursery.start_soon(self._accept, listener, connections)

    async def _accept(self, listener: socket.socket, connections: trio.Nursery) -> None:
        listener.setblocking(False)
        # Accepted sockets inherit it on Linux, which saves a call per connection; set again elsewhere.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
                _log.warning("cannot accept for now", extra={"reason": str(error)})
                await trio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            if len(self.connections) >= self._limits.max_connections:
                sock.close()
                continue
            sock.setblocking(False)
            connections.start_soon(self._serve, ClientConnection(sock, self._limits))

    async def _serve(self, connection: ClientConnection) -> None:
        self.connections.add(connection)
        state: dict[str, Any] = {"connection": connection}
        try:
            while (request := await connection.next_request()) is not None:
                connection.busy = True
                if not await Exchange(connection, request).run(self._app, state):
                    break
                connection.busy = False
                connection.await_next()
                if connection.last:
                    break
        except ClientGone:
            pass
        finally:
            connection.close()
            self.connections.discard(connection)
            if not self.connections:
                self._emptied.set()


async def serve(
    app: App,
    listeners: Sequence[socket.socket],
    limits: ServerLimits,
    *,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``app`` on ``listeners`` until cancelled; ``task_status`` hands out the Server, for ``drain``."""
    await Server(app, limits).run(listeners, task_status=task_status)
