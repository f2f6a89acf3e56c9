"""Reads requests off a byte stream: llhttp does the grammar, this adds what llhttp lets pass.

No socket and no clock here. The same bytes give the same requests however they are cut up.
"""

import re
from collections import deque

import httptools

from proxy.transport.faults import BodyTooLarge, RequestRefused
from proxy.transport.limits import ServerLimits

Headers = list[tuple[bytes, bytes]]

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]{1,5})?\Z")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)\Z", re.IGNORECASE | re.DOTALL)
_REFUSED_NAME = b"_"
"""Stands for every header name with an underscore: servers behind us may take it for a hyphen."""
_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect", b"content-type"})
_MOST_NAMES = 1024
_LOWERED: dict[bytes, bytes] = {}
_WIRE_BYTES_PER_CHUNK = 12
"""Size line of up to eight digits and the two line ends: what an honest chunk costs."""


def bad_request(message: str) -> RequestRefused:
    """Return the refusal of a malformed request."""
    return RequestRefused(400, "bad_request", message)


def _lowered(name: bytes) -> bytes:
    lowered = _REFUSED_NAME if b"_" in name else name.lower()
    if len(_LOWERED) < _MOST_NAMES and len(name) < 64:
        _LOWERED[name] = lowered
    return lowered


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)


class Request:
    """One request as it arrives: the head is whole, the body grows until ``complete``."""

    # Defaults on the class: most requests leave most of them alone, and an instance is made per request.
    method = b""
    target = b""
    host: bytes | None = None
    content_length: int | None = None
    chunked = False
    expects_continue = False
    upgrades = False
    http_1_0 = False
    keep_alive = True
    body_bytes = 0
    chunk_bytes = 0
    small_chunks = 0
    complete = False
    error: RequestRefused | None = None
    """Set when the body turned out to be refused after the head was accepted."""

    def __init__(self) -> None:
        self.headers: Headers = []
        self.pieces: list[bytes] = []

    @property
    def remaining_bytes(self) -> int | None:
        """Body bytes still to come; None when only the end of the chunks will tell."""
        if self.complete:
            return 0
        return None if self.content_length is None else self.content_length - self.body_bytes


class RequestReader:
    """Turns fed bytes into requests. After ``error`` is set nothing more is read from the peer."""

    def __init__(self, limits: ServerLimits) -> None:
        self.ready: deque[Request] = deque()
        """Requests whose head is whole, oldest first; only the last can be incomplete."""
        self.error: RequestRefused | None = None
        self.after_upgrade = b""
        """What followed a bodiless request that asked to switch protocols."""
        self.mid_head = False
        """Some bytes of a head have arrived, but not all."""
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._headers: Headers = []
        self._fed_bytes = 0
        self._in_body = False
        self._ended = False
        self._replaying = False

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes. Never raises: what is refused is left in ``error`` or in the request."""
        if self._ended:
            return
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on_without_upgrade(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserCallbackError:
            self._refuse(self.error or bad_request("The request is malformed."))
        except httptools.HttpParserInvalidMethodError:
            self._refuse(RequestRefused(501, "not_implemented", "The method is not supported."))
        except httptools.HttpParserError as error:
            self._refuse(bad_request(f"The request is malformed: {error}."))
        else:
            if self._in_body or self.mid_head:
                self._check_sizes()

    def _refuse(self, refusal: RequestRefused) -> None:
        self._ended = True
        if self._in_body:
            self._request.error = self._request.error or refusal
        self.error = self.error or refusal

    def _stop(self, refusal: RequestRefused) -> RequestRefused:
        # httptools swallows what a callback raises, so the reason is kept beside it.
        self.error = refusal
        return refusal

    def _check_sizes(self) -> None:
        limits, request = self._limits, self._request
        if self._in_body:
            if request.chunked:
                head_bytes = limits.max_header_bytes + limits.max_request_line_bytes
                sizes_bytes = _WIRE_BYTES_PER_CHUNK * (request.small_chunks + 1)
                sizes_bytes += (
                    _WIRE_BYTES_PER_CHUNK * request.body_bytes // limits.small_chunk_bytes
                )
                framing_bytes = self._fed_bytes - request.body_bytes - head_bytes - sizes_bytes
                if framing_bytes > limits.max_chunk_framing_bytes:
                    self._refuse(bad_request("Chunk extensions or trailers are too large."))
            return
        if self._fed_bytes > limits.max_header_bytes + limits.max_request_line_bytes:
            self._refuse(bad_request("The request head is too large."))

    def _read_on_without_upgrade(self, rest: bytes) -> None:
        # We never switch protocols. llhttp skips the body of a request that asks to, so the body is
        # read again behind a head of our own, which only tells the parser how long it is.
        request = self._request
        self._ended = request.complete
        if request.complete:
            self.after_upgrade = rest
            return
        self._replaying = True
        self._parser = httptools.HttpRequestParser(self)
        framing = b"transfer-encoding: chunked"
        if request.content_length is not None:
            framing = b"content-length: %d" % request.content_length
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        self.feed(rest)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self._replaying:
            return
        request = self._request = Request()
        self._headers = request.headers
        self._in_body = False
        self.mid_head = True

    def on_url(self, url: bytes) -> None:
        if self._replaying:
            return
        request = self._request
        request.target += url
        if len(request.target) > self._limits.max_request_line_bytes:
            raise self._stop(bad_request("The request line is too long."))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # Trailers may not change how a request is judged, so they are not kept.
        # llhttp lets only visible characters, spaces and tabs through, so a bare rstrip takes no more.
        self._headers.append((_LOWERED.get(name) or _lowered(name), value.rstrip()))

    def on_headers_complete(self) -> None:
        if self._replaying:
            return
        request, limits = self._request, self._limits
        request.method = self._parser.get_method()
        if request.method not in limits.methods:
            raise self._stop(RequestRefused(405, "method_not_allowed", "Method not allowed."))
        headers = self._headers
        if len(headers) > limits.max_headers or (
            self._fed_bytes > limits.max_header_bytes and _size(headers) > limits.max_header_bytes
        ):
            raise self._stop(bad_request("The request has too many or too large headers."))
        self._judge(request, dict(headers))
        self._judge_version(request)
        request.keep_alive = self._parser.should_keep_alive() and not request.upgrades
        if request.target[:1] != b"/" or b"#" in request.target:
            self._judge_target(request)
        if len(self.ready) >= limits.max_pipelined_requests:
            raise self._stop(bad_request("Too many requests were sent without waiting."))
        self._in_body = True
        self.mid_head = False
        self.ready.append(request)

    def _judge(self, request: Request, named: dict[bytes, bytes]) -> None:
        if _REFUSED_NAME in named:
            raise self._stop(bad_request("A header name holds an underscore."))
        if len(named) < len(self._headers):
            self._judge_repeated()
        if b"host" in named:
            request.host = named[b"host"]
            if not _HOST.match(request.host):
                raise self._stop(bad_request("The Host header is malformed."))
        if b"content-length" in named:
            # llhttp refused anything but digits, and a second one.
            length = request.content_length = int(named[b"content-length"])
            if length > self._limits.max_body_bytes:
                request.error = BodyTooLarge(self._limits.max_body_bytes)
        elif b"transfer-encoding" in named:
            if named[b"transfer-encoding"].lower() != b"chunked":
                raise self._stop(bad_request("The only transfer encoding taken is chunked."))
            request.chunked = True
        if b"expect" in named:
            if named[b"expect"].lower() != b"100-continue":
                raise self._stop(bad_request("The only expectation taken is 100-continue."))
            request.expects_continue = True
        if b"upgrade" in named:
            request.upgrades = True

    def _judge_repeated(self) -> None:
        seen: set[bytes] = set()
        for name, _ in self._headers:
            if name in _SINGLE and name in seen:
                raise self._stop(bad_request(f"The header {name.decode()} is repeated."))
            seen.add(name)

    def _judge_version(self, request: Request) -> None:
        version = self._parser.get_http_version()
        if version == "1.1":
            if request.host is None:
                raise self._stop(bad_request("The Host header is missing."))
        elif version == "1.0":
            request.http_1_0 = True
            if request.chunked:
                raise self._stop(bad_request("HTTP/1.0 has no transfer encodings."))
        else:
            raise self._stop(bad_request("The HTTP version is not supported."))

    def _judge_target(self, request: Request) -> None:
        if b"#" in request.target:
            raise self._stop(bad_request("The request target holds a fragment."))
        if request.target == b"*" and request.method == b"OPTIONS":
            return
        absolute = _ABSOLUTE.match(request.target)
        if absolute is None:
            raise self._stop(bad_request("The request target is malformed."))
        authority, rest = absolute.groups()
        # Two names for one request is what smuggling is made of, so they must agree.
        if b"@" in authority or (request.host or authority).lower() != authority.lower():
            raise self._stop(bad_request("The request target names another host."))
        request.target = rest if rest[:1] == b"/" else b"/" + rest

    def on_body(self, body: bytes) -> None:
        request = self._request
        request.body_bytes += len(body)
        request.chunk_bytes += len(body)
        if request.body_bytes > self._limits.max_body_bytes:
            request.error = BodyTooLarge(self._limits.max_body_bytes)
            raise self._stop(request.error)
        request.pieces.append(body)

    def on_chunk_complete(self) -> None:
        request = self._request
        if request.chunk_bytes < self._limits.small_chunk_bytes:
            request.small_chunks += 1
            if request.small_chunks > self._limits.max_small_chunks:
                raise self._stop(bad_request("The request body is cut into too small chunks."))
        request.chunk_bytes = 0

    def on_message_complete(self) -> None:
        request = self._request
        if request.upgrades and self._parser.should_upgrade() and self._awaits_body(request):
            return
        request.complete = True
        self._replaying = False
        self._in_body = False
        self._fed_bytes = 0

    @staticmethod
    def _awaits_body(request: Request) -> bool:
        return request.chunked or bool(request.content_length)
