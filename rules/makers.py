"""Remembers which account made the sealed parts of an answer, so that they go back to it. Opens none of them.

Encrypted reasoning, signatures of thinking and thought signatures mean something to whoever made them
and to nobody else. Only a number made from the beginning of each is kept, with the account's id.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Protocol

MAX_REMEMBERED = 20_000
MOST_LOOKED_AT = 16
"""The newest sealed parts of a request decide; older ones were made by the same account or are moot."""
_HEAD_CHARACTERS = 160
_LEAST_CHARACTERS = 16
_NAMES = (b"ignature", b"encrypted_content", b"redacted_thinking")
_NAMES_IN: Mapping[str, tuple[bytes, ...]] = {
    "anthropic_messages": (b"ignature", b"redacted_thinking"),
    "openai_responses": (b"encrypted_content",),
    "gemini": (b"ignature",),
}
"""What the names of sealed parts have in them, by the dialect; any of them in other dialects."""
_LATEST_BYTES = 64 * 1024
"""The newest part is looked for in this much of a request first."""
_SEALED = re.compile(
    rb'"(?:encrypted_content|signature|thoughtSignature|thought_signature|data)"[ \t\r\n]*+:[ \t\r\n]*+"'
    rb'(?:([A-Za-z0-9+/_:.-]{%d})|([A-Za-z0-9+/_:.-]{%d,}+)(?=["\\=]))'
    % (_HEAD_CHARACTERS, _LEAST_CHARACTERS)
)
_KEPT_TAIL_BYTES = _HEAD_CHARACTERS + 64


def has_sealed(body: bytes, dialect: str) -> bool:
    """Say whether a text may hold sealed parts; cheap, and never wrong when it says no."""
    # From the end: there the newest is, and a long text is gone through thrice as fast that way.
    for name in _NAMES_IN.get(dialect, _NAMES):  # noqa: SIM110
        if body.rfind(name) >= 0:
            return True
    return False


def sealed_parts(text: bytes) -> Iterator[bytes]:
    """Yield the beginning of each sealed part of a JSON text, in order."""
    for found in _SEALED.finditer(text):
        yield found[1] or found[2]


class Shared(Protocol):
    """What several workers know together."""

    def put(self, vk_id: str, part: bytes, account_id: str) -> None:
        """Note who made a part."""

    def get(self, vk_id: str, part: bytes) -> str | None:
        """Return who made a part; None when that is not known."""


class Makers:
    """Which account made which sealed part, for the keys of one worker. Bounded; the oldest go first.

    What ``shared`` knows, other workers have seen, or this one before it was started anew.
    """

    def __init__(self, most: int = MAX_REMEMBERED, shared: Shared | None = None) -> None:
        self._most = most
        self._shared = shared
        self._made_by: OrderedDict[int, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._made_by)

    def remember(self, vk_id: str, part: bytes, account_id: str) -> None:
        """Note who made a part of an answer to a key."""
        number = hash((vk_id, part))
        if self._shared is not None and self._made_by.get(number) != account_id:
            self._shared.put(vk_id, part, account_id)
        self._made_by[number] = account_id
        self._made_by.move_to_end(number)
        if len(self._made_by) > self._most:
            self._made_by.popitem(last=False)

    def maker_of(self, vk_id: str, body: bytes) -> str | None:
        """Return the account that made the newest sealed part known of a request; None when none is known."""
        made_by = self._maker_in(vk_id, body[-_LATEST_BYTES:])
        if made_by is None and len(body) > _LATEST_BYTES:
            made_by = self._maker_in(vk_id, body)
        return made_by

    def _maker_in(self, vk_id: str, text: bytes) -> str | None:
        newest = list(sealed_parts(text))[-MOST_LOOKED_AT:]
        for part in reversed(newest):
            made_by = self._made_by.get(hash((vk_id, part)))
            if made_by is None and self._shared is not None:
                made_by = self._shared.get(vk_id, part)
            if made_by is not None:
                return made_by
        return None


class Watch:
    """Notes the sealed parts of one answer as its pieces pass, wherever they are cut."""

    __slots__ = ("_account_id", "_dialect", "_makers", "_tail", "_vk_id")

    def __init__(self, makers: Makers, vk_id: str, account_id: str, dialect: str) -> None:
        self._makers = makers
        self._vk_id = vk_id
        self._account_id = account_id
        self._dialect = dialect
        self._tail = b""

    def see(self, pieces: list[bytes]) -> None:
        """Look at pieces that the client gets."""
        text = b"".join([self._tail, *pieces])
        if has_sealed(text, self._dialect):
            for part in sealed_parts(text):
                self._makers.remember(self._vk_id, part, self._account_id)
        self._tail = text[-_KEPT_TAIL_BYTES:]
