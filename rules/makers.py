"""Remembers which account made the sealed parts of an answer, so that they go back to it. Opens none of them.

Encrypted reasoning, signatures of thinking and thought signatures mean something to whoever made them
and to nobody else. Only a number made from the beginning of each is kept, with the account's id.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator

MAX_REMEMBERED = 20_000
MOST_LOOKED_AT = 16
"""The newest sealed parts of a request decide; older ones were made by the same account or are moot."""
_HEAD_CHARACTERS = 160
_LEAST_CHARACTERS = 16
_NAMES = (
    b"encrypted_content",
    b"signature",
    b"redacted_thinking",
    b"thoughtSignature",
)
_SEALED = re.compile(
    rb'"(?:encrypted_content|signature|thoughtSignature|thought_signature|data)"[ \t\r\n]*+:[ \t\r\n]*+"'
    rb'(?:([A-Za-z0-9+/_:.-]{%d})|([A-Za-z0-9+/_:.-]{%d,}+)(?=["\\=]))'
    % (_HEAD_CHARACTERS, _LEAST_CHARACTERS)
)
_KEPT_TAIL_BYTES = _HEAD_CHARACTERS + 64


def has_sealed(body: bytes) -> bool:
    """Say whether a text may hold sealed parts; cheap, and never wrong when it says no."""
    return any(name in body for name in _NAMES)


def sealed_parts(text: bytes) -> Iterator[bytes]:
    """Yield the beginning of each sealed part of a JSON text, in order."""
    for found in _SEALED.finditer(text):
        yield found[1] or found[2]


class Makers:
    """Which account made which sealed part, for the keys of one worker. Bounded; the oldest go first."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._most = most
        self._made_by: OrderedDict[int, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._made_by)

    def remember(self, vk_id: str, part: bytes, account_id: str) -> None:
        """Note who made a part of an answer to a key."""
        number = hash((vk_id, part))
        self._made_by[number] = account_id
        self._made_by.move_to_end(number)
        if len(self._made_by) > self._most:
            self._made_by.popitem(last=False)

    def maker_of(self, vk_id: str, body: bytes) -> str | None:
        """Return the account that made the newest sealed part known of a request; None when none is known."""
        newest = list(sealed_parts(body))[-MOST_LOOKED_AT:]
        for part in reversed(newest):
            made_by = self._made_by.get(hash((vk_id, part)))
            if made_by is not None:
                return made_by
        return None


class Watch:
    """Notes the sealed parts of one answer as its pieces pass, wherever they are cut."""

    __slots__ = ("_account_id", "_makers", "_tail", "_vk_id")

    def __init__(self, makers: Makers, vk_id: str, account_id: str) -> None:
        self._makers = makers
        self._vk_id = vk_id
        self._account_id = account_id
        self._tail = b""

    def see(self, pieces: list[bytes]) -> None:
        """Look at pieces that the client gets."""
        text = b"".join([self._tail, *pieces])
        if has_sealed(text):
            for part in sealed_parts(text):
                self._makers.remember(self._vk_id, part, self._account_id)
        self._tail = text[-_KEPT_TAIL_BYTES:]
