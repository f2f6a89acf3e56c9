"""Reads usage off an answer while it passes. Changes nothing; ``HidingMeter`` alone drops what we asked for.

Memory is bounded whatever the provider sends: an event or a body beyond its limit is counted, not kept.
"""

import zlib
from typing import Protocol

from proxy.dialects.dialect import MAX_METERED_EVENT_BYTES, UNREADABLE, Dialect, Reading
from proxy.dialects.event_stream import EventSplitter
from proxy.dialects.json_array import ArraySplitter
from proxy.dialects.readings import (
    is_usage_only,
    note_skipped,
    problem_in,
    problem_with,
    usage_at_end,
    without_halves,
)
from proxy.splice import without_null_usage

MAX_HELD_EVENT_BYTES = 1024 * 1024
MAX_BODY_COPY_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 16 * 1024
MAX_INFLATED_BYTES = 64 * 1024 * 1024
"""What is decoded of one compressed answer; beyond it the answer is estimated."""


class Meter(Protocol):
    """What the relay needs of a reader."""

    reading: Reading

    @property
    def malformed(self) -> str:
        """What is wrong with the event that ``take`` held back; empty while all is well."""

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Read the pieces; return those that may go to the client, none from a malformed event on."""

    def finish(self) -> list[bytes]:
        """Read what the end of the body completes; return what is still to be sent."""

    @property
    def is_whole(self) -> bool:
        """A clean end of the body here is the end of a whole answer."""

    @property
    def at_boundary(self) -> bool:
        """What the client has got so far ends between two events."""


class StreamMeter:
    """Reads a stream of events; every piece passes as it is."""

    __slots__ = (
        "_dialect",
        "_read_event",
        "_splitter",
        "at_boundary",
        "malformed",
        "reading",
    )

    def __init__(self, dialect: Dialect) -> None:
        self.reading = Reading()
        self.malformed = ""
        self.at_boundary = True
        self._read_event = dialect.read_event
        self._dialect = dialect
        self._splitter = EventSplitter(dialect.max_event_bytes)

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Read the pieces; return them, or those before the first malformed event."""
        splitter = self._splitter
        for number, piece in enumerate(pieces):
            for event in splitter.feed(piece):
                self.malformed = problem_in(self._read_event, event, self.reading)
                if self.malformed:
                    return pieces[:number]
            self.at_boundary = splitter.at_boundary
            if splitter.skipped_bytes and self._dialect.read_skipped is None:
                self.reading.visible_bytes += len(piece)
            if splitter.skipped:
                note_skipped(self._dialect, splitter.skipped, self.reading)
        return pieces

    def finish(self) -> list[bytes]:
        """Read a last event that lacks its empty line; all of it has been passed on already."""
        tail = self._splitter.tail
        if tail.strip():
            problem_in(self._read_event, tail, self.reading)
        return []

    @property
    def is_whole(self) -> bool:
        """A clean end of the body here is the end of a whole answer."""
        return self.reading.may_end


class HidingMeter:
    """Reads a stream whose usage the gateway asked for and the client did not: passes whole events only,
    without the event that holds the usage and without ``"usage":null`` in the others."""

    __slots__ = ("_read_event", "_splitter", "malformed", "reading")

    def __init__(self, dialect: Dialect) -> None:
        self.reading = Reading()
        self.malformed = ""
        self._read_event = dialect.read_event
        self._splitter = EventSplitter(MAX_HELD_EVENT_BYTES)

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Read the pieces; return the events they complete, those of one piece as one piece."""
        splitter = self._splitter
        passed = []
        for piece in pieces:
            was_oversized = splitter.skipped_bytes > 0
            held = splitter.tail
            events = splitter.feed(piece)
            if was_oversized or splitter.skipped_bytes:
                shown = self._oversized(held + piece, events)
            else:
                shown = b"".join([self._shown(event) for event in events if not self.malformed])
            if shown:
                passed.append(shown)
            if self.malformed:
                break
        return passed

    def _oversized(self, data: bytes, events: list[bytes]) -> bytes:
        # Too long to be held: it passes as it comes, and whole events beside it in the same piece too.
        for event in events:
            problem_in(self._read_event, event, self.reading)
        self.reading.visible_bytes += len(data)
        return data[: len(data) - len(self._splitter.tail)]

    def _shown(self, event: bytes) -> bytes:
        self.malformed = problem_in(self._read_event, event, self.reading)
        if self.malformed:
            return b""
        if b'"usage"' not in event:
            return event
        return b"" if is_usage_only(event) else without_null_usage(event)

    def finish(self) -> list[bytes]:
        """Return the last event when it lacks its empty line."""
        tail = self._splitter.tail
        shown = self._shown(tail) if tail.strip() else tail
        return [shown] if shown else []

    @property
    def is_whole(self) -> bool:
        """A clean end of the body here is the end of a whole answer."""
        return self.reading.may_end

    @property
    def at_boundary(self) -> bool:
        """False only within an oversized event: all others are held until they are whole."""
        return not self._splitter.skipped_bytes


class ArrayMeter:
    """Reads a stream that is one JSON array, an element an event; every piece passes as it is."""

    def __init__(self, dialect: Dialect) -> None:
        self.reading = Reading()
        self.malformed = ""
        self.has_elements = False
        self._dialect = dialect
        self._splitter = ArraySplitter(dialect.max_event_bytes)

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Read the pieces; return them, or those before the first malformed element."""
        splitter, dialect = self._splitter, self._dialect
        for number, piece in enumerate(pieces):
            for element in splitter.feed(piece):
                self.malformed = problem_with(dialect.read_event, element, self.reading)
                if self.malformed:
                    return pieces[:number]
                self.has_elements = True
            if splitter.skipped:
                self.has_elements = True
                note_skipped(dialect, splitter.skipped, self.reading)
        return pieces

    def finish(self) -> list[bytes]:
        """Nothing is left."""
        return []

    @property
    def is_whole(self) -> bool:
        """A clean end of the body here is the end of a whole answer."""
        return self.reading.may_end and self._splitter.is_closed

    @property
    def at_boundary(self) -> bool:
        """What the client has got so far ends between two elements."""
        return self._splitter.at_boundary


class BodyMeter:
    """Keeps the pieces of an unstreamed answer, up to a limit, and reads them at its end.

    Of a longer one the end is kept, where a usage stands behind vectors or pictures.
    """

    __slots__ = ("_dialect", "_pieces", "_size_bytes", "_tail", "malformed", "reading")
    is_whole = True
    at_boundary = True

    def __init__(self, dialect: Dialect) -> None:
        self.reading = Reading()
        self.malformed = ""
        self._dialect = dialect
        self._pieces: list[bytes] = []
        self._tail = b""
        self._size_bytes = 0

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Keep the pieces, and return them."""
        for piece in pieces:
            self._size_bytes += len(piece)
        if self._size_bytes <= MAX_BODY_COPY_BYTES:
            self._pieces += pieces
        else:
            kept = b"".join([piece[-_TAIL_BYTES:] for piece in (*self._pieces[-1:], *pieces)])
            self._tail = (self._tail + kept)[-_TAIL_BYTES:]
            self._pieces.clear()
        if self._dialect.answers_text:
            self.reading.visible_bytes = self._size_bytes
        return pieces

    def finish(self) -> list[bytes]:
        """Read the copy. An answer that can't be read is estimated by its size."""
        pieces, reading = self._pieces, self.reading
        try:
            if pieces:
                body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                self._read(body)
            elif self._tail:
                reading.usage = usage_at_end(self._tail, self._dialect.usage_member)
            reading.is_terminal = True
        except UNREADABLE:
            reading.usage = None
        return []

    def _read(self, body: bytes) -> None:
        try:
            self._dialect.read_body(body, self.reading)
        except UNREADABLE:
            self._dialect.read_body(without_halves(body), self.reading)


class InflatingMeter:
    """Decodes a copy of a compressed answer for another meter; the pieces pass as they are."""

    at_boundary = False
    """An event of ours can't be put into a compressed stream."""

    def __init__(self, inner: StreamMeter | ArrayMeter | BodyMeter) -> None:
        self.reading = inner.reading
        self._inner = inner
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._left_bytes = MAX_INFLATED_BYTES

    @property
    def malformed(self) -> str:
        """What is wrong with an event."""
        return self._inner.malformed

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Read the decoded pieces; return the pieces, or those before the first malformed event."""
        for number, piece in enumerate(pieces):
            rest = piece
            while rest and self._left_bytes > 0 and not self._inflate.eof:
                try:
                    data = self._inflate.decompress(rest, MAX_METERED_EVENT_BYTES)
                except zlib.error:
                    self._left_bytes = 0
                    break
                self._left_bytes -= len(data)
                self._inner.take([data])
                rest = self._inflate.unconsumed_tail
            if self.malformed:
                return pieces[:number]
        return pieces

    def finish(self) -> list[bytes]:
        """Finish the inner meter; nothing is left to send."""
        return self._inner.finish()

    @property
    def is_whole(self) -> bool:
        """As the inner meter says; what could not be decoded is taken for whole."""
        return self._inner.is_whole or self._left_bytes <= 0


class BlindMeter:
    """Counts the bytes of an answer whose coding can't be read."""

    is_whole = True
    at_boundary = False

    def __init__(self) -> None:
        self.reading = Reading()
        self.malformed = ""

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Count the pieces, and return them."""
        self.reading.visible_bytes += sum(map(len, pieces))
        return pieces

    def finish(self) -> list[bytes]:
        """Nothing is left."""
        return []


def meter_for(
    dialect: Dialect,
    headers: list[tuple[bytes, bytes]],
    hides_usage: bool,
    is_streamed: bool = False,
) -> Meter:
    """Return the meter for an answer with these headers (names in lower case)."""
    media = coding = b""
    for name, value in headers:
        if name == b"content-type":
            media = value.partition(b";")[0].strip().lower()
        elif name == b"content-encoding":
            coding = value.strip().lower()
    if coding in (b"", b"identity"):
        if hides_usage and media == _EVENTS:
            return HidingMeter(dialect)
        return _plain_meter(dialect, media, is_streamed)
    if coding in (b"gzip", b"x-gzip", b"deflate"):
        return InflatingMeter(_plain_meter(dialect, media, is_streamed))
    return BlindMeter()


_EVENTS = b"text/event-stream"


def _plain_meter(
    dialect: Dialect, media: bytes, is_streamed: bool
) -> StreamMeter | ArrayMeter | BodyMeter:
    if media == _EVENTS:
        return StreamMeter(dialect)
    return ArrayMeter(dialect) if is_streamed and dialect.streams_arrays else BodyMeter(dialect)
