"""Answers that a key may get again for the very same request, in memory and bounded. Off unless a key asks for it."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MAX_ANSWER_BYTES = 1024 * 1024
MAX_STORE_BYTES = 64 * 1024 * 1024
Headers = list[tuple[bytes, bytes]]


class Kept(NamedTuple):
    """An answer as the provider gave it."""

    status: int
    headers: Headers
    pieces: tuple[bytes, ...]
    until_s: float
    size_bytes: int


class Replay:
    """A kept answer, read again like one that comes from a provider."""

    def __init__(self, kept: Kept) -> None:
        self.status = kept.status
        self.headers = kept.headers
        self.is_whole = False
        self._pieces = list(kept.pieces)

    async def next_chunks(self) -> list[bytes] | None:
        """Return all pieces, then None."""
        self.is_whole = True
        pieces, self._pieces = self._pieces, []
        return pieces or None

    def abort(self) -> None:
        """There is nothing to stop."""


class AnswerStore:
    """The answers of one worker, least recently used first; what is too old or too much is dropped."""

    def __init__(self, max_bytes: int = MAX_STORE_BYTES) -> None:
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._max_bytes = max_bytes
        self.size_bytes = 0

    def find(self, key: Hashable, now_s: float) -> Kept | None:
        """Return the answer to a request, if there is one that is not too old."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until_s <= now_s:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(self, key: Hashable, kept: Kept) -> None:
        """Keep an answer, unless it is too large."""
        if kept.size_bytes > MAX_ANSWER_BYTES:
            return
        self._drop(key)
        self._kept[key] = kept
        self.size_bytes += kept.size_bytes
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size_bytes -= kept.size_bytes
