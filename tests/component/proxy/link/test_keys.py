"""Virtual keys between gateway and control plane: resolving, forgetting, outages, cold starts."""

import threading
import time

import pytest
import trio

from core.fault import Fault, Refused
from core.secrets import Secret

pytestmark = pytest.mark.trio

KEY = "lw_vk_live_01HZXABCDEFGHJKMNPQRSTVWXY"
OTHER = "lw_vk_live_01HZXABCDEFGHJKMNPQRSTVWX0"


async def fault_of(keyring, presented=KEY) -> Fault:
    with pytest.raises(Refused) as caught:
        await keyring.resolve(presented)
    return caught.value.fault


def said(caplog: pytest.LogCaptureFixture, name: str) -> list[dict]:
    """What the log lines of this name tell."""
    return [vars(record) for record in caplog.records if record.msg == name]


async def test_a_key_is_resolved_once_and_then_known(peer, link_to) -> None:
    peer.add_key(KEY)
    async with link_to(peer.url) as link:
        assert link.keyring.known(KEY) is None
        bundle = await link.keyring.resolve(KEY)
        assert link.keyring.known(KEY) is bundle
        binding = bundle.providers[0]
        assert binding.credential == Secret("upstream credential")
        assert (binding.target.host, binding.target.port) == ("127.0.0.1", 9)
        assert binding.base_path == "/v1"
    assert peer.calls["/resolve-key"] == 1


async def test_many_first_calls_with_one_key_ask_once(peer, link_to) -> None:
    peer.add_key(KEY)
    bundles = []
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:

        async def resolve() -> None:
            bundles.append(await link.keyring.resolve(KEY))

        for _ in range(50):
            nursery.start_soon(resolve)
    assert len(bundles) == 50
    assert peer.calls["/resolve-key"] == 1


async def test_a_caller_that_leaves_does_not_take_the_others_answer_along(
    peer, link_to, eventually
) -> None:
    peer.add_key(KEY)
    gate = peer.gates["/resolve-key"] = threading.Event()
    bundles = []
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        leaving = trio.CancelScope()

        async def resolve(scope: trio.CancelScope) -> None:
            with scope:
                bundles.append(await link.keyring.resolve(KEY))

        nursery.start_soon(resolve, leaving)
        await eventually(lambda: peer.calls["/resolve-key"] == 1)
        nursery.start_soon(resolve, trio.CancelScope())
        await eventually(lambda: nursery.child_tasks and len(nursery.child_tasks) == 2)
        leaving.cancel()
        gate.set()
    assert len(bundles) == 1


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (401, "invalid_api_key", Fault.INVALID_API_KEY),
        (403, "virtual_key_revoked", Fault.VIRTUAL_KEY_REVOKED),
        (403, "virtual_key_disabled", Fault.VIRTUAL_KEY_DISABLED),
        (403, "virtual_key_expired", Fault.VIRTUAL_KEY_EXPIRED),
    ],
)
async def test_a_refused_key_is_refused_again_without_asking(
    peer, link_to, status: int, code: str, fault: Fault
) -> None:
    peer.refusals[KEY] = (status, code)
    async with link_to(peer.url) as link:
        assert await fault_of(link.keyring) is fault
        assert await fault_of(link.keyring) is fault
    assert peer.calls["/resolve-key"] == 1


async def test_what_has_not_the_form_of_a_key_is_never_sent(peer, link_to) -> None:
    async with link_to(peer.url) as link:
        assert await fault_of(link.keyring, "sk-ant-something") is Fault.INVALID_API_KEY
    assert not peer.calls


async def test_a_revoked_key_is_refused_within_two_seconds(peer, link_to, eventually) -> None:
    peer.add_key(KEY)
    peer.add_key(OTHER, vk_id="vk_2")
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.feed.follow)
        await eventually(lambda: link.feed.revision is not None)
        await link.keyring.resolve(KEY)
        await link.keyring.resolve(OTHER)
        peer.refusals[KEY] = (403, "virtual_key_revoked")
        peer.tell("VK_REVOKED", virtual_key_id="vk_1")
        await eventually(lambda: link.keyring.known(KEY) is None, 2.0)
        assert await fault_of(link.keyring) is Fault.VIRTUAL_KEY_REVOKED
        assert link.keyring.known(OTHER) is not None
        nursery.cancel_scope.cancel()


async def test_an_enabled_key_works_although_it_was_just_refused(peer, link_to, eventually) -> None:
    peer.add_key(KEY)
    peer.refusals[KEY] = (403, "virtual_key_disabled")
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.feed.follow)
        await eventually(lambda: link.feed.revision is not None)
        assert await fault_of(link.keyring) is Fault.VIRTUAL_KEY_DISABLED
        del peer.refusals[KEY]
        peer.tell("VK_ENABLED", virtual_key_id="vk_1")
        await eventually(lambda: link.feed.revision == 1)
        assert (await link.keyring.resolve(KEY)).vk_id == "vk_1"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("kind", "subject", "is_kept"),
    [
        ("BUDGET_UPDATED", {"budget_id": "bud_1"}, False),
        ("BUDGET_UPDATED", {"budget_id": "bud_other"}, True),
        ("BUDGET_CREATED", {"budget_id": "bud_other"}, False),
        ("PROVIDER_UPDATED", {"provider_id": "prv_1"}, False),
        ("PROVIDER_UPDATED", {"provider_id": "prv_other"}, True),
        ("SOMETHING_NEW", {}, False),
        ("SOMETHING_NEW", {"organization_id": "org_other"}, True),
    ],
)
async def test_a_change_evicts_what_it_touches(
    peer, link_to, eventually, caplog, kind: str, subject: dict[str, str], is_kept: bool
) -> None:
    caplog.set_level("INFO")
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 1000)])
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.feed.follow)
        await eventually(lambda: link.feed.revision is not None)
        await link.keyring.resolve(KEY)
        peer.tell(kind, **subject)
        await eventually(lambda: link.feed.revision == 1)
        assert (link.keyring.known(KEY) is not None) is is_kept
        nursery.cancel_scope.cancel()
    evicted = [(one["kind"], one["keys"]) for one in said(caplog, "auth_cache_change_evict")]
    assert evicted == ([] if is_kept else [(kind, 1)])
    unknown = [one["kind"] for one in said(caplog, "auth_cache_change_unhandled")]
    assert unknown == ([kind] if kind == "SOMETHING_NEW" else [])


async def test_a_change_during_a_resolve_makes_it_ask_again(peer, link_to, eventually) -> None:
    peer.add_key(KEY)
    gate = peer.gates["/resolve-key"] = threading.Event()
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.keyring.resolve, KEY)
        await eventually(lambda: peer.calls["/resolve-key"] == 1)
        link.keyring.evict_key("vk_1")
        gate.set()
        await eventually(lambda: link.keyring.known(KEY))
    assert peer.calls["/resolve-key"] == 2


async def test_an_expired_key_is_refused_here_even_without_the_control_plane(
    peer, link_to, clock
) -> None:
    peer.add_key(KEY, expires_at_ms=int(time.time() * 1000) + 3_600_000)
    async with link_to(peer.url, now_s=clock) as link:
        await link.keyring.resolve(KEY)
        peer.stop()
        clock.ahead_seconds = 3500
        assert link.keyring.known(KEY) is not None
        clock.ahead_seconds = 3601
        assert link.keyring.known(KEY) is None
        assert await fault_of(link.keyring) is Fault.VIRTUAL_KEY_EXPIRED


async def test_known_keys_are_served_through_an_outage_and_unknown_ones_are_not(
    peer, link_to, eventually
) -> None:
    peer.add_key(KEY)
    async with link_to(peer.url) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.feed.follow)
        await eventually(lambda: link.feed.revision is not None)
        await link.keyring.resolve(KEY)
        peer.stop()
        await eventually(lambda: link.keyring.is_away)
        assert link.keyring.known(KEY) is not None
        assert await fault_of(link.keyring, OTHER) is Fault.AUTH_UPSTREAM_UNAVAILABLE
        nursery.cancel_scope.cancel()


async def test_a_known_key_is_not_served_for_ever_without_the_control_plane(
    peer, link_to, clock, caplog
) -> None:
    peer.add_key(KEY)
    async with link_to(peer.url, stale_seconds=7200, now_s=clock) as link:
        await link.keyring.resolve(KEY)
        peer.stop()
        clock.ahead_seconds = 7100
        assert link.keyring.known(KEY) is not None
        clock.ahead_seconds = 7201
        assert link.keyring.known(KEY) is None
        assert await fault_of(link.keyring) is Fault.AUTH_UPSTREAM_UNAVAILABLE
    (evicted,) = said(caplog, "auth_cache_hard_evict")
    assert (evicted["reason"], evicted["virtual_key_id"]) == ("hard_cap_exceeded", "vk_1")


async def test_a_cold_start_without_the_control_plane_serves_known_keys_until_it_answers(
    peer, link_to, eventually, caplog
) -> None:
    peer.add_key(KEY)
    async with link_to(peer.url, "before") as link:
        await link.keyring.resolve(KEY)
    peer.stop()
    async with link_to(peer.url, "after") as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.feed.follow)
        bundle = await link.keyring.resolve(KEY)
        assert bundle.providers[0].credential == Secret("upstream credential")
        (stale,) = said(caplog, "auth_cache_serve_stale")
        assert stale["virtual_key_id"] == "vk_1"
        peer.refusals[KEY] = (403, "virtual_key_revoked")
        peer.start()
        await eventually(lambda: link.keyring.known(KEY) is None)
        assert await fault_of(link.keyring) is Fault.VIRTUAL_KEY_REVOKED
        nursery.cancel_scope.cancel()
    peer.stop()
    async with link_to(peer.url, "later") as link:
        # The refusal also took the copy away.
        assert await fault_of(link.keyring) is Fault.AUTH_UPSTREAM_UNAVAILABLE


async def test_a_copy_of_a_key_that_changed_is_not_served(peer, link_to) -> None:
    peer.add_key(KEY)
    async with link_to(peer.url) as link:
        await link.keyring.resolve(KEY)
        link.keyring.evict_key("vk_1")
        peer.stop()
        assert await fault_of(link.keyring) is Fault.AUTH_UPSTREAM_UNAVAILABLE


async def test_copies_on_disk_hold_neither_key_nor_credential(peer, link_to, tmp_path) -> None:
    peer.add_key(KEY)
    async with link_to(peer.url) as link:
        await link.keyring.resolve(KEY)
    files = [p for p in (tmp_path / "cache").iterdir() if p.is_file()]
    assert files
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text() + file.name
        assert "vk_1" not in text
        assert KEY not in text
        assert "upstream credential" not in text


@pytest.mark.parametrize("changed", ["organization_id", "vk_id", "project_id", "principal_id"])
async def test_claims_that_disagree_with_the_bundle_are_refused(
    peer, link_to, changed: str
) -> None:
    bundle = peer.add_key(KEY)
    truth = peer._resolve(KEY)[1]
    answer = truth | {"config": bundle | {changed: "someone_else"}}
    peer.answer = lambda path, query, body: (200, answer)
    async with link_to(peer.url) as link:
        assert await fault_of(link.keyring) is Fault.AUTH_UPSTREAM_UNAVAILABLE


async def test_claims_signed_with_another_secret_are_refused(peer, link_to) -> None:
    peer.add_key(KEY)
    peer.claim_secret = Secret("another claim secret of thirty-two characters")
    async with link_to(peer.url) as link:
        assert await fault_of(link.keyring) is Fault.AUTH_UPSTREAM_UNAVAILABLE


async def test_a_key_in_use_is_checked_again_in_the_background(
    peer, link_to, clock, eventually, caplog
) -> None:
    caplog.set_level("DEBUG", "proxy.keyring")
    peer.add_key(KEY)
    async with link_to(peer.url, now_s=clock) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.keyring.refresh_forever)
        await link.keyring.resolve(KEY)
        clock.ahead_seconds = 61
        assert link.keyring.known(KEY) is not None
        await eventually(lambda: said(caplog, "auth_cache_refresh_success"))
        peer.refusals[KEY] = (403, "virtual_key_revoked")
        clock.ahead_seconds = 122
        assert link.keyring.known(KEY) is not None
        await eventually(lambda: link.keyring.known(KEY) is None)
        (evicted,) = said(caplog, "auth_cache_hard_evict")
        assert evicted["reason"] == "auth_rejection"
        peer.add_key(OTHER, vk_id="vk_2")
        await link.keyring.resolve(OTHER)
        peer.stop()
        clock.ahead_seconds = 183
        assert link.keyring.known(OTHER) is not None
        await eventually(lambda: said(caplog, "auth_cache_refresh_transport_failure"))
        assert link.keyring.known(OTHER) is not None
        nursery.cancel_scope.cancel()


async def test_the_keyring_forgets_the_key_that_was_used_longest_ago(peer, link_to) -> None:
    names = [f"lw_vk_live_01HZXABCDEFGHJKMNPQRSTVW{a}{b}" for a in "AB" for b in "ABC"]
    for number, name in enumerate(names):
        peer.add_key(name, vk_id=f"vk_{number}")
    async with link_to(peer.url, max_keys=3) as link:
        keyring = link.keyring
        for name in names[:3]:
            await keyring.resolve(name)
        assert keyring.known(names[0]) is not None
        await keyring.resolve(names[3])
        assert keyring.known(names[1]) is None
        assert keyring.known(names[0]) is not None
        assert len(keyring) == 3
