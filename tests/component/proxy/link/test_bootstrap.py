"""A worker that learns all keys beforehand: what it serves without asking, and what it never serves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from core.fault import Fault, Refused
from core.secrets import sealer_for
from proxy.bootstrap import Bootstrap
from tests.component.proxy.link.peer import SECRET, Peer
from tests.component.proxy.link.test_worker import SANDBOX, chat, gateway  # noqa: F401 - a fixture

trio_test = pytest.mark.trio
KEYS = [f"lw_vk_live_01HZXABCDEFGHJKMNPQRSTVW{n}Z" for n in range(5)]


def many(peer: Peer) -> None:
    for number, presented in enumerate(KEYS):
        peer.add_key(presented, f"vk_{number}", name=f"key {number}")


@asynccontextmanager
async def filled(link_to: Any, peer: Peer, **more: Any) -> AsyncIterator[Any]:
    """A link whose stock has been filled once, with the feed and the filling going on."""
    async with link_to(peer.url, **more) as link:
        bootstrap = Bootstrap(
            link.control_plane, link.keyring, link.feed, sealer_for(SECRET, "bundle")
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.feed.follow)
            nursery.start_soon(bootstrap.run)
            with trio.fail_after(10):
                await bootstrap.done.wait()
            yield link
            nursery.cancel_scope.cancel()


@trio_test
async def test_every_key_is_known_before_it_is_used(peer: Peer, link_to: Any) -> None:
    many(peer)
    async with filled(link_to, peer) as link:
        assert peer.calls["/bootstrap"] == 3, "five keys, two a page"
        assert len(link.keyring.stock) == 5
        peer.stop()
        for number, presented in enumerate(KEYS):
            assert (await link.keyring.resolve(presented)).name == f"key {number}"
            assert link.keyring.known(presented) is not None
        assert peer.calls["/resolve-key"] == 0


@trio_test
async def test_a_text_that_is_no_key_of_ours_is_still_asked_about(peer: Peer, link_to: Any) -> None:
    many(peer)
    async with filled(link_to, peer) as link:
        with pytest.raises(Refused) as caught:
            await link.keyring.resolve(KEYS[0][:-1] + "0")
        assert caught.value.fault is Fault.INVALID_API_KEY
        assert peer.calls["/resolve-key"] == 1


@trio_test
async def test_a_revoked_key_leaves_the_stock_at_once(
    peer: Peer, link_to: Any, eventually: Any
) -> None:
    many(peer)
    async with filled(link_to, peer) as link:
        peer.keys[KEYS[1]]["status"] = "revoked"
        peer.tell("VK_REVOKED", virtual_key_id="vk_1")
        await eventually(lambda: len(link.keyring.stock) == 4)
        with pytest.raises(Refused) as caught:
            await link.keyring.resolve(KEYS[1])
        assert caught.value.fault is Fault.VIRTUAL_KEY_REVOKED
        assert (await link.keyring.resolve(KEYS[2])).vk_id == "vk_2"


@trio_test
async def test_a_change_that_keys_share_drops_those_of_its_organization(
    peer: Peer, link_to: Any, eventually: Any
) -> None:
    many(peer)
    peer.keys[KEYS[4]]["organization_id"] = "org_2"
    async with filled(link_to, peer) as link:
        peer.keys[KEYS[0]]["name"] = "renamed"
        peer.tell("BUDGET_CREATED", budget_id="bud_1")
        await eventually(lambda: len(link.keyring.stock) == 1)
        assert (await link.keyring.resolve(KEYS[0])).name == "renamed"
        assert link.keyring.stock_thinned.is_set(), "it will be filled up again"


@trio_test
async def test_a_page_that_was_told_while_something_changed_is_asked_for_again(
    peer: Peer, link_to: Any
) -> None:
    many(peer)
    async with link_to(peer.url) as link:
        bootstrap = Bootstrap(
            link.control_plane, link.keyring, link.feed, sealer_for(SECRET, "bundle")
        )
        link.feed.followed.set()
        asked = link.control_plane.bootstrap

        async def during_a_change(token: str) -> Any:
            page = await asked(token)
            if peer.calls["/bootstrap"] == 1:
                link.keyring.evict_key("vk_0")
            return page

        link.control_plane.bootstrap = during_a_change
        await bootstrap.pull()
        assert peer.calls["/bootstrap"] == 4
        assert len(bootstrap.stock) == 5


@trio_test
async def test_the_secret_before_a_rotation_holds_as_long_as_it_may(
    peer: Peer, link_to: Any, clock: Any
) -> None:
    many(peer)
    async with filled(link_to, peer, now_s=clock) as link:
        stock = link.keyring.stock
        key = stock._held[next(iter(stock._held))][0]
        from msgspec.structs import replace

        from core.secrets import lookup_hash

        older = "lw_vk_live_01HZXABCDEFGHJKMNPQRSTVW9Z"
        rotated = replace(
            key,
            previous_lookup=lookup_hash(peer.lookup_key, older),
            previous_valid_until_ms=int((clock() + 100) * 1000),
        )
        stock.put(peer.lookup_key, [rotated], clock())
        assert stock.find(older, clock()) is not None
        clock.ahead_seconds = 101
        assert stock.find(older, clock()) is None


@trio_test
async def test_a_stock_is_not_served_longer_than_an_outage_may_last(
    peer: Peer, link_to: Any, clock: Any
) -> None:
    many(peer)
    async with filled(link_to, peer, now_s=clock, stale_seconds=60.0) as link:
        peer.stop()
        link.keyring.is_away = True
        clock.ahead_seconds = 3600
        with pytest.raises(Refused) as caught:
            await link.keyring.resolve(KEYS[0])
        assert caught.value.fault is Fault.AUTH_UPSTREAM_UNAVAILABLE


def test_a_gateway_says_that_it_started_once_it_knows_all_keys(peer: Peer, gateway: Any) -> None:  # noqa: F811
    many(peer)
    for presented in KEYS:
        peer.keys[presented]["providers"] = [SANDBOX]
    peer.fail("/bootstrap", 500, 500)
    running = gateway(LW_GATEWAY_BOOTSTRAP_PULL="1")
    url = running.url
    running.wait_for("bootstrap_failed")
    assert httpx.get(f"{url}/startupz").status_code == 503
    running.wait_for("gateway_started")
    assert httpx.get(f"{url}/startupz").status_code == 200
    assert 'keys="5"' in str(running.wait_for("bootstrap_done"))
    peer.stop()
    headers = {"Authorization": f"Bearer {KEYS[3]}"}
    body = {"model": "sandbox-small", "messages": [{"role": "user", "content": "hello"}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=15)
    assert answer.status_code == 200, answer.text
    assert chat(url).status_code == 503, "a key that nobody told of can't be checked now"
