"""Decodes AWS event streams: length-prefixed messages with checksums, whatever pieces they arrive in. Reads no socket.

Each message is a prelude (total length, length of the headers, their CRC32), headers, a payload and the
CRC32 of all before it; numbers are big-endian.
"""

import struct
import zlib
from typing import NamedTuple

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_TEXT = 7
_FIXED_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Header value types other than byte strings (6) and texts (7), and how long they are."""
_BYTES = 6
MAX_MESSAGE_BYTES = 16 * 1024 * 1024 + 128 * 1024
"""What AWS itself allows; a longer message is a broken or hostile peer."""
_LEAST_BYTES = _PRELUDE.size + _CRC.size


class BadEventStream(ValueError):
    """What arrived is not an event stream, or was damaged on the way."""


class EventMessage(NamedTuple):
    """One message. Of its headers those that are texts are kept."""

    headers: dict[str, str]
    payload: bytes


class EventDecoder:
    """Collects pieces into messages."""

    def __init__(self, limit_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._buffer = bytearray()
        self._limit_bytes = limit_bytes
        self._wanted_bytes = 0

    @property
    def is_empty(self) -> bool:
        """No message has begun that has not ended."""
        return not self._buffer

    def feed(self, data: bytes) -> list[EventMessage]:
        """Return the messages that a piece completes. Raises BadEventStream."""
        buffer = self._buffer
        buffer += data
        found: list[EventMessage] = []
        while len(buffer) >= _PRELUDE.size:
            total = self._wanted_bytes or self._total_bytes()
            if len(buffer) < total:
                self._wanted_bytes = total
                break
            found.append(_message(bytes(buffer[:total])))
            del buffer[:total]
            self._wanted_bytes = 0
        return found

    def _total_bytes(self) -> int:
        total, headers, crc = _PRELUDE.unpack_from(self._buffer)
        if zlib.crc32(self._buffer[: _PRELUDE.size - _CRC.size]) != crc:
            raise BadEventStream("a message's prelude has a wrong checksum")
        if total < _LEAST_BYTES + headers:
            raise BadEventStream("a message is shorter than its own headers")
        if total > self._limit_bytes:
            raise BadEventStream(f"a message is longer than {self._limit_bytes} bytes")
        return int(total)


def _message(data: bytes) -> EventMessage:
    if zlib.crc32(data[: -_CRC.size]) != _CRC.unpack_from(data, len(data) - _CRC.size)[0]:
        raise BadEventStream("a message has a wrong checksum")
    ends = _PRELUDE.size + _PRELUDE.unpack_from(data)[1]
    return EventMessage(_headers(data[_PRELUDE.size : ends]), data[ends : -_CRC.size])


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    try:
        while position < len(data):
            starts = position + 1 + data[position]
            name = data[position + 1 : starts].decode()
            kind = data[starts]
            position = starts + 1
            if kind in (_BYTES, _TEXT):
                length = int.from_bytes(data[position : position + 2], "big")
                value = data[position + 2 : position + 2 + length]
                if len(value) != length:
                    raise BadEventStream("a message's header is cut")
                if kind == _TEXT:
                    found[name] = value.decode()
                position += 2 + length
            else:
                position += _FIXED_BYTES[kind]
    except (IndexError, KeyError, UnicodeDecodeError):
        raise BadEventStream("a message's headers can't be read") from None
    return found
