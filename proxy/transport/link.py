"""One upstream connection: bytes out, parsed answers in. Which exchange uses it when is the pool's affair."""

import socket
import ssl

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

    __slots__ = ("idle_since", "is_tls", "reader", "reused", "slot", "sock")

    def __init__(self, sock: socket.socket, slot: Slot, limits: PoolLimits) -> None:
        self.sock = sock
        self.slot = slot
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.reader = ResponseReader(limits)
        self.reused = False
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

    async def exchange(self, head: bytes, body: bytes, is_head_request: bool) -> None:
        """Send a request and read up to the end of the answer's head. Raises UpstreamLost or Stale."""
        reader = self.reader
        reader.expect(is_head_request)
        length = len(head) + len(body)
        if length <= _JOIN_BYTES or self.is_tls:
            data = head + body if body else head
            sent = self._write_some(data)
            if sent < length:
                await self._write_rest(memoryview(data)[sent:])
        else:
            await self._write_large(head, body)
        while not reader.head_complete:
            await self.read(Stage.HEAD)

    async def _write_large(self, head: bytes, body: bytes) -> None:
        try:
            sent = self.sock.sendmsg([head, body])
        except _WOULD_BLOCK:
            sent = 0
        except OSError as error:
            raise self._lost(Stage.SEND, _reason(error)) from None
        if sent < len(head):
            await self._write_rest(memoryview(head)[sent:])
            sent = len(head)
        rest = memoryview(body)[sent - len(head) :]
        if rest and not self.reader.head_complete:
            await self._write_rest(rest)

    def _write_some(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except _WOULD_BLOCK:
            return 0
        except OSError as error:
            raise self._lost(Stage.SEND, _reason(error)) from None

    async def _write_rest(self, rest: memoryview) -> None:
        # Listens while it sends: a peer that refuses early may never read the rest, and one that
        # sends interim answers may stop reading until they are taken.
        reader = self.reader
        while rest and reader.status < 400:
            await self.slot.wait_either()
            try:
                self._read_early()
                rest = rest[self._write_some(rest) :]
            except UpstreamLost:
                # An answer followed by a reset is still the answer.
                if not reader.head_complete:
                    raise
                break
        if rest:
            reader.reusable = False

    def _read_early(self) -> None:
        try:
            count = self.sock.recv_into(_BUFFER)
        except _WOULD_BLOCK:
            return
        except OSError as error:
            raise self._lost(Stage.SEND, _reason(error)) from None
        self._take_in(count, Stage.SEND)

    async def read(self, stage: Stage) -> None:
        """Wait for bytes and parse them. Raises UpstreamLost, or Stale before the first byte."""
        # A TLS record may be waiting inside the SSL object, where the kernel does not see it.
        if not self.is_tls:
            await self.slot.wait_readable()
        while True:
            try:
                count = self.sock.recv_into(_BUFFER)
            except _WOULD_BLOCK:
                await self.slot.wait_either()
            except ssl.SSLZeroReturnError:
                count = 0
                break
            except OSError as error:
                raise self._lost(stage, _reason(error)) from None
            else:
                break
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
