"""Follows the control plane's changes by long poll and evicts what they touch. Resolves nothing itself."""

import logging
import time
from collections.abc import Callable

import trio

from proxy.control_plane import (
    POLL_SECONDS,
    Change,
    Changes,
    ControlPlane,
    ControlPlaneAway,
    ControlPlaneRefusal,
)
from proxy.keyring import Keyring

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 1.0
# After a failure the next poll is short, so that it soon shows that all is well again.
SHORT_POLL_SECONDS = 1
_KNOWN_KINDS = (
    *("VK_", "BUDGET_", "PROVIDER_", "ROUTING_POLICY_", "CACHE_RULE_", "GUARDRAIL_", "POLICY_"),
    *("TRACE_DESTINATION_", "ORGANIZATION_"),
)
"""What a change may be about; of others, a control plane newer than this gateway, the whole organization is
looked up again."""


class ChangeFeed:
    """The position of one worker in the feed."""

    def __init__(
        self,
        control_plane: ControlPlane,
        keyring: Keyring,
        on_return: Callable[[], None] = lambda: None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.revision: int | None = None
        self.followed = trio.Event()
        """The feed has answered once, so that no change goes unseen from then on."""
        self._control_plane = control_plane
        self._keyring = keyring
        self._on_return = on_return
        self._now_s = now_s

    async def follow(self) -> None:
        """Follow for ever; a feed that fails is tried again within a second."""
        pause_seconds, wait_seconds = FIRST_PAUSE_SECONDS, POLL_SECONDS
        while True:
            try:
                answer = await self._control_plane.changes(self.revision, wait_seconds)
            except (ControlPlaneAway, ControlPlaneRefusal) as error:
                if not self._keyring.is_away:
                    LOG.warning("change_feed_lost", extra={"reason": str(error)})
                self._keyring.is_away = True
                await trio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, MAX_PAUSE_SECONDS)
                wait_seconds = SHORT_POLL_SECONDS
            else:
                self._take(answer)
                pause_seconds, wait_seconds = FIRST_PAUSE_SECONDS, POLL_SECONDS

    def _take(self, answer: Changes) -> None:
        keyring = self._keyring
        if self.revision is None or answer.current_revision < self.revision:
            # What was resolved or copied before the feed began may have changed unseen.
            keyring.evict(lambda _: True)
            keyring.thin(None)
            self.revision = answer.current_revision
        for change in answer.changes:
            self._apply(change)
            self.revision = max(self.revision, change.revision)
        if not answer.changes:
            self.revision = answer.current_revision
        if keyring.is_away:
            LOG.info("change_feed_back", extra={"revision": self.revision})
            keyring.evict_copies()
            self._on_return()
        self.followed.set()
        keyring.is_away = False
        keyring.feed_ok_s = self._now_s()

    def _apply(self, change: Change) -> None:
        keyring, kind = self._keyring, change.kind
        if kind.startswith("VK_") and change.virtual_key_id:
            evicted = keyring.evict_key(change.virtual_key_id)
        elif kind.startswith("BUDGET_") and kind != "BUDGET_CREATED" and change.budget_id:
            evicted = keyring.evict(
                lambda b: any(limit.id == change.budget_id for limit in b.limits)
            )
        elif kind.startswith("PROVIDER_") and change.provider_id:
            evicted = keyring.evict(lambda b: any(p.id == change.provider_id for p in b.providers))
        else:
            evicted = keyring.evict(lambda b: b.organization_id == change.organization_id)
            if not kind.startswith(_KNOWN_KINDS):
                LOG.warning("auth_cache_change_unhandled", extra={"kind": kind})
        if not (kind.startswith("VK_") and change.virtual_key_id):
            keyring.thin(change.organization_id)
        if evicted:
            facts = {"kind": kind, "revision": change.revision, "keys": evicted}
            LOG.info("auth_cache_change_evict", extra=facts)
