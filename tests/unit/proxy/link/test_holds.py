"""Holds of one worker: periods that turn, calls that settle twice or late, limits that are not judged."""

import pytest

from core.clock import from_ms
from proxy.holds import Hold, LimitState
from rules.windows import Window
from tests.unit.proxy.link.bank import START_S, Bank, Worker, terms

MINUTE_S = 60.0


def minute_worker(limit: int = 1000) -> tuple[Worker, Bank]:
    bank = Bank({"bud_1": limit})
    return Worker("w", bank, [terms(limit, window=Window.MINUTE)], START_S), bank


def test_a_call_is_charged_to_the_period_it_was_admitted_in() -> None:
    worker, bank = minute_worker()
    worker.request(100)
    worker.borrow()
    (call,) = worker.under_way
    ((limit_id, start_ms),) = call.hold.record()
    assert (limit_id, from_ms(start_ms).second) == ("bud_1", 0)
    worker.now_s += MINUTE_S
    worker.request(50)
    worker.borrow()
    worker.finish(call, 100)
    worker.ship()
    assert bank.account("bud_1", start_ms).settled == 100
    assert worker.limits[0].current.start_ms == start_ms + 60_000
    assert worker.limits[0].current.spent == 0


def test_what_is_left_of_a_past_periods_slice_goes_back() -> None:
    worker, bank = minute_worker()
    worker.request(100)
    worker.borrow()
    worker.finish(worker.under_way[0], 10)
    worker.ship()
    past = worker.limits[0].current.start_ms
    worker.now_s += MINUTE_S
    worker.request(100)
    worker.borrow()
    assert bank.account("bud_1", past).leased == 0


def test_a_spent_limit_opens_again_with_the_next_period() -> None:
    worker, _ = minute_worker(100)
    worker.request(100)
    worker.borrow()
    worker.finish(worker.under_way[0], 100)
    worker.request(100)
    assert not worker.queue, "a spent limit refuses at once"
    worker.now_s += MINUTE_S
    worker.request(100)
    worker.borrow()
    assert len(worker.under_way) == 1


def test_settling_twice_counts_once() -> None:
    worker, _ = minute_worker()
    worker.request(100)
    worker.borrow()
    hold = worker.under_way[0].hold
    for _ in range(2):
        worker.holds.settle(hold, (30, 1, 0))
    current = worker.limits[0].current
    assert (current.held, current.unacked) == (0, 30)


def test_a_released_hold_is_available_again() -> None:
    worker, _ = minute_worker()
    worker.request(100)
    worker.borrow()
    before = worker.limits[0].current.available
    worker.holds.release(worker.under_way[0].hold)
    assert worker.limits[0].current.available == before + 100


def test_a_call_over_several_limits_holds_all_or_none() -> None:
    bank = Bank({"small": 100, "large": 100_000})
    worker = Worker("w", bank, [terms(100_000, id="large"), terms(100, id="small")], START_S)
    worker.request(60)
    worker.borrow()
    assert len(worker.under_way) == 1
    large, small = worker.limits
    before = large.current.held
    short = worker.holds.take(worker.limits, (60, 1, 0), worker.now_s)
    assert short is small
    assert large.current.held == before


@pytest.mark.parametrize("limit", [0, -5])
def test_a_limit_of_zero_or_less_is_not_judged(limit: int) -> None:
    worker = Worker("w", Bank({"bud_1": limit}), [terms(limit)], START_S)
    assert isinstance(worker.request(10**12), Hold)
    assert worker.holds.warnings(worker.limits) == []


def test_a_limit_that_is_gone_no_longer_refuses() -> None:
    bank = Bank({"bud_1": 100})
    worker = Worker("w", bank, [terms(100)], START_S)
    del bank.limits["bud_1"]
    worker.request(5000)
    worker.borrow()
    assert len(worker.under_way) == 1


def test_a_call_without_an_estimate_is_refused_when_the_limit_is_spent() -> None:
    worker, _ = minute_worker(100)
    worker.request(100)
    worker.borrow()
    worker.finish(worker.under_way[0], 100)
    assert isinstance(worker.holds.take(worker.limits, (0, 1, 0), worker.now_s), LimitState)


def test_bundles_share_one_state_per_limit() -> None:
    worker, _ = minute_worker()
    again = worker.holds.limit_for(terms(5000, window=Window.MINUTE), 0, 7)
    assert again is worker.limits[0]
    assert again.terms.amount == 5000


def test_those_who_came_first_are_served_first() -> None:
    bank = Bank({"bud_1": 100})
    worker = Worker("w", bank, [terms(100)], START_S)
    worker.request(100)
    worker.borrow()
    worker.request(90)
    worker.request(10)
    worker.finish(worker.under_way[0], 0)
    assert [call.hold.amounts[0] for call in worker.under_way] == [90, 10]


def test_a_small_newcomer_does_not_overtake_the_queue() -> None:
    bank = Bank({"bud_1": 100})
    worker = Worker("w", bank, [terms(100)], START_S)
    for amount in (60, 30):
        worker.request(amount)
        worker.borrow()
    worker.request(80)
    worker.finish(worker.under_way[1], 0)
    worker.request(5)
    assert [call.hold.amounts[0] for call in worker.under_way] == [60]
    assert len(worker.queue) == 2
