"""A client below HTTP libraries: sends exact bytes and keeps each chunk with its arrival time.

Used where a library would hide what is tested: header case, chunk borders, a torn end.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httptools

REQUESTS = Path(__file__).resolve().parents[2] / "fixtures" / "exchanges" / "requests"
TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A recorded request: head lines (without Host, key and length) and body."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def read(cls, name: str) -> "RawRequest":
        """The request in `fixtures/exchanges/requests/<name>.http`."""
        raw = (REQUESTS / f"{name}.http").read_bytes()
        while raw.startswith(b"# "):
            raw = raw.partition(b"\n")[2]
        head, _, body = raw.partition(b"\n\n")
        line, *lines = head.decode().split("\n")
        pairs = [text.split(": ", 1) for text in lines]
        return cls(line, tuple((name, value) for name, value in pairs), body.rstrip(b"\n"))

    def on_the_wire(self, host: str, key: str, extra: dict[str, str]) -> bytes:
        """The bytes to send: `{{key}}` replaced, Host and Content-Length added."""
        headers = [("Host", host), *self.headers, *extra.items()]
        if self.body:
            headers.append(("Content-Length", str(len(self.body))))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"{self.line}\r\n{head}\r\n".replace("{{key}}", key).encode() + self.body


@dataclass(slots=True)
class RawAnswer:
    """What came back. `pieces` are HTTP chunks (or reads) with their monotonic arrival in ns."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    ended_cleanly: bool = False

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(piece for _, piece in self.pieces)

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


class Exchange:
    """One request on its own connection, read as slowly as the test likes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.answer = RawAnswer()
        self._parser = httptools.HttpResponseParser(self)
        self._chunked = False
        self._piece = b""
        self._arrived_ns = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answer.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.answer.status = self._parser.get_status_code()
        self._chunked = (self.answer.header("transfer-encoding") or "").lower() == "chunked"

    def on_body(self, body: bytes) -> None:
        if self._chunked:
            self._piece += body
        else:
            self.answer.pieces.append((self._arrived_ns, body))

    def on_chunk_complete(self) -> None:
        if self._piece:
            self.answer.pieces.append((self._arrived_ns, self._piece))
            self._piece = b""

    def on_message_complete(self) -> None:
        self.answer.ended_cleanly = True

    def read_some(self) -> bool:
        """Take in what has arrived; false at the end of the answer or the connection."""
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            return False
        self._arrived_ns = time.monotonic_ns()
        if data:
            self._parser.feed_data(data)
        return bool(data) and not self.answer.ended_cleanly

    def read_all(self) -> RawAnswer:
        """The answer once it has ended, one way or the other."""
        while not self.answer.ended_cleanly and self.read_some():
            pass
        return self.answer

    def read_pieces(self, count: int) -> None:
        """Read until `count` pieces have come."""
        while len(self.answer.pieces) < count:
            if not self.read_some() and len(self.answer.pieces) < count:
                raise AssertionError(f"the answer ended after {len(self.answer.pieces)} pieces")


@contextmanager
def exchange(url: str, sent: bytes) -> Iterator[Exchange]:
    """Send these bytes on a new connection; closed at the end of the block."""
    address = urlsplit(url)
    with socket.create_connection(
        (address.hostname or "", address.port or 80), timeout=TIMEOUT_SECONDS
    ) as sock:
        sock.sendall(sent)
        yield Exchange(sock)
