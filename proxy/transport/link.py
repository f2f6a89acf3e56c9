"""One upstream connection: bytes out, parsed answers in. Which exchange uses it when is the pool's affair."""

import socket
import ssl
from collections.abc import Awaitable

from proxy.transport.faults import Stage, UpstreamLost
from proxy.transport.hub import Slot
from proxy.transport.limits import PoolLimits
from proxy.transport.response import MalformedResponse, ResponseReader

_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_JOIN_BYTES = 64 * 1024
"""Up to here copying head and body together is cheaper than a vectored write."""

# One buffer serves all connections of the process: it is filled and parsed without an await between.
_BUFFER_BYTES = 256 * 1024
_BUFFER = memoryview(bytearray(_BUFFER_BYTES))


class Stale(Exception):
    """A reused connection ended before the first byte of an answer: the peer had closed it while idle."""


class Link:
    """A connected socket with its response reader. Used by one exchange at a time."""

    __slots__ = ("_try_tls", "idle_since", "is_tls", "reader", "reused", "slot", "sock")

    def __init__(self, sock: socket.socket, slot: Slot, limits: PoolLimits) -> None:
        self.sock = sock
        self.slot = slot
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.reader = ResponseReader(limits)
        self.reused = False
        self._try_tls = False
        self.idle_since = 0.0

    def is_quiet(self) -> bool:
        """The peer has neither closed nor sent anything that nobody asked for."""
        try:
            if self.is_tls:
                # TLS cannot peek; session tickets are eaten here, and anything else is fatal.
                self.sock.recv_into(_BUFFER)
            else:
                self.sock.recv(1, socket.MSG_PEEK)
        except _WOULD_BLOCK:
            return True
        except OSError:
            return False
        return False

    def start(self, head: bytes, body: bytes, is_head_request: bool) -> memoryview | None:
        """Begin an exchange; returns what ``write_rest`` must still send, usually nothing.

        Raises UpstreamLost or Stale.
        """
        self.reader.expect(is_head_request)
        length = len(head) + len(body)
        if length > _JOIN_BYTES and not self.is_tls:
            return self._start_large(head, body)
        data = head + body if body else head
        sent = self._write_some(data)
        return memoryview(data)[sent:] if sent < length else None

    def _start_large(self, head: bytes, body: bytes) -> memoryview | None:
        try:
            sent = self.sock.sendmsg([head, body])
        except _WOULD_BLOCK:
            sent = 0
        except OSError as error:
            raise self._lost(Stage.SEND, _reason(error)) from None
        if sent < len(head):
            return memoryview(head + body)[sent:]
        return memoryview(body)[sent - len(head) :]

    def _write_some(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except _WOULD_BLOCK:
            return 0
        except OSError as error:
            raise self._lost(Stage.SEND, _reason(error)) from None

    async def write_rest(self, rest: memoryview) -> None:
        """Send the rest of a request. Raises UpstreamLost or Stale."""
        # Listens while it sends: a peer that refuses early may never read the rest, and one that
        # sends interim answers may stop reading until they are taken.
        reader = self.reader
        while rest and reader.status < 400:
            await self.slot.wait_either()
            try:
                self.read_now(Stage.SEND)
                rest = rest[self._write_some(rest) :]
            except UpstreamLost:
                # An answer followed by a reset is still the answer.
                if not reader.head_complete:
                    raise
                break
        if rest:
            reader.reusable = False

    def wait(self) -> Awaitable[None]:
        """Wait for bytes, unless a TLS record may be inside the SSL object, where the kernel does not see it."""
        return self._wait_tls() if self.is_tls else self.slot.wait_readable()

    async def _wait_tls(self) -> None:
        if not self._try_tls:
            await self.slot.wait_readable()
        self._try_tls = True

    def read_now(self, stage: Stage) -> None:
        """Parse what has arrived, if anything. Raises UpstreamLost, or Stale before the first byte."""
        try:
            count = self.sock.recv_into(_BUFFER)
        except _WOULD_BLOCK:
            self._try_tls = False
            return
        except ssl.SSLZeroReturnError:
            count = 0
        except OSError as error:
            raise self._lost(stage, _reason(error)) from None
        self._take_in(count, stage)

    def _take_in(self, count: int, stage: Stage) -> None:
        try:
            if count:
                if count == _BUFFER_BYTES:
                    self.slot.again()
                self.reader.feed(_BUFFER[:count])
            elif not self.reader.end_of_stream():
                raise self._lost(stage, "closed before the end of the response")
        except MalformedResponse as error:
            raise UpstreamLost(stage, f"malformed response: {error}") from None

    def close(self) -> None:
        """Close the connection at once."""
        self.slot.close()
        self.sock.close()

    def _lost(self, stage: Stage, detail: str) -> UpstreamLost | Stale:
        if self.reused and not self.reader.received:
            return Stale()
        return UpstreamLost(stage, detail)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
