"""Fills a worker's stock of keys page by page: once before the worker starts, again when changes have thinned it.

A page that was told while something changed may be older than the change, so it is asked for again. Serves no key.
"""

import logging
import time
from collections.abc import Callable

import msgspec
import trio

from core.secrets import Sealer, SealError
from proxy.change_feed import ChangeFeed
from proxy.control_plane import ControlPlane, ControlPlaneAway, ControlPlaneRefusal, StockPage
from proxy.keyring import Keyring
from proxy.stock import Stock

LOG = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 5.0
LEAST_REST_SECONDS = 60.0
REST_RATIO = 20
"""Filling up again takes at most a twentieth of the time."""
PATIENCE_SECONDS = 60.0
"""How long a start waits for a control plane that has never answered."""
_TRIES = 5
_PURPOSE = "virtual key lookup"


class Bootstrap:
    """The filling of one worker's stock."""

    def __init__(
        self,
        control_plane: ControlPlane,
        keyring: Keyring,
        feed: ChangeFeed,
        sealer: Sealer,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.done = trio.Event()
        """The stock has been filled once."""
        self._control_plane = control_plane
        self._keyring = keyring
        self._feed = feed
        self._sealer = sealer
        self._now_s = now_s
        self.stock = keyring.stock = Stock()

    async def run(self) -> None:
        """Fill the stock, for ever: at once, then whenever something was dropped from it, with a rest in between."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            began = trio.current_time()
            self._keyring.stock_thinned = trio.Event()
            try:
                await self.pull()
            except (ControlPlaneAway, ControlPlaneRefusal, SealError) as error:
                LOG.warning("bootstrap_failed", extra={"reason": str(error)})
                await trio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, MAX_PAUSE_SECONDS)
                continue
            took_seconds = trio.current_time() - began
            if not self.done.is_set():
                facts = {"keys": len(self.stock), "seconds": round(took_seconds, 2)}
                LOG.info("bootstrap_done", extra=facts)
            self.done.set()
            pause_seconds = FIRST_PAUSE_SECONDS
            await trio.sleep(max(LEAST_REST_SECONDS, REST_RATIO * took_seconds))
            await self._keyring.stock_thinned.wait()

    async def pull(self) -> None:
        """Fill the stock once. Raises ControlPlaneAway, ControlPlaneRefusal, SealError."""
        # What changes before the feed is followed would be missed.
        await self._feed.followed.wait()
        token = ""
        while True:
            page = await self._page(token)
            token = page.next_page_token
            if not token:
                return

    async def _page(self, token: str) -> StockPage:
        for _ in range(_TRIES):
            generation, told_s = self._keyring.generation, self._now_s()
            page = await self._control_plane.bootstrap(token)
            if generation == self._keyring.generation:
                key = bytes.fromhex(self._sealer.open(page.lookup_key, _PURPOSE).reveal())
                self.stock.put(key, page.keys, told_s)
                return page
        # So many changes at once: these keys are looked up when they are used, as without a stock.
        self._keyring.stock_thinned.set()
        return msgspec.structs.replace(page, keys=[])

    async def hold_start(self) -> None:
        """Return once the stock is filled, or, with a control plane that never answered, when patience ends.

        Then the sealed copies on disk serve what they know, and the stock is filled when it answers.
        """
        while not self.done.is_set():
            with trio.move_on_after(PATIENCE_SECONDS):
                await self.done.wait()
            if not self.done.is_set() and self._control_plane.answered_s is None:
                LOG.warning("bootstrap_incomplete", extra={"reason": "the control plane is away"})
                return
