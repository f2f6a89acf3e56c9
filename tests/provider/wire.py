"""One HTTP/1.1 connection of the fake provider: requests in, raw bytes out, nothing decided.

Plain Trio sockets and llhttp, because the tests need control over every byte, write and reset.
"""

import socket
import struct
from collections import deque

import httptools
import orjson
import trio

from tests.provider.request import Request

READ_BYTES = 256 * 1024


class ClientLeftError(Exception):
    """The other side closed or reset the connection."""


class Connection:
    """A keep-alive connection; parses ahead, so pipelined requests wait in `requests`."""

    def __init__(self, sock: trio.socket.SocketType, number: int) -> None:
        self.sock = sock
        self.number = number
        self.requests: deque[Request] = deque()
        self.keep_alive = True
        self.upgraded: bytes | None = None
        """What came behind a request for another protocol; the parser reads nothing more then."""
        self._parser = httptools.HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    # Called by llhttp.
    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        self.keep_alive = self._parser.should_keep_alive()
        request = Request(
            self._parser.get_method().decode(), self._url.decode("latin-1"), self._headers, body
        )
        request.headers = {name.lower(): value for name, value in self._headers}
        try:
            request.json = orjson.loads(body) if body else None
        except orjson.JSONDecodeError:
            request.json = None
        self.requests.append(request)

    async def read(self) -> None:
        """Take in some bytes. Raises ClientLeftError at the end, HttpParserError for nonsense."""
        try:
            data = await self.sock.recv(READ_BYTES)
        except (OSError, trio.ClosedResourceError) as error:
            raise ClientLeftError from error
        if not data:
            raise ClientLeftError
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgraded = data[upgrade.args[0] :]

    async def next_request(self) -> Request:
        """The next whole request. Raises as `read` does."""
        while not self.requests:
            await self.read()
        return self.requests.popleft()

    async def send(self, data: bytes) -> None:
        """Write all of `data`. Raises ClientLeftError when nobody takes it."""
        try:
            sent = await self.sock.send(data)
            while sent < len(data):
                sent += await self.sock.send(memoryview(data)[sent:])
        except OSError as error:
            raise ClientLeftError from error

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
