"""Undoes the content coding of a request body, within the size that an uncoded one may have."""

import zlib

import brotli
import zstandard

from core.fault import Fault, Refused

_STEP_BYTES = 64 * 1024
_MAX_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
_ZLIB_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 47}


def decoded(body: bytes, coding: bytes, max_bytes: int) -> bytes:
    """Return the body without its coding. Raises Refused: BAD_REQUEST, PAYLOAD_TOO_LARGE."""
    coding = coding.strip().lower()
    if coding in (b"", b"identity"):
        return body
    if coding in _ZLIB_BITS:
        return _inflated(body, _ZLIB_BITS[coding], max_bytes)
    if coding == b"br":
        return _unbrotlied(body, max_bytes)
    if coding == b"zstd":
        return _unzstded(body, max_bytes)
    raise Refused(
        Fault.BAD_REQUEST,
        "The content coding of the body is not supported; use gzip, deflate, br, zstd or none.",
    )


def _inflated(body: bytes, bits: int, max_bytes: int) -> bytes:
    inflate = zlib.decompressobj(bits)
    try:
        # One byte more than allowed tells a body that fits from one that was cut.
        data = inflate.decompress(body, max_bytes + 1)
    except zlib.error:
        raise _broken() from None
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    if not inflate.eof:
        raise _broken()
    return data


def _unbrotlied(body: bytes, max_bytes: int) -> bytes:
    decompressor = brotli.Decompressor()
    pieces, size_bytes = [], 0
    try:
        piece = decompressor.process(body, output_buffer_limit=_STEP_BYTES)
        while True:
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                raise _too_large(max_bytes)
            pieces.append(piece)
            if decompressor.is_finished():
                return b"".join(pieces)
            if decompressor.can_accept_more_data() and not piece:
                raise _broken()
            piece = decompressor.process(b"", output_buffer_limit=_STEP_BYTES)
    except brotli.error:
        raise _broken() from None


def _unzstded(body: bytes, max_bytes: int) -> bytes:
    """Return what one or more frames hold. The size that a frame promises is not believed, but counted."""
    # A frame may ask for a window of gigabytes; RFC 9659 allows 8 MB for this coding.
    reader = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES).stream_reader(
        body, read_across_frames=True
    )
    pieces, size_bytes = [], 0
    try:
        while piece := reader.read(_STEP_BYTES):
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                raise _too_large(max_bytes)
            pieces.append(piece)
        if reader.read(1):
            raise _broken()
    except zstandard.ZstdError:
        raise _broken() from None
    return b"".join(pieces)


def _broken() -> Refused:
    return Refused(Fault.BAD_REQUEST, "The body is not in the content coding that it names.")


def _too_large(max_bytes: int) -> Refused:
    return Refused(Fault.PAYLOAD_TOO_LARGE, f"The body is larger than {max_bytes} bytes.")
