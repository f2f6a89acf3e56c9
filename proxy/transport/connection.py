"""One client connection: its socket, its reader, its time limits and its leash. Knows no ASGI.

One task uses it, in turn for reading and writing. It sets no timer per request: departures are seen
by the watcher and lateness by the sweeper, and both act through ``client_left`` and ``expire``.
"""

import contextlib
import socket
import struct
import time

import trio
from trio.lowlevel import checkpoint

from proxy.transport import answer
from proxy.transport.asgi import Address
from proxy.transport.duplex import Duplex
from proxy.transport.faults import AbortConnection, ClientGone, RequestRefused
from proxy.transport.hub import current_hub
from proxy.transport.leash import Leash, LeashReason
from proxy.transport.limits import ServerLimits
from proxy.transport.request import Request, RequestReader

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_PROGRESS_BYTES = 64 * 1024
_CHECKPOINT_EVERY = 32
"""A write that never blocks is no checkpoint; after this many in a row we make one."""

# One buffer serves all connections of the process: it is filled and parsed without an await between.
_BUFFER_BYTES = 64 * 1024
_BUFFER = memoryview(bytearray(_BUFFER_BYTES))


class ClientConnection:
    """A client's socket with what the front door knows about it; ``leash`` is the application's."""

    def __init__(self, sock: socket.socket, limits: ServerLimits) -> None:
        self.sock = sock
        self.hub = current_hub()
        self.slot = self.hub.open(sock, self.client_left)
        self.limits = limits
        self.reader = RequestReader(limits)
        self.gone = False
        """The client closed its side; nothing sent from now on would be read."""
        self.timed_out = False
        self.busy = False
        """An exchange is under way, as opposed to waiting for a request."""
        self.last = False
        """The server is draining: the answer under way is the last on this connection."""
        self.closing = False
        self.taken = False
        """Another protocol is spoken on the socket."""
        self.client = _address(sock.getpeername)
        self.server = _address(sock.getsockname)
        self._leash: Leash | None = None
        self._departed: trio.Event | None = None
        self._read_by: float | None = time.monotonic() + limits.header_read_seconds
        self._writes = 0
        self._unsent = memoryview(b"")
        """The rest of the write under way; if it was cancelled, the byte stream cannot be continued."""

    @property
    def leash(self) -> Leash | None:
        """The leash of the exchange under way, attached and detached by the application."""
        return self._leash

    @leash.setter
    def leash(self, leash: Leash | None) -> None:
        self._leash = leash
        if self.gone and leash is not None:
            leash.pull(LeashReason.CLIENT_GONE)

    def client_left(self) -> None:
        """Note that the client has gone, and stop the exchange. Safe to call at any time, any number of times."""
        if self.gone or self.timed_out or self.closing:
            return
        self.gone = True
        if self._leash is not None:
            self._leash.pull(LeashReason.CLIENT_GONE)
        if self._departed is not None:
            self._departed.set()

    async def wait_departed(self) -> None:
        """Return once the client has left."""
        if self._departed is None:
            self._departed = trio.Event()
        if not self.gone:
            await self._departed.wait()

    def expire(self, now: float) -> None:
        """Act on the limits that lie before ``now``: pull the leash, or give up reading."""
        if self._read_by is not None and now > self._read_by:
            self.stop_reading()
        leash = self._leash
        if leash is not None and leash.expires_at is not None and now > leash.expires_at:
            leash.pull(leash.expiry_reason)

    def stop_reading(self) -> None:
        """Make the pending read end, without cancelling the task: it may still answer."""
        self.timed_out = True
        self._read_by = None
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)

    async def next_request(self) -> Request | None:
        """Return the next request, or None when there will not be one. Answers what is refused."""
        reader = self.reader
        ready = reader.ready
        if ready:
            await checkpoint()
            return ready.popleft()
        while reader.error is None:
            await self.slot.wait_readable()
            if not self._read_now():
                if self.timed_out and reader.mid_head:
                    await self.refuse(
                        RequestRefused(408, "request_timeout", "The request head is incomplete.")
                    )
                return None
            if ready:
                self._read_by = None
                return ready.popleft()
        await self.refuse(reader.error)
        return None

    def await_next(self) -> None:
        """Start the idle limit: an exchange is over and the connection stays open."""
        limits = self.limits
        seconds = limits.header_read_seconds if self.reader.mid_head else limits.idle_seconds
        self._read_by = time.monotonic() + seconds

    async def read_body(self, request: Request) -> None:
        """Read once more for ``request``. Raises ClientGone or, when it took too long, BodyTimeout."""
        if self._read_by is None:
            self._read_by = time.monotonic() + self.limits.body_read_seconds
        await self.slot.wait_readable()
        if not self._read_now() and not request.complete and not self.timed_out:
            self.client_left()
            raise ClientGone
        if request.complete:
            self._read_by = None

    def _read_now(self) -> bool:
        """Feed the reader with what has arrived, if anything; returns False when nothing more will."""
        try:
            count = self.sock.recv_into(_BUFFER)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            self.client_left()
            return False
        if count == _BUFFER_BYTES:
            self.slot.again()
        reader = self.reader
        was_mid_head = reader.mid_head
        reader.feed(_BUFFER[:count])
        if reader.mid_head and not was_mid_head and not self.busy:
            self._read_by = time.monotonic() + self.limits.header_read_seconds
        return count > 0

    async def write(self, data: bytes) -> None:
        """Hand ``data`` to the kernel, waiting while the client reads slowly; as ``write_now`` and ``write_rest``."""
        if not self.write_now(data):
            await self.write_rest()

    def write_now(self, data: bytes) -> bool:
        """Hand ``data`` to the kernel; returns False when ``write_rest`` must be awaited before the next write.

        Raises ClientGone, or AbortConnection when an earlier write was cancelled half way.
        """
        if self._unsent:
            raise AbortConnection
        sent = self._send(data)
        if sent < len(data):
            self._unsent = memoryview(data)[sent:]
            return False
        self._writes += 1
        return self._writes % _CHECKPOINT_EVERY != 0

    async def write_rest(self) -> None:
        """Send what the kernel would not take at once.

        A client that takes longer than ``client_write_seconds`` for 64 KiB has its leash pulled.
        When cancelled, the stream is torn: later writes raise AbortConnection.
        """
        if not self._unsent:
            await checkpoint()
        while self._unsent:
            renew_at = max(len(self._unsent) - _PROGRESS_BYTES, 0)
            with trio.move_on_after(self.limits.client_write_seconds) as patience:
                while len(self._unsent) > renew_at:
                    await self.slot.wait_writable()
                    self._unsent = self._unsent[self._send(self._unsent) :]
            if patience.cancelled_caught:
                if self._leash is not None:
                    self._leash.pull(LeashReason.SLOW_READER)
                    await self.slot.wait_writable()
                raise AbortConnection

    def _send(self, data: bytes | memoryview) -> int:
        if self.gone:
            raise ClientGone
        try:
            return self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.client_left()
            raise ClientGone from None

    async def refuse(self, refusal: RequestRefused) -> None:
        """Answer with ``refusal`` and let the client read it before the connection closes."""
        with contextlib.suppress(ClientGone, AbortConnection):
            await self.write(answer.refusal(refusal.status, refusal.code, refusal.message))
            await self.linger()

    async def linger(self) -> None:
        """Read off what the client still sends for a moment: closing over unread bytes would reset
        the connection and take the answer with it."""
        self.closing = True
        with contextlib.suppress(OSError), trio.move_on_after(self.limits.linger_seconds):
            self.sock.shutdown(socket.SHUT_WR)
            left_bytes = 16 * self.limits.max_drained_body_bytes
            while left_bytes > 0:
                await self.slot.wait_readable()
                try:
                    count = self.sock.recv_into(_BUFFER)
                except (BlockingIOError, InterruptedError):
                    continue
                if count == 0:
                    return
                self.slot.again()
                left_bytes -= count

    def take_over(self) -> Duplex:
        """Hand the socket to somebody who speaks another protocol on it; the exchange answers nothing more."""
        self.taken = True
        self._read_by = None
        return Duplex(self.sock, self.slot, self.reader.after_upgrade)

    def reset(self) -> None:
        """Make the coming close a reset, so that the client cannot take what it has for the whole."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def close(self) -> None:
        """Close the socket. Pending bytes still go out unless ``reset`` was called."""
        self.closing = True
        self._leash = None
        self.slot.close()
        self.sock.close()


def _address(name: "object") -> Address | None:
    try:
        host, port = name()[:2]  # type: ignore[operator]
    except (OSError, ValueError):
        return None
    return (host, port)
