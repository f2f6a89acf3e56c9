"""Cuts a JSON array that arrives in pieces into its elements, wherever the network cut it. Reads none."""

import re

from proxy.dialects.event_stream import END_BYTES, HEAD_BYTES, Skipped

_OUTSIDE = re.compile(rb'[{}\[\]"]')
_INSIDE = re.compile(rb'["\\]')


class ArraySplitter:
    """Returns each object of the outermost array once it is whole.

    An element longer than ``limit_bytes`` is not kept, only counted; ``skipped`` tells of it.
    """

    __slots__ = (
        "_depth",
        "_element",
        "_head",
        "_hides_next",
        "_in_text",
        "_limit_bytes",
        "_skips",
        "is_closed",
        "skipped",
    )

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._depth = 0
        self._in_text = False
        self._hides_next = False
        self._skips = False
        self._element = bytearray()
        self._head = b""
        self.is_closed = False
        """The array's closing bracket has passed."""
        self.skipped: list[Skipped] = []
        """The elements that were too long; whoever reads them takes them out."""

    @property
    def at_boundary(self) -> bool:
        """Within the array, between two elements."""
        return self._depth == 1 and not self.is_closed

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the elements that ``chunk`` completes, in order, without those that were too long."""
        elements: list[bytes] = []
        kept, position = 0, int(self._hides_next and bool(chunk))
        self._hides_next = self._hides_next and not chunk
        while position < len(chunk):
            if self._in_text:
                position = self._leave_text(chunk, position)
                continue
            found = _OUTSIDE.search(chunk, position)
            if found is None:
                break
            position = found.end()
            mark = chunk[position - 1]
            if mark == 0x22:
                self._in_text = True
            elif mark in b"{[":
                self._depth += 1
                if self._depth == 2:
                    kept = position - 1
            else:
                self._depth -= 1
                if self._depth == 1:
                    self._keep(chunk[kept:position])
                    self._end(elements)
                elif self._depth <= 0:
                    self.is_closed = True
        if self._depth >= 2:
            self._keep(chunk[kept:])
        return elements

    def _leave_text(self, chunk: bytes, position: int) -> int:
        """Return where to go on, within a text; a backslash hides the byte behind it."""
        found = _INSIDE.search(chunk, position)
        if found is None:
            return len(chunk)
        if chunk[found.start()] == 0x22:
            self._in_text = False
            return found.end()
        self._hides_next = found.end() == len(chunk)
        return found.end() + 1

    def _keep(self, piece: bytes) -> None:
        self._element += piece
        if self._skips:
            del self._element[:-END_BYTES]
        elif len(self._element) > self._limit_bytes:
            self._skips = True
            self._head = bytes(self._element[:HEAD_BYTES])
            del self._element[:-END_BYTES]

    def _end(self, elements: list[bytes]) -> None:
        if self._skips:
            self.skipped.append(Skipped(self._head, bytes(self._element)))
        else:
            elements.append(bytes(self._element))
        self._element.clear()
        self._skips = False
