"""Limits over two workers and a control plane on real sockets, with calls that take their time."""

import threading

import pytest
import trio

from core.fault import Fault, Refused
from proxy.holds import Hold, HoldTiming
from tests.component.proxy.link.lines import admission, settlement

pytestmark = pytest.mark.trio
KEY = "lw_vk_live_01HZXABCDEFGHJKMNPQRSTVWXY"


class Caller:
    """Makes calls through one worker's link and counts what became of them."""

    def __init__(self, link, clock) -> None:
        self.link = link
        self.clock = clock
        self.passed = 0
        self.refused: list[Refused] = []

    async def call(self, call_id: str, estimate: int, cost: int, seconds: float = 0.0) -> None:
        link = self.link
        bundle = link.keyring.known(KEY) or await link.keyring.resolve(KEY)
        hold = link.holds.take(bundle.limits, (estimate, 1, 0), self.clock())
        if not isinstance(hold, Hold):
            try:
                hold = await link.holds.obtain(bundle.limits, (estimate, 1, 0), self.clock())
            except Refused as refused:
                self.refused.append(refused)
                return
        self.passed += 1
        link.spool.append_admission(admission(call_id, estimate, hold.record()), hold)
        try:
            await trio.sleep(seconds)
        finally:
            link.holds.settle(hold, (cost, 1, 0))
            line = settlement(call_id, cost, hold.record(), link.spool.epoch)
            link.spool.append_settlement(line, hold, (cost, 1, 0))


async def test_of_two_hundred_calls_over_two_workers_exactly_the_ten_that_fit_pass(
    peer, link_to, clock, eventually
) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 1000)])
    async with (
        link_to(peer.url, "worker-a") as one,
        link_to(peer.url, "worker-b") as other,
        trio.open_nursery() as background,
    ):
        callers = [Caller(link, clock) for link in (one, other)]
        for link in (one, other):
            background.start_soon(link.shipper.run)
        async with trio.open_nursery() as nursery:
            for number in range(200):
                caller = callers[number % 2]
                nursery.start_soon(caller.call, f"req_{number}", 100, 100, 0.02)
        await eventually(lambda: one.spool.is_empty and other.spool.is_empty)
        background.cancel_scope.cancel()
    assert sum(c.passed for c in callers) == 10
    assert len(peer.settled) == 10
    refusals = [r for c in callers for r in c.refused]
    assert len(refusals) == 190
    assert {r.fault for r in refusals} == {Fault.BUDGET_EXCEEDED}
    facts = refusals[0].facts
    assert (facts["budget_id"], facts["scope"], facts["window"]) == ("bud_1", "project", "total")
    assert facts["limit_nanousd"] == 1000
    assert "project:total" in refusals[0].message
    assert peer.bank.account("bud_1", 0).settled == 1000


async def test_calls_that_cost_less_than_thought_leave_room_for_more(
    peer, link_to, clock, eventually
) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 1000)])
    async with link_to(peer.url) as link, trio.open_nursery() as background:
        caller = Caller(link, clock)
        background.start_soon(link.shipper.run)
        for number in range(200):
            await caller.call(f"req_{number}", 400, 10)
        await eventually(lambda: link.spool.is_empty)
        background.cancel_scope.cancel()
    assert caller.passed == 100
    assert peer.bank.account("bud_1", 0).settled == 1000


async def test_the_slice_of_a_worker_at_rest_serves_another(peer, link_to, clock) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 1000)])
    async with (
        link_to(peer.url, "worker-a") as one,
        link_to(peer.url, "worker-b") as other,
        trio.open_nursery() as background,
    ):
        for link in (one, other):
            background.start_soon(link.shipper.run)
        resting, starving = Caller(one, clock), Caller(other, clock)
        await resting.call("req_1", 900, 100)
        await starving.call("req_2", 890, 0)
        background.cancel_scope.cancel()
    assert (starving.passed, starving.refused) == (1, [])


async def test_a_warning_limit_refuses_nothing_and_tells_how_full_it_is(
    peer, link_to, clock, eventually
) -> None:
    budget = peer.add_budget("bud_1", 1000, on_breach="warn", scope="team")
    peer.add_key(KEY, budgets=[budget])
    async with (
        link_to(peer.url, "worker-a") as one,
        link_to(peer.url, "worker-b") as other,
        trio.open_nursery() as background,
    ):
        for link in (one, other):
            background.start_soon(link.shipper.run)
        here, there = Caller(one, clock), Caller(other, clock)
        await here.call("req_1", 100, 790)
        limits = (await one.keyring.resolve(KEY)).limits
        assert one.holds.warnings(limits) == []
        await here.call("req_2", 100, 20)
        assert one.holds.warnings(limits) == ["team:81"]
        await there.call("req_3", 100, 400)
        await eventually(lambda: other.holds.warnings(limits_of(other)) == ["team:121"])
        background.cancel_scope.cancel()
    assert (here.passed, there.passed) == (2, 1)


def limits_of(link):
    return link.keyring.known(KEY).limits


async def test_an_outage_is_ridden_out_on_the_last_slice_and_then_blocks(
    peer, link_to, clock, eventually
) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 100_000)])
    timing = HoldTiming(queue_seconds=0.3, outage_seconds=300)
    async with link_to(peer.url, timing=timing) as link, trio.open_nursery() as background:
        background.start_soon(link.shipper.run)
        caller = Caller(link, clock)
        await caller.call("req_1", 100, 0)
        peer.stop()
        await caller.call("req_2", 100, 0)
        assert (caller.passed, caller.refused) == (2, [])
        await caller.call("req_3", 90_000, 0)
        assert [r.fault for r in caller.refused] == [Fault.BUDGET_UNAVAILABLE]
        clock.ahead_seconds = 301
        await caller.call("req_4", 100, 0)
        assert [r.fault for r in caller.refused] == [Fault.BUDGET_UNAVAILABLE] * 2
        peer.start()
        link.shipper.retry()
        clock.ahead_seconds = 0
        await eventually(lambda: link.holds.away_since_s is None)
        await caller.call("req_5", 100, 0)
        assert caller.passed == 3
        background.cancel_scope.cancel()


async def test_a_limit_may_allow_calls_while_the_control_plane_is_away(
    peer, link_to, clock, eventually
) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 100_000, on_outage="allow")])
    timing = HoldTiming(queue_seconds=0.2)
    async with link_to(peer.url, timing=timing) as link, trio.open_nursery() as background:
        background.start_soon(link.shipper.run)
        caller = Caller(link, clock)
        await caller.call("req_1", 100, 0)
        peer.stop()
        await caller.call("req_2", 90_000, 0)
        background.cancel_scope.cancel()
    assert (caller.passed, caller.refused) == (2, [])


async def test_a_raised_limit_lets_calls_through_again(peer, link_to, clock, eventually) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 100)])
    async with link_to(peer.url) as link, trio.open_nursery() as background:
        background.start_soon(link.shipper.run)
        background.start_soon(link.feed.follow)
        await eventually(lambda: link.feed.revision is not None)
        caller = Caller(link, clock)
        await caller.call("req_1", 100, 100)
        await caller.call("req_2", 100, 100)
        assert caller.passed == 1
        peer.keys[KEY]["budgets"] = [peer.add_budget("bud_1", 1000)]
        peer.tell("BUDGET_UPDATED", budget_id="bud_1")
        await eventually(lambda: link.keyring.known(KEY) is None)
        await caller.call("req_3", 100, 100)
        assert caller.passed == 2
        background.cancel_scope.cancel()


async def test_a_call_that_leaves_the_queue_leaves_nothing_held(
    peer, link_to, clock, eventually
) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 100)])
    async with link_to(peer.url) as link, trio.open_nursery() as background:
        background.start_soon(link.shipper.run)
        caller = Caller(link, clock)
        await link.keyring.resolve(KEY)
        async with trio.open_nursery() as leaving:
            leaving.start_soon(caller.call, "req_1", 100, 0, 5.0)
            await eventually(lambda: caller.passed == 1)
            for number in range(5):
                leaving.start_soon(caller.call, f"req_q{number}", 50, 0)
            await eventually(lambda: len(link.holds.waiters) == 5)
            leaving.cancel_scope.cancel()
        assert not link.holds.waiters
        (limit,) = limits_of(link)
        assert (limit.waiting, limit.current.held) == (0, 0)
        background.cancel_scope.cancel()


async def test_a_slow_answer_delays_a_first_call_and_does_not_refuse_it(
    peer, link_to, clock, eventually
) -> None:
    peer.add_key(KEY, budgets=[peer.add_budget("bud_1", 1000)])
    gate = peer.gates["/leases"] = threading.Event()
    timing = HoldTiming(queue_seconds=0.05, answer_seconds=10)
    async with link_to(peer.url, timing=timing) as link, trio.open_nursery() as background:
        background.start_soon(link.shipper.run)
        caller = Caller(link, clock)
        async with trio.open_nursery() as calling:
            calling.start_soon(caller.call, "req_1", 100, 0)
            await eventually(lambda: peer.calls["/leases"] == 1)
            with trio.move_on_after(0.2):
                await eventually(lambda: caller.refused)
            gate.set()
        background.cancel_scope.cancel()
    assert (caller.passed, caller.refused) == (1, [])
