"""Real sockets for the transport tests: the server under test, raw clients and scripted upstreams."""

import contextlib
import functools
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import trio

from proxy.transport.dial import Target
from proxy.transport.limits import ServerLimits
from proxy.transport.server import Server


def listener() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition with a deadline."""
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
            await trio.sleep(0.002)


class Client:
    """A raw client: sends bytes as given and reads answers."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def more(self) -> bool:
        data = await self.stream.receive_some(65536)
        self.buffer += data
        return bool(data)

    async def rest(self) -> bytes:
        """All bytes up to the clean end of the connection."""
        with trio.fail_after(5):
            while await self.more():
                pass
        data, self.buffer = self.buffer, b""
        return data

    async def until(self, mark: bytes) -> bytes:
        with trio.fail_after(5):
            while mark not in self.buffer:
                assert await self.more(), f"closed before {mark!r}: {self.buffer!r}"
        end = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    async def exactly(self, count: int) -> bytes:
        with trio.fail_after(5):
            while len(self.buffer) < count:
                assert await self.more(), f"closed at {len(self.buffer)} of {count}"
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    async def answer(self) -> tuple[int, dict[bytes, bytes], bytes]:
        """One answer with Content-Length or chunks."""
        head = await self.until(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        headers = {}
        for line in head.split(b"\r\n")[1:-2]:
            name, _, value = line.partition(b": ")
            headers[name] = value
        if b"content-length" in headers:
            return status, headers, await self.exactly(int(headers[b"content-length"]))
        body = b""
        if headers.get(b"transfer-encoding") == b"chunked":
            while size := int(await self.until(b"\r\n"), 16):
                body += await self.exactly(size)
                assert await self.exactly(2) == b"\r\n"
            assert await self.exactly(2) == b"\r\n"
        return status, headers, body


class Front:
    """The server under test and ways to reach it."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        self._clients: list[trio.SocketStream] = []

    async def connect(self, receive_buffer_bytes: int | None = None) -> Client:
        sock = trio.socket.socket()
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            await sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        stream = trio.SocketStream(sock)
        self._clients.append(stream)
        return Client(stream)

    async def ask(self, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        client = await self.connect()
        await client.send(request)
        return await client.answer()


@contextlib.asynccontextmanager
async def front_door(
    app, limits: ServerLimits, send_buffer_bytes: int | None
) -> AsyncIterator[Front]:
    door = listener()
    if send_buffer_bytes is not None:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    async with trio.open_nursery() as nursery:
        server = Server(app, limits)
        front = Front(server, door.getsockname()[1])
        await nursery.start(server.run, [door])
        try:
            yield front
        finally:
            for stream in front._clients:
                await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()


Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection of a scripted upstream."""

    def __init__(self, stream: trio.SocketStream, number: int) -> None:
        self.stream = stream
        self.number = number
        self.buffer = b""

    async def request(self) -> bytes:
        """One request, by its Content-Length. Raises EOFError when the other side closes."""
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        end = self.buffer.index(b"\r\n\r\n") + 4
        length = re.search(rb"content-length: (\d+)", self.buffer[:end], re.IGNORECASE)
        end += int(length[1]) if length else 0
        while len(self.buffer) < end:
            await self._more()
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError
        self.buffer += data

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def gone(self) -> None:
        """Return when the other side has closed."""
        with contextlib.suppress(trio.BrokenResourceError):
            while await self.stream.receive_some(65536):
                pass

    def reset(self) -> None:
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.stream.socket.close()


class Upstream:
    """A scripted upstream: runs ``script`` for each connection and counts them."""

    def __init__(self, port: int) -> None:
        self.target = Target("http", "127.0.0.1", port, True)
        self.accepted = 0
        self.open = 0


@contextlib.asynccontextmanager
async def upstream(script: Script) -> AsyncIterator[Upstream]:
    door = trio.SocketListener(trio.socket.from_stdlib_socket(listener()))
    up = Upstream(door.socket.getsockname()[1])

    async def talk(stream: trio.SocketStream) -> None:
        up.accepted += 1
        up.open += 1
        try:
            with contextlib.suppress(EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
                await script(Peer(stream, up.accepted))
        finally:
            up.open -= 1
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        await nursery.start(functools.partial(trio.serve_listeners, talk, [door]))
        yield up
        nursery.cancel_scope.cancel()
