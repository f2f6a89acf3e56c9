"""Every key of the control plane, held by one worker before any of them is used. Fetches nothing.

A key is found by a keyed hash of what a client presents; the key of that hash comes with the stock, so no
worker needs the pepper under which the database keeps keys. What is held is text until it is used.
"""

import msgspec

from core.secrets import lookup_hash
from proxy.bundle import BundleText
from proxy.control_plane import ResolvedKey, StockedKey


class Stock:
    """The keys held, and when each was told. Not shared between workers."""

    def __init__(self) -> None:
        self._lookup_key = b""
        self._held: dict[str, tuple[StockedKey, float, float]] = {}
        """By look-up hash: the key, when it was told, and until when this secret of it holds (Unix seconds)."""
        self._by_key: dict[str, tuple[str, ...]] = {}
        self._by_organization: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def put(self, lookup_key: bytes, keys: list[StockedKey], told_s: float) -> None:
        """Hold what a page tells, in place of what was held of the same keys."""
        if lookup_key != self._lookup_key:
            self._held.clear()
            self._by_key.clear()
            self._by_organization.clear()
            self._lookup_key = lookup_key
        for key in keys:
            self.drop_key(key.vk_id)
            # The raw text is a view of the whole page; a copy lets the page go.
            held = msgspec.structs.replace(key, config=msgspec.Raw(bytes(key.config)))
            lookups = [(key.lookup, float("inf"))]
            if key.previous_lookup and key.previous_valid_until_ms is not None:
                lookups.append((key.previous_lookup, key.previous_valid_until_ms / 1000))
            for lookup, until_s in lookups:
                self._held[lookup] = (held, told_s, until_s)
            self._by_key[key.vk_id] = tuple(lookup for lookup, _ in lookups)
            self._by_organization.setdefault(key.organization_id, set()).add(key.vk_id)

    def find(self, presented: str, now_s: float) -> tuple[ResolvedKey, float] | None:
        """Return what a presented key resolves to and when that was told, or None. Raises msgspec.MsgspecError."""
        if not self._held:
            return None
        found = self._held.get(lookup_hash(self._lookup_key, presented))
        if found is None or now_s >= found[2]:
            return None
        key, told_s, _ = found
        return ResolvedKey(key.jwt, msgspec.json.decode(key.config, type=BundleText)), told_s

    def drop_key(self, vk_id: str) -> None:
        """Forget one key."""
        for lookup in self._by_key.pop(vk_id, ()):
            held = self._held.pop(lookup, None)
            if held is not None:
                self._by_organization.get(held[0].organization_id, set()).discard(vk_id)

    def drop_organization(self, organization_id: str) -> None:
        """Forget the keys of an organization."""
        for vk_id in self._by_organization.pop(organization_id, set()):
            self.drop_key(vk_id)

    def clear(self) -> None:
        """Forget everything."""
        self.put(b"", [], 0.0)
