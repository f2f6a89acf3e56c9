"""WebSockets on a duplex socket: handshakes of both sides, whole text messages in and out. Knows no JSON.

Frames are wsproto's work. No extension is agreed on, so a message is passed on as its text, byte for byte;
pings are answered here and go no further. Binary messages are refused: nothing here speaks any.
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterable

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import ProtocolError

from proxy.transport.answer import header_block
from proxy.transport.duplex import Duplex, DuplexLost
from proxy.transport.faults import HandshakeRefused, Stage, UpstreamLost

Headers = list[tuple[bytes, bytes]]
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_HEAD_BYTES = 32 * 1024
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})(?: [^\r\n]*)?")
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_SMALL_CHARACTERS, _MAX_SMALL = 64, 4096
"""A message that is cut into very small pieces costs many times what its text does."""
NORMAL, GOING_AWAY, UNSUPPORTED, POLICY, TOO_BIG, INTERNAL = 1000, 1001, 1003, 1008, 1009, 1011
TRY_AGAIN = 1013


class WebSocket:
    """One side of an open WebSocket."""

    def __init__(
        self, duplex: Duplex, is_server: bool, max_message_bytes: int, write_seconds: float
    ) -> None:
        self.close_code = NORMAL
        """Why the other side closed, once ``receive`` has returned None."""
        self._duplex = duplex
        self._frames = Connection(ConnectionType.SERVER if is_server else ConnectionType.CLIENT)
        self._max_message_bytes = max_message_bytes
        self._write_seconds = write_seconds
        self._events: list[Event] = []
        self._parts: list[str] = []
        self._characters = 0
        self._small = 0
        """How many small pieces the message under way has come in."""

    async def receive(self) -> bytes | None:
        """Return the next text message as UTF-8, or None when the other side closed. Raises DuplexLost."""
        while True:
            for event in iter(self._next_event, None):
                if isinstance(event, TextMessage):
                    if (message := await self._text(event)) is not None:
                        return message
                elif isinstance(event, Ping):
                    await self._write(event.response())
                elif isinstance(event, CloseConnection):
                    self.close_code = int(event.code)
                    await self._write(event.response())
                    return None
                elif isinstance(event, BytesMessage):
                    await self.close(UNSUPPORTED, "only text is spoken here")
                    raise DuplexLost("a binary message")
                elif not isinstance(event, Pong):
                    raise DuplexLost(f"unexpected {type(event).__name__}")
            await self._read()

    def _next_event(self) -> Event | None:
        return self._events.pop(0) if self._events else None

    async def _text(self, event: TextMessage) -> bytes | None:
        self._characters += len(event.data)
        self._small += len(event.data) < _SMALL_CHARACTERS
        if self._characters > self._max_message_bytes or self._small > _MAX_SMALL:
            await self.close(TOO_BIG, "the message is too long")
            raise DuplexLost("a message over the limit")
        self._parts.append(event.data)
        if not event.message_finished:
            return None
        message = "".join(self._parts).encode()
        self._parts, self._characters, self._small = [], 0, 0
        return message

    async def _read(self) -> None:
        data = await self._duplex.receive()
        try:
            self._frames.receive_data(data or None)
            self._events += list(self._frames.events())
        except ProtocolError as error:
            raise DuplexLost(f"not a WebSocket: {error}") from None
        if not data and not self._events:
            raise DuplexLost("closed without a word")

    async def send(self, message: bytes) -> None:
        """Send a text message of UTF-8 in one frame. Raises DuplexLost."""
        await self._write(TextMessage(message.decode()))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye; the socket is closed by ``abort``. Does nothing where that was done or is too late."""
        try:
            await self._write(CloseConnection(code, reason))
        except DuplexLost:
            return

    async def _write(self, event: Event) -> None:
        try:
            data = self._frames.send(event)
        except ProtocolError:
            # It has been closed from the other side meanwhile.
            raise DuplexLost("closed") from None
        await self._duplex.send(data, self._write_seconds)

    def abort(self) -> None:
        """Close the socket at once."""
        self._duplex.close()


def accept_of(key: bytes) -> bytes:
    """Return what proves that a handshake's key was read (RFC 6455, 4.2.2)."""
    # SHA-1 is what the protocol prescribes; nothing rests on its strength.
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def wants_websocket(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the key of a client's valid handshake, or None when a request is none."""
    named = dict(headers)
    tokens = {token.strip().lower() for token in named.get(b"connection", b"").split(b",")}
    is_asked = b"upgrade" in tokens and named.get(b"upgrade", b"").lower() == b"websocket"
    key = named.get(b"sec-websocket-key", b"")
    if not is_asked or named.get(b"sec-websocket-version") != b"13":
        return None
    try:
        return key if len(base64.b64decode(key, validate=True)) == 16 else None
    except ValueError:
        return None


def switching(key: bytes, headers: Headers) -> bytes:
    """Return the answer that turns a client's connection into a WebSocket."""
    return b"HTTP/1.1 101 Switching Protocols\r\n%b\r\n" % header_block(
        [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", accept_of(key)),
            *headers,
        ]
    )


async def shake_hands(
    duplex: Duplex, target: bytes, headers: Headers, write_seconds: float
) -> bytes:
    """Ask a server for a WebSocket; return what it sent behind its answer. Raises UpstreamLost."""
    key = base64.b64encode(os.urandom(16))
    block = header_block(
        [
            *headers,
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", key),
        ]
    )
    try:
        await duplex.send(b"GET %b HTTP/1.1\r\n%b\r\n" % (target, block), write_seconds)
        data = b""
        while b"\r\n\r\n" not in data:
            more = await duplex.receive()
            data += more
            if not more or len(data) > _MAX_HEAD_BYTES:
                raise UpstreamLost(Stage.HEAD, "it gave no answer to a WebSocket handshake")
    except DuplexLost as error:
        raise UpstreamLost(Stage.HEAD, str(error)) from None
    head, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    told = _STATUS.fullmatch(status)
    if told is None:
        raise UpstreamLost(Stage.HEAD, "malformed answer to a WebSocket handshake")
    if told[1] != b"101":
        raise HandshakeRefused(int(told[1]))
    named = {m[1].lower(): m[2] for line in lines if (m := _LINE.fullmatch(line)) is not None}
    is_right = named.get(b"sec-websocket-accept") == accept_of(key)
    is_ours = named.get(b"upgrade", b"").lower() == b"websocket"
    if not (is_right and is_ours) or b"sec-websocket-extensions" in named:
        raise UpstreamLost(Stage.HEAD, "its answer to a WebSocket handshake is not one")
    return rest
