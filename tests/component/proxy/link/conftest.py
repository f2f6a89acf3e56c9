"""The control plane that the link talks to, and parts of a worker that talk to it."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from core.secrets import derive, sealer_for
from proxy.bundle_cache import BundleCache
from proxy.change_feed import ChangeFeed
from proxy.control_plane import ControlPlane
from proxy.holds import Holds, HoldTiming
from proxy.keyring import Keyring, KeyringTerms
from proxy.shipper import Shipper
from proxy.spool import Spool
from tests.component.proxy.link.peer import CLAIM_SECRET, SECRET, Peer, running_peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A control plane in memory on a real socket."""
    with running_peer() as running:
        yield running


class Clock:
    """Unix time that tests move forward."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_seconds


@pytest.fixture
def clock() -> Clock:
    """A clock for ``link_to(…, now_s=clock)``."""
    return Clock()


class Link(NamedTuple):
    """The parts of one worker that talk to the control plane."""

    control_plane: ControlPlane
    holds: Holds
    spool: Spool
    shipper: Shipper
    keyring: Keyring
    feed: ChangeFeed


LinkOf = Callable[..., AbstractAsyncContextManager[Link]]


@pytest.fixture
def link_to(tmp_path: Path) -> LinkOf:
    """``async with link_to(peer.url, "worker-a") as link``: parts that are not yet running."""

    @asynccontextmanager
    async def link(
        url: str,
        epoch: str = "worker-a",
        timing: HoldTiming | None = None,
        interval_seconds: float = 0.05,
        stale_seconds: float = 3600.0,
        now_s: Callable[[], float] = time.time,
        max_keys: int = 100,
    ) -> AsyncIterator[Link]:
        async with ControlPlane(url, SECRET, epoch) as control_plane:
            holds = Holds(epoch, timing)
            spool = Spool(tmp_path / "spool", epoch, 1 << 26)
            shipper = Shipper(spool, holds, control_plane, interval_seconds)
            holds.wake = shipper.wake
            cache = BundleCache(
                tmp_path / "cache",
                sealer_for(SECRET, "bundle cache"),
                derive(SECRET, "names"),
                stale_seconds,
            )
            terms = KeyringTerms(
                sealer_for(SECRET, "bundle"), (CLAIM_SECRET,), stale_seconds, max_keys
            )
            keyring = Keyring(control_plane, holds, cache, terms, now_s)
            feed = ChangeFeed(control_plane, keyring, shipper.retry)
            yield Link(control_plane, holds, spool, shipper, keyring, feed)
            spool.close()

    return link


@pytest.fixture
def eventually() -> Callable[..., object]:
    """``await eventually(condition, seconds)``: fails when it has not become true by then."""

    async def wait(condition: Callable[[], object], seconds: float = 5.0) -> object:
        with trio.move_on_after(seconds):
            # The condition lies in another thread or process, so there is no event to wait for.
            while not (found := condition()):  # noqa: ASYNC110
                await trio.sleep(0.005)
            return found
        raise AssertionError("it did not become true in time")

    return wait
