"""A socket that two tasks use at once, one reading and one writing: what WebSockets need and exchanges don't.

It has left the hub, whose slots have one waiter each, and waits through Trio instead. Knows no frames.
"""

import socket
import ssl

import trio
from trio.lowlevel import checkpoint, wait_readable, wait_writable

from proxy.transport.hub import Slot

_READ_BYTES = 64 * 1024
_AGAIN = (BlockingIOError, InterruptedError)


class DuplexLost(Exception):
    """The other side is gone, or the bytes from it can't be trusted."""


class Duplex:
    """A connected, non-blocking socket, plain or TLS. One task reads, and any write one after the other."""

    def __init__(self, sock: socket.socket, slot: Slot, begun: bytes = b"") -> None:
        """Take a socket over from the hub; ``begun`` was read of it already."""
        slot.close()
        self._sock = sock
        self._begun = begun
        self._writing = trio.Lock()

    def begin_with(self, begun: bytes) -> None:
        """Put back bytes that were read but belong to what follows."""
        self._begun = begun + self._begun

    async def receive(self) -> bytes:
        """Return some bytes, none at the end of the stream. Raises DuplexLost."""
        if self._begun:
            begun, self._begun = self._begun, b""
            await checkpoint()
            return begun
        while True:
            try:
                data = self._sock.recv(_READ_BYTES)
            except (*_AGAIN, ssl.SSLWantReadError):
                await wait_readable(self._sock)
            except ssl.SSLWantWriteError:
                await wait_writable(self._sock)
            except OSError as error:
                raise DuplexLost(type(error).__name__) from None
            else:
                await checkpoint()
                return data

    async def send(self, data: bytes, seconds: float) -> None:
        """Hand everything to the kernel. Raises DuplexLost, also when the other side doesn't read in time."""
        with trio.move_on_after(seconds) as patience:
            async with self._writing:
                await self._send_all(data)
        if patience.cancelled_caught:
            raise DuplexLost("slow reader")

    async def _send_all(self, data: bytes) -> None:
        view = memoryview(data)
        await checkpoint()
        while view:
            try:
                view = view[self._sock.send(view) :]
            except (*_AGAIN, ssl.SSLWantWriteError):
                await wait_writable(self._sock)
            except ssl.SSLWantReadError:
                await wait_readable(self._sock)
            except OSError as error:
                raise DuplexLost(type(error).__name__) from None

    def close(self) -> None:
        """Close the socket at once."""
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
