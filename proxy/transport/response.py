"""Reads one connection's responses off a byte stream. No socket, no retry: it only says what arrived."""

import enum

import httptools

from proxy.transport.limits import PoolLimits
from proxy.transport.request import Headers

_FIRST_BYTE = ord("H")


class MalformedResponse(ValueError):
    """The upstream sent something that is not one well-framed HTTP/1.x response."""


class BodyEnd(enum.Enum):
    """What ends the body, as the head tells."""

    FRAMED = 1
    """Content-Length, chunks, or a status without a body."""
    CLOSE = 2
    """Nothing but the end of the connection."""


class ResponseReader:
    """Turns fed bytes into one response after another; ``expect`` arms it for the next."""

    __slots__ = (
        "_fault",
        "_head_bytes",
        "_in_body",
        "_interim",
        "_is_head_request",
        "_limits",
        "_parser",
        "_received",
        "body_end",
        "complete",
        "head_complete",
        "headers",
        "pieces",
        "reusable",
        "status",
    )

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self.expect(False)

    def expect(self, is_head_request: bool) -> None:
        """Forget the last response and make ready for the answer to the next request."""
        self._is_head_request = is_head_request
        self.status = 0
        self.headers: Headers = []
        self.pieces: list[bytes] = []
        self.head_complete = False
        self.complete = False
        self.reusable = True
        self.body_end = BodyEnd.FRAMED
        self._received = False
        self._in_body = False
        self._head_bytes = 0
        self._interim = 0
        self._fault: str | None = None

    @property
    def received(self) -> bool:
        """At least one byte of the answer has arrived."""
        return self._received

    def take(self) -> list[bytes]:
        """Return the pieces that arrived since the last call, in order."""
        pieces = self.pieces
        self.pieces = []
        return pieces

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes. Raises MalformedResponse; bytes after a complete answer only spoil the connection."""
        if self.complete:
            self.reusable = False
            return
        was_received, self._received = self._received, True
        if not was_received and data and data[0] != _FIRST_BYTE:
            # llhttp would also take what RTSP and ICE answer.
            raise MalformedResponse("the upstream does not speak HTTP")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise MalformedResponse("the upstream switched protocols unasked") from None
        except httptools.HttpParserError as error:
            self._spoil(str(error))
        if not self._in_body and not self.complete:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_header_bytes:
                raise MalformedResponse("the response head is too large")

    def end_of_stream(self) -> bool:
        """Note that the upstream closed. Returns whether the response is whole."""
        self.reusable = False
        if self.head_complete and self.body_end is BodyEnd.CLOSE:
            self.complete = True
        return self.complete

    def _spoil(self, detail: str) -> None:
        self.reusable = False
        if not self.complete:
            raise MalformedResponse(self._fault or detail)

    def _fail(self, detail: str) -> MalformedResponse:
        self._fault = detail
        return MalformedResponse(detail)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise self._fail("bytes after the end of the response")
        self.headers = []
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return
        self.headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if len(self.headers) > self._limits.max_headers:
            raise self._fail("the response has too many headers")
        if status < 200:
            self._interim += 1
            if status < 100 or status == 101 or self._interim > self._limits.max_interim_responses:
                raise self._fail(f"unexpected interim response {status}")
            return
        self._in_body = True
        self.status = status
        self.head_complete = True
        if self._is_head_request:
            # llhttp would wait for a body that a HEAD answer announces but does not have.
            self.reusable = self._parser.should_keep_alive()
            self.complete = True
            self._parser = httptools.HttpResponseParser(self)
            return
        self._find_body_end(status)

    def _find_body_end(self, status: int) -> None:
        named = dict(self.headers)
        chunked = b"transfer-encoding" in named
        if chunked and named[b"transfer-encoding"].lower() != b"chunked":
            raise self._fail("the response has an unknown transfer encoding")
        if chunked and self._parser.get_http_version() == "1.0":
            raise self._fail("HTTP/1.0 has no transfer encodings")
        if not chunked and b"content-length" not in named and status not in (204, 304):
            self.body_end = BodyEnd.CLOSE

    def on_body(self, body: bytes) -> None:
        if self.complete:
            self.reusable = False
        else:
            self.pieces.append(body)

    def on_message_complete(self) -> None:
        if self.head_complete and not self.complete:
            self.reusable = self.reusable and self._parser.should_keep_alive()
            self.complete = True
