"""Cuts a byte stream into server-sent events, wherever the network cut it. Reads no event.

Source: the WHATWG HTML standard, 9.2: lines end with CRLF, LF or CR, an empty line ends an event.
"""

import re
from typing import NamedTuple

_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LONGEST_END_BYTES = 4
_ORDER_MARK = b"\xef\xbb\xbf"
HEAD_BYTES = 256
END_BYTES = 4096


class Skipped(NamedTuple):
    """What is kept of an event that was too long: the bytes at its two ends."""

    head: bytes
    end: bytes


class EventSplitter:
    """Returns each event, with its closing empty line, once it is whole.

    An unfinished event longer than ``limit_bytes`` is not kept: ``skipped_bytes`` says how many of its
    bytes have gone by, and splitting goes on behind its end.
    """

    __slots__ = ("_end", "_head", "_limit_bytes", "_scanned", "_tail", "skipped", "skipped_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._tail = bytearray()
        self._scanned = 0
        self.skipped_bytes = 0
        """Bytes of the oversized event under way; 0 when there is none."""
        self.skipped: list[Skipped] = []
        """The oversized events that have gone by; whoever reads them takes them out."""
        self._head = self._end = b""

    @property
    def tail(self) -> bytes:
        """What has arrived of the event under way, unless it is oversized."""
        return b"" if self.skipped_bytes else bytes(self._tail)

    @property
    def at_boundary(self) -> bool:
        """Between two events."""
        return not self._tail and not self.skipped_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that ``chunk`` completes, in order, without one that was skipped."""
        if not self._tail and chunk.endswith(b"\n\n") and b"\r" not in chunk:
            events = chunk.split(b"\n\n")
            # Of three line ends in a row the last one opens the next event.
            self._tail += events.pop()
            return [event + b"\n\n" for event in events]
        return self._split(chunk)

    def _split(self, chunk: bytes) -> list[bytes]:
        tail = self._tail
        tail += chunk
        events: list[bytes] = []
        begin = 0
        while (end := _EVENT_END.search(tail, max(begin, self._scanned))) is not None:
            self._scanned = 0
            if self.skipped_bytes:
                self.skipped_bytes = 0
                rest = bytes(tail[begin : end.end()])
                self.skipped.append(Skipped(self._head, (self._end + rest)[-END_BYTES:]))
            else:
                events.append(bytes(tail[begin : end.end()]))
            begin = end.end()
        del tail[:begin]
        if len(tail) > self._limit_bytes or self.skipped_bytes:
            if not self.skipped_bytes:
                self._head, self._end = bytes(tail[:HEAD_BYTES]), b""
            keep = min(_LONGEST_END_BYTES - 1, len(tail))
            self.skipped_bytes += len(tail) - keep
            self._end = (self._end + bytes(tail[: len(tail) - keep]))[-END_BYTES:]
            del tail[: len(tail) - keep]
        # The line end before the cut may be half of the empty line.
        self._scanned = max(len(tail) - _LONGEST_END_BYTES + 1, 0)
        return events


def data_of(event: bytes) -> bytes | None:
    """Return the data of an event, its lines joined, or None when it has none (comments, bare fields)."""
    if event.startswith(_ORDER_MARK):
        # Readers skip one at the beginning of a stream.
        event = event[len(_ORDER_MARK) :]
    lines = event.splitlines()
    found = [line[5:] for line in lines if line.startswith(b"data:")]
    if not found:
        return None
    if len(found) == 1:
        return found[0].removeprefix(b" ")
    return b"\n".join(line.removeprefix(b" ") for line in found)
