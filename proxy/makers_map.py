"""Who made which sealed part, in a file that all workers of a machine have mapped. Decides nothing.

A table of fixed size without a lock: a writer may tear what another writes to the same slot, so every entry
carries a digest of itself, and one that does not fit is none. It holds keyed digests and ids of providers.
"""

import logging
import mmap
import os
from hashlib import blake2b
from pathlib import Path

LOG = logging.getLogger(__name__)
SLOTS = 1 << 16
_WAYS = 4
"""A part may lie in any of so many neighbours; the fifth takes the place of one of them."""
_NAME_BYTES, _CHECK_BYTES, _ID_BYTES = 8, 8, 48
_SLOT_BYTES = _NAME_BYTES + _CHECK_BYTES + _ID_BYTES
_EMPTY = bytes(_NAME_BYTES)


class MakersMap:
    """One worker's view of the table."""

    def __init__(self, path: Path, key: bytes, slots: int = SLOTS) -> None:
        """Open the table, an empty one where there is none. Raises OSError."""
        self._key = key
        self._slots = slots
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, slots * _SLOT_BYTES)
            self._table = mmap.mmap(descriptor, slots * _SLOT_BYTES)
        finally:
            os.close(descriptor)

    def put(self, vk_id: str, part: bytes, account_id: str) -> None:
        """Note who made a part of an answer to a key. An id that is too long is not noted."""
        account = account_id.encode()
        if len(account) > _ID_BYTES:
            return
        name, table = self._name(vk_id, part), self._table
        entry = name + self._check(name, account) + account.ljust(_ID_BYTES, b"\0")
        places = self._places(name)
        chosen = places[name[-1] % _WAYS]
        for place in places:
            found = table[place : place + _NAME_BYTES]
            if found in (name, _EMPTY):
                chosen = place
                break
        table[chosen : chosen + _SLOT_BYTES] = entry

    def get(self, vk_id: str, part: bytes) -> str | None:
        """Return the account that made a part; None when nobody noted it."""
        name, table = self._name(vk_id, part), self._table
        for place in self._places(name):
            entry = table[place : place + _SLOT_BYTES]
            if entry.startswith(name):
                account = entry[_NAME_BYTES + _CHECK_BYTES :].rstrip(b"\0")
                check = entry[_NAME_BYTES : _NAME_BYTES + _CHECK_BYTES]
                return account.decode() if check == self._check(name, account) else None
        return None

    def close(self) -> None:
        """Let go of the table; the file stays for whoever comes next."""
        self._table.close()

    def _name(self, vk_id: str, part: bytes) -> bytes:
        text = vk_id.encode() + b"\0" + part
        return blake2b(text, digest_size=_NAME_BYTES, key=self._key).digest()

    def _check(self, name: bytes, account: bytes) -> bytes:
        return blake2b(name + account, digest_size=_CHECK_BYTES, key=self._key).digest()

    def _places(self, name: bytes) -> list[int]:
        bucket = int.from_bytes(name[:4], "big") % (self._slots // _WAYS)
        return [(bucket * _WAYS + way) * _SLOT_BYTES for way in range(_WAYS)]


def opened(path: Path, key: bytes) -> MakersMap | None:
    """Return the table, or None where the disk has none: then a worker knows only what it has seen itself."""
    try:
        return MakersMap(path, key)
    except (OSError, ValueError) as error:
        LOG.warning("makers_not_shared", extra={"reason": str(error)})
        return None
