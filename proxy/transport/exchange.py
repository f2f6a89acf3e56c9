"""One request and its answer, as ASGI sees them: ``receive``, ``send`` and the framing of the answer."""

import enum
import logging
from typing import Any

from proxy.transport import answer
from proxy.transport.asgi import App, Message, http_scope
from proxy.transport.connection import ClientConnection
from proxy.transport.faults import AbortConnection, BodyTimeout, ClientGone, RequestRefused
from proxy.transport.request import Headers, Request

_log = logging.getLogger(__name__)
_INTERNAL = RequestRefused(500, "internal_error", "The request could not be served.")
_OURS = frozenset({b"connection", b"transfer-encoding"})
"""Headers that state what this server decides itself."""
_BODILESS = frozenset({204, 304})


class _Framing(enum.Enum):
    LENGTH = 1
    CHUNKED = 2
    UNTIL_CLOSE = 3
    NONE = 4


# Bound once: looking a member up on its enum class costs more than the comparison it is for.
_LENGTH, _CHUNKED, _UNTIL_CLOSE, _NONE = _Framing


class Exchange:
    """Runs the application once. The connection stays usable only if ``run`` says so."""

    # Defaults on the class, because an instance is made per request.
    ended = False
    """The answer went out whole."""
    _status = 0
    _headers: Headers | tuple[tuple[bytes, bytes], ...] = ()
    _lines = b""
    _framing: _Framing | None = None
    _body_left = 0
    _sent_body = False

    def __init__(self, connection: ClientConnection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._keep_alive = request.keep_alive
        self._continued = not request.expects_continue

    async def run(self, app: App, state: dict[str, Any]) -> bool:
        """Return whether the connection can take another request."""
        connection = self._connection
        scope = http_scope(self._request, state, connection.client, connection.server)
        refusal: RequestRefused | None = None
        try:
            await app(scope, self.receive, self.send)
        except (ClientGone, AbortConnection):
            connection.reset()
            return False
        except RequestRefused as error:
            refusal = error
        except Exception:  # noqa: BLE001
            # The edge of the transport: whatever the application lets out ends this exchange only.
            if not connection.gone:
                _log.exception("the application failed")
        finally:
            connection.leash = None
            if self._framing is not None and not self.ended:
                connection.reset()
        if connection.taken:
            return False
        if self.ended:
            if not self._keep_alive and not self._request.complete:
                # Answered before all was read: closing at once would take the answer with it.
                await connection.linger()
            return self._keep_alive and await self._discard_rest()
        if self._framing is None and not connection.gone:
            await connection.refuse(refusal or _INTERNAL)
        return False

    async def receive(self) -> Message:
        """Return what has arrived of the body, else wait; after the body, wait for the client to leave.

        Raises BodyTooLarge, BodyTimeout, RequestRefused (malformed chunks) or ClientGone.
        """
        request = self._request
        if self._sent_body:
            await self._connection.wait_departed()
            return {"type": "http.disconnect"}
        if not request.complete or request.error is not None:
            await self._await_body()
        pieces = request.pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        request.pieces = []
        self._sent_body = request.complete
        return {"type": "http.request", "body": body, "more_body": not request.complete}

    async def _await_body(self) -> None:
        request, connection = self._request, self._connection
        if request.error is None and not self._continued and not request.pieces:
            self._continued = True
            if self._framing is None:
                await connection.write(answer.CONTINUE)
        while request.error is None and not request.pieces and not request.complete:
            await connection.read_body(request)
            if connection.timed_out and not request.complete:
                request.error = BodyTimeout()
        if request.error is not None:
            raise request.error

    async def send(self, message: Message) -> None:
        """Take an ASGI message. The head goes out with the first body message, in one write."""
        connection = self._connection
        if connection.gone:
            raise ClientGone
        kind = message["type"]
        if kind == "http.response.start":
            if self._status:
                raise RuntimeError("the answer has already been started")
            self._status = message["status"]
            self._headers = message["headers"]
            self._lines = message.get("lines", b"")
            if "chunks" not in message:
                return
        elif kind != "http.response.body" or self.ended or not self._status:
            raise RuntimeError(f"{kind} may not be sent now")
        more = message.get("more_body", False)
        data = self._encode(message, more)
        if data and not connection.write_now(data):
            await connection.write_rest()
        self.ended = not more

    def _encode(self, message: Message, more: bool) -> bytes:
        pieces = message.get("chunks")
        if pieces is None:
            body = message.get("body", b"")
            pieces = (body,) if body else ()
        parts = [self._head(pieces, more)] if self._framing is None else []
        if self._framing is _CHUNKED:
            parts += [answer.chunk(piece) for piece in pieces if piece]
            if not more:
                parts.append(answer.LAST_CHUNK)
        elif self._framing is not _NONE:
            parts += pieces
            if self._framing is _LENGTH:
                self._count(sum(map(len, pieces)), more)
        return b"".join(parts)

    def _count(self, length: int, more: bool) -> None:
        self._body_left -= length
        if self._body_left < 0 or (self._body_left and not more):
            raise answer.BadAnswer("the body does not have the length that the headers promised")

    def _head(self, pieces: "list[bytes] | tuple[bytes, ...]", more: bool) -> bytes:
        length: int | None = None
        parts: list[bytes] = []
        for name, value in self._headers:
            if name in _OURS:
                if name == b"connection":
                    self._keep_alive = self._keep_alive and value.lower() != b"close"
                continue
            if name == b"content-length":
                length = int(value)
            parts += (name, b": ", value, b"\r\n")
        block = answer.join_lines(parts)
        if length is None and not more:
            length = sum(map(len, pieces))
            if self._status not in _BODILESS and self._request.method != b"HEAD":
                block += b"content-length: %d\r\n" % length
        return answer.status_line(self._status) + self._lines + block + self._frame(length)

    def _frame(self, length: int | None) -> bytes:
        request = self._request
        tail = b"\r\n"
        if request.method == b"HEAD" or self._status in _BODILESS:
            self._framing = _NONE
        elif length is not None:
            self._framing = _LENGTH
            self._body_left = length
        elif request.http_1_0:
            self._framing = _UNTIL_CLOSE
            self._keep_alive = False
        else:
            self._framing = _CHUNKED
            tail = b"transfer-encoding: chunked\r\n\r\n"
        if not request.complete and (request.error is not None or not self._can_discard()):
            self._keep_alive = False
        if self._connection.last or not self._keep_alive:
            self._keep_alive = False
            return b"connection: close\r\n" + tail
        if request.http_1_0:
            return b"connection: keep-alive\r\n" + tail
        return tail

    def _can_discard(self) -> bool:
        # A client that waits for 100 Continue may or may not send the body after another answer,
        # so the position in its stream is unknown (RFC 9110, 10.1.1).
        rest_bytes = self._request.remaining_bytes
        return self._continued and (
            rest_bytes is None or rest_bytes <= self._connection.limits.max_drained_body_bytes
        )

    async def _discard_rest(self) -> bool:
        request, connection = self._request, self._connection
        limit_bytes = request.body_bytes + connection.limits.max_drained_body_bytes
        while not request.complete:
            if request.error is not None or request.body_bytes > limit_bytes:
                await connection.linger()
                return False
            request.pieces.clear()
            await connection.read_body(request)
            if connection.timed_out:
                return False
        return True
