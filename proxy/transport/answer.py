"""Encodes answers as HTTP/1.1 bytes: status line, headers, framing. Sends nothing."""

from collections.abc import Iterable
from http import HTTPStatus

import orjson

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}
CHUNK_END = b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

CONNECTION_HEADERS = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that belong to one connection (RFC 9110, 7.6.1); a relay passes none of them on."""


class BadAnswer(ValueError):
    """The application's headers would break the framing: a programmer's mistake or an injection."""


def status_line(status: int) -> bytes:
    """Return the status line, also for a code without a registered phrase."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def header_block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the headers as lines. Raises BadAnswer when a value would start a line of its own."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    return join_lines(parts)


def join_lines(parts: list[bytes]) -> bytes:
    """Return header lines made of four parts each: name, colon, value, line end. Raises BadAnswer."""
    block = b"".join(parts)
    lines = len(parts) // 4
    if block.count(b"\n") != lines or block.count(b"\r") != lines or b"\0" in block:
        raise BadAnswer("a response header holds a line break or a NUL")
    return block


def chunk(data: bytes) -> bytes:
    """Return one HTTP chunk. ``data`` must not be empty: an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def refusal(status: int, code: str, message: str) -> bytes:
    """Return a whole closing answer with a JSON error body."""
    body = orjson.dumps({"error": {"type": code, "code": code, "message": message}})
    return (
        b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
        % (status_line(status), len(body), body)
    )
