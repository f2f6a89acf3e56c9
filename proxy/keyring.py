"""Which virtual keys this worker serves, and with what: a dictionary by digest, filled from the control plane.

A key in clear is hashed and forgotten. Entries stay while the change feed says nothing against them, are
resolved again in the background every minute of use, and outlive an outage for a bounded time. The feed
itself is followed in ``proxy.change_feed``.
"""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import trio

from core.fault import Fault, Refused
from core.secrets import Sealer, SealError, Secret
from proxy.bundle import Bundle, BundleText, ProviderBinding, read_bundle
from proxy.bundle_cache import BundleCache
from proxy.claims import ClaimsError, check_claims
from proxy.control_plane import ControlPlane, ControlPlaneAway, ControlPlaneRefusal, ResolvedKey
from proxy.holds import Holds
from proxy.stock import Stock
from rules.keys import is_virtual_key

__all__ = ["Bundle", "Keyring", "KeyringTerms", "ProviderBinding"]

LOG = logging.getLogger(__name__)
MAX_KEYS = 50_000
MAX_REFUSED = 10_000
REFUSED_SECONDS = 5.0
REFRESH_SECONDS = 60.0
MAX_REFRESHES = 1000
RESOLVE_WAIT_SECONDS = 8.0
_RESOLVES_AT_ONCE = 16
_REFRESHES_AT_ONCE = 4
_TRIES = 3

_FAULTS = {
    "invalid_api_key": Fault.INVALID_API_KEY,
    "malformed_key": Fault.INVALID_API_KEY,
    "virtual_key_not_found": Fault.INVALID_API_KEY,
    "virtual_key_revoked": Fault.VIRTUAL_KEY_REVOKED,
    "virtual_key_disabled": Fault.VIRTUAL_KEY_DISABLED,
    "virtual_key_expired": Fault.VIRTUAL_KEY_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class KeyringTerms:
    """What a keyring needs to know of the settings."""

    sealer: Sealer
    claim_secrets: tuple[Secret, ...]
    stale_seconds: float
    max_keys: int = MAX_KEYS


class _Entry:
    __slots__ = ("bundle", "check_at_s", "confirmed_s", "digest", "expires_s", "is_copy")

    def __init__(self, digest: bytes, bundle: Bundle, confirmed_s: float, is_copy: bool) -> None:
        self.digest = digest
        self.bundle = bundle
        self.confirmed_s = confirmed_s
        self.is_copy = is_copy
        """True when it came from the disk, so that nobody vouches for it yet."""
        expires_ms = bundle.expires_at_ms
        self.expires_s = float("inf") if expires_ms is None else expires_ms / 1000
        self.check_at_s = min(confirmed_s + REFRESH_SECONDS, self.expires_s)


class _Flight:
    __slots__ = ("done", "outcome")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: Bundle | Refused | None = None


class Keyring:
    """The keys of one worker. ``known`` never waits; ``resolve`` asks the control plane, once per key."""

    def __init__(
        self,
        control_plane: ControlPlane,
        holds: Holds,
        cache: BundleCache,
        terms: KeyringTerms,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.feed_ok_s = float("-inf")
        """When the change feed last answered (Unix seconds)."""
        self.is_away = False
        self.hits = self.misses = 0
        """How many look-ups ended in memory, and how many had to go on."""
        self.generation = 0
        """Counts evictions: an answer that was under way during one may be older than it."""
        self.stock: Stock | None = None
        """Every key, where a worker holds them all; None where keys are looked up as they come."""
        self.stock_thinned = trio.Event()
        """Something was dropped from the stock, or was never in it."""
        self._control_plane = control_plane
        self._holds = holds
        self._cache = cache
        self._terms = terms
        self._now_s = now_s
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._by_key: dict[str, set[bytes]] = {}
        self._refused: OrderedDict[bytes, tuple[float, Refused]] = OrderedDict()
        self._flights: dict[bytes, _Flight] = {}
        self._resolving = trio.CapacityLimiter(_RESOLVES_AT_ONCE)
        self._to_refresh, self._refreshes = trio.open_memory_channel[str](MAX_REFRESHES)

    def __len__(self) -> int:
        return len(self._entries)

    def known(self, presented: str) -> Bundle | None:
        """Return the bundle of a key in clear, or None when ``resolve`` must be asked. Never waits."""
        digest = hashlib.sha256(presented.encode()).digest()
        entry = self._entries.get(digest)
        if entry is None or (
            self._now_s() >= entry.check_at_s and not self._may_stay(entry, presented)
        ):
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(digest)
        return entry.bundle

    def _may_stay(self, entry: _Entry, presented: str) -> bool:
        now_s = self._now_s()
        if now_s >= entry.expires_s:
            return False
        if now_s >= self._stale_at_s(entry):
            self._log_evicted(entry, "hard_cap_exceeded")
            self._drop(entry.digest)
            return False
        try:
            self._to_refresh.send_nowait(presented)
        except trio.WouldBlock:
            LOG.warning("key_refresh_queue_full", extra={"waiting": MAX_REFRESHES})
        entry.check_at_s = min(now_s + REFRESH_SECONDS, entry.expires_s)
        return True

    @staticmethod
    def _log_evicted(entry: _Entry, reason: str) -> None:
        facts = {"reason": reason, "virtual_key_id": entry.bundle.vk_id}
        LOG.warning("auth_cache_hard_evict", extra=facts)

    def _stale_at_s(self, entry: _Entry) -> float:
        vouched_s = entry.confirmed_s if entry.is_copy else max(entry.confirmed_s, self.feed_ok_s)
        return vouched_s + self._terms.stale_seconds

    async def resolve(self, presented: str) -> Bundle:
        """Return the bundle of a key in clear, from the control plane or, while it is away, a sealed copy.

        Raises Refused: INVALID_API_KEY, VIRTUAL_KEY_*, AUTH_UPSTREAM_UNAVAILABLE.
        """
        if not is_virtual_key(presented):
            raise Refused(Fault.INVALID_API_KEY)
        digest = hashlib.sha256(presented.encode()).digest()
        self._refuse_early(digest)
        outcome = await self._fly(digest, presented)
        if isinstance(outcome, Refused):
            raise _fresh(outcome)
        return outcome

    def _refuse_early(self, digest: bytes) -> None:
        now_s = self._now_s()
        entry = self._entries.get(digest)
        if entry is not None and now_s >= entry.expires_s:
            raise Refused(Fault.VIRTUAL_KEY_EXPIRED, virtual_key_id=entry.bundle.vk_id)
        until_s, refused = self._refused.get(digest, (0.0, None))
        if refused is not None and now_s < until_s:
            raise _fresh(refused)

    async def _fly(self, digest: bytes, presented: str) -> Bundle | Refused:
        """Ask once for all who wait for the same key; if the one who asks is cancelled, the next asks."""
        while True:
            flight = self._flights.get(digest)
            if flight is None:
                flight = self._flights[digest] = _Flight()
                try:
                    flight.outcome = await self._ask(digest, presented)
                finally:
                    del self._flights[digest]
                    flight.done.set()
            else:
                await flight.done.wait()
            if flight.outcome is not None:
                return flight.outcome

    async def _ask(self, digest: bytes, presented: str) -> Bundle | Refused:
        if self.stock is not None and (held := self._stocked(self.stock, digest, presented)):
            return held
        if self.is_away and (copy := self._copy(digest)) is not None:
            return copy
        with trio.move_on_after(RESOLVE_WAIT_SECONDS):
            async with self._resolving:
                try:
                    return await self._fetch(digest, presented)
                except ControlPlaneRefusal as refusal:
                    return self._deny(digest, refusal)
                except ControlPlaneAway as away:
                    LOG.warning("key_resolve_failed", extra={"reason": str(away)})
        return self._copy(digest) or Refused(Fault.AUTH_UPSTREAM_UNAVAILABLE)

    async def _fetch(self, digest: bytes, presented: str) -> Bundle | Refused:
        for _ in range(_TRIES):
            generation = self.generation
            answer = await self._control_plane.resolve_key(presented)
            if generation == self.generation:
                break
        now_s = self._now_s()
        bundle = self._read(answer, is_fresh=True)
        if isinstance(bundle, Bundle) and generation == self.generation:
            self._keep(_Entry(digest, bundle, now_s, is_copy=False))
            self._cache.save(digest, msgspec.json.encode(answer).decode(), now_s)
        return bundle

    def _read(self, answer: ResolvedKey, *, is_fresh: bool) -> Bundle | Refused:
        text: BundleText = answer.config
        try:
            check_claims(answer.jwt, text, self._terms.claim_secrets, is_fresh=is_fresh)
            bundle = read_bundle(text, self._terms.sealer, self._holds.limit_for)
        except (ClaimsError, SealError, ValueError) as error:
            LOG.error("bundle_refused", extra={"virtual_key_id": text.vk_id, "reason": str(error)})
            return Refused(Fault.AUTH_UPSTREAM_UNAVAILABLE, virtual_key_id=text.vk_id)
        if bundle.status != "active":
            fault = _FAULTS.get(f"virtual_key_{bundle.status}", Fault.INVALID_API_KEY)
            return Refused(fault, virtual_key_id=bundle.vk_id)
        if bundle.expires_at_ms is not None and self._now_s() * 1000 >= bundle.expires_at_ms:
            return Refused(Fault.VIRTUAL_KEY_EXPIRED, virtual_key_id=bundle.vk_id)
        return bundle

    def _stocked(self, stock: Stock, digest: bytes, presented: str) -> Bundle | None:
        """Serve a key from the stock. The change feed has vouched for it ever since it was told."""
        try:
            found = stock.find(presented, self._now_s())
        except msgspec.MsgspecError as error:
            LOG.error("stock_unreadable", extra={"reason": str(error)})
            return None
        if found is None:
            return None
        answer, told_s = found
        bundle = self._read(answer, is_fresh=False)
        if isinstance(bundle, Refused):
            return None
        entry = _Entry(digest, bundle, told_s, is_copy=False)
        if self._now_s() >= self._stale_at_s(entry):
            return None
        self._keep(entry)
        return bundle

    def _copy(self, digest: bytes) -> Bundle | None:
        """Serve what a copy on disk says, if it was confirmed not too long ago."""
        found = self._cache.load(digest, self._now_s())
        if found is None:
            return None
        text, confirmed_s = found
        answer = msgspec.json.decode(text, type=ResolvedKey)
        if self._cache.has_changed(answer.config.vk_id, confirmed_s):
            return None
        bundle = self._read(answer, is_fresh=False)
        if isinstance(bundle, Refused):
            return None
        self._keep(_Entry(digest, bundle, confirmed_s, is_copy=True))
        LOG.warning("auth_cache_serve_stale", extra={"virtual_key_id": bundle.vk_id})
        return bundle

    def _deny(self, digest: bytes, refusal: ControlPlaneRefusal) -> Refused:
        fault = _FAULTS.get(refusal.code)
        if fault is None:
            LOG.error("key_resolve_refused", extra={"status": refusal.status, "code": refusal.code})
            return Refused(Fault.AUTH_UPSTREAM_UNAVAILABLE)
        refused = Refused(fault)
        if (entry := self._entries.get(digest)) is not None:
            self._log_evicted(entry, "auth_rejection")
        self._drop(digest)
        self._cache.forget(digest)
        self._refused[digest] = (self._now_s() + REFUSED_SECONDS, refused)
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
        return refused

    # Keeping and dropping
    def _keep(self, entry: _Entry) -> None:
        self._drop(entry.digest)
        self._entries[entry.digest] = entry
        self._by_key.setdefault(entry.bundle.vk_id, set()).add(entry.digest)
        if len(self._entries) > self._terms.max_keys:
            self._drop(next(iter(self._entries)))

    def _drop(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        digests = self._by_key[entry.bundle.vk_id]
        digests.discard(digest)
        if not digests:
            del self._by_key[entry.bundle.vk_id]

    def evict_key(self, vk_id: str) -> int:
        """Forget one key, in memory and on disk, and every recent refusal: one of them may be its secret.

        Returns how many entries that were.
        """
        self.generation += 1
        digests = list(self._by_key.get(vk_id, ()))
        for digest in digests:
            self._drop(digest)
        if self.stock is not None:
            self.stock.drop_key(vk_id)
            self.stock_thinned.set()
        self._refused.clear()
        self._cache.mark_changed(vk_id, self._now_s())
        return len(digests)

    def evict(self, is_meant: Callable[[Bundle], bool]) -> int:
        """Forget every key whose bundle is meant, and return how many; their copies stay for an outage."""
        self.generation += 1
        meant = [digest for digest, entry in self._entries.items() if is_meant(entry.bundle)]
        for digest in meant:
            self._drop(digest)
        return len(meant)

    def thin(self, organization_id: str | None) -> None:
        """Drop an organization's keys from the stock, all keys without one: something they share has changed."""
        if self.stock is None:
            return
        if organization_id is None:
            self.stock.clear()
        else:
            self.stock.drop_organization(organization_id)
        self.stock_thinned.set()

    def evict_copies(self) -> None:
        """Forget what came from the disk: the control plane answers again and must be asked."""
        for digest, entry in list(self._entries.items()):
            if entry.is_copy:
                self._drop(digest)

    async def refresh_forever(self) -> None:
        """Resolve keys in use again, in the background; a refusal evicts, no answer changes nothing."""
        async with trio.open_nursery() as nursery:
            for _ in range(_REFRESHES_AT_ONCE):
                nursery.start_soon(self._refresh_some, self._refreshes.clone())

    async def _refresh_some(self, presented_keys: trio.MemoryReceiveChannel[str]) -> None:
        async with presented_keys:
            async for presented in presented_keys:
                digest = hashlib.sha256(presented.encode()).digest()
                try:
                    await self._fetch(digest, presented)
                    LOG.debug("auth_cache_refresh_success")
                except ControlPlaneRefusal as refusal:
                    self._deny(digest, refusal)
                except ControlPlaneAway as away:
                    LOG.info("auth_cache_refresh_transport_failure", extra={"reason": str(away)})


def _fresh(refused: Refused) -> Refused:
    # One that is raised again would collect the traceback of every caller it was raised for.
    return Refused(refused.fault, refused.message, **refused.facts)
