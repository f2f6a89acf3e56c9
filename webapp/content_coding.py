"""Undoes the content coding of a request body, never past a limit. Knows nothing of what is inside."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli

_GZIP_BITS = 31
_ZLIB_BITS = 15
_RAW_BITS = -15
_STEP_BYTES = 16 * 1024
# Tools that compress in blocks of 64 kB need a sixth of that for the largest body.
_MOST_MEMBERS = 1000


class CodingError(ValueError):
    """The body can't be decoded; the text says why, for whoever sent it."""


def decoded(body: bytes, coding: str, limit_bytes: int) -> bytes:
    """Return the body without its coding: gzip, deflate, br or none. Raises CodingError.

    No more than ``limit_bytes`` are ever inflated, so a small body can't fill memory.
    """
    name = coding.strip().lower() or "identity"
    decode = _CODINGS.get(name)
    if decode is None:
        raise CodingError(
            f"The content coding {name[:40]!r} is not known; use gzip, deflate or br."
        )
    if len(body) > limit_bytes:
        raise CodingError(f"The body is larger than {limit_bytes} bytes.")
    plain = decode(body, limit_bytes)
    if len(plain) > limit_bytes:
        raise CodingError(f"The body inflates to more than {limit_bytes} bytes.")
    return plain


def _identity(body: bytes, _: int) -> bytes:
    return body


def _gzip(body: bytes, limit_bytes: int) -> bytes:
    """Inflate one member after the other. What follows a member is copied each time, so a step is all that may."""
    left, plain, members = memoryview(body), bytearray(), 0
    while left:
        members += 1
        if members > _MOST_MEMBERS:
            raise CodingError(f"The body has more than {_MOST_MEMBERS} compressed parts.")
        stream = zlib.decompressobj(_GZIP_BITS)
        while not stream.eof:
            if not left:
                raise CodingError("The compressed body ends too early.")
            step = left[:_STEP_BYTES]
            try:
                plain += stream.decompress(step, limit_bytes + 1 - len(plain))
            except zlib.error:
                raise CodingError("The compressed body is damaged.") from None
            if len(plain) > limit_bytes:
                return bytes(plain)
            left = left[len(step) - len(stream.unused_data) :]
    return bytes(plain)


def _deflate(body: bytes, limit_bytes: int) -> bytes:
    # RFC 9110 means zlib's format by deflate; some senders leave its two-byte head out.
    is_zlib = len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2]) % 31 == 0
    return _inflated(body, _ZLIB_BITS if is_zlib else _RAW_BITS, limit_bytes + 1)


def _inflated(body: bytes, bits: int, most_bytes: int) -> bytes:
    """Return what the first stream of a body holds, at most ``most_bytes`` of it."""
    stream = zlib.decompressobj(bits)
    try:
        plain = stream.decompress(body, most_bytes)
    except zlib.error:
        raise CodingError("The compressed body is damaged.") from None
    if not stream.eof and len(plain) < most_bytes:
        raise CodingError("The compressed body ends too early.")
    return plain


def _brotli(body: bytes, limit_bytes: int) -> bytes:
    stream = brotli.Decompressor()
    try:
        plain: bytes = stream.process(body, output_buffer_limit=limit_bytes + 1)
    except brotli.error:
        raise CodingError("The compressed body is damaged.") from None
    if not stream.is_finished() and len(plain) <= limit_bytes:
        raise CodingError("The compressed body ends too early.")
    return plain


_CODINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "identity": _identity,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
}
