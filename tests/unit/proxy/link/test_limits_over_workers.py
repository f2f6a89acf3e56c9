"""Several workers share one limit: whatever happens in whatever order, the bound holds and nothing sticks."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.fault import Fault, Refused
from proxy.holds import Hold
from tests.unit.proxy.link.bank import START_S, Bank, Worker, terms

WORKERS = st.integers(0, 2)


class SharedLimit(RuleBasedStateMachine):
    """Three workers, one limit, calls of any estimate and cost, lost requests and lost answers."""

    @initialize(limit=st.integers(1, 3000))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.bank = Bank({"bud_1": limit})
        self.workers = [Worker(f"w{i}", self.bank, [terms(limit)], START_S) for i in range(3)]
        self.excess = 0

    @rule(worker=WORKERS, amount=st.integers(0, 400))
    def call_begins(self, worker: int, amount: int) -> None:
        self.workers[worker].request(amount)

    @rule(worker=WORKERS, which=st.integers(0, 9), share=st.floats(0, 2))
    def call_ends(self, worker: int, which: int, share: float) -> None:
        under_way = self.workers[worker].under_way
        if under_way:
            call = under_way[which % len(under_way)]
            cost = int(call.hold.amounts[0] * share)
            self.excess += max(0, cost - (call.hold.amounts[0] - call.uncovered))
            self.workers[worker].finish(call, cost)

    @rule(worker=WORKERS)
    def ships(self, worker: int) -> None:
        self.workers[worker].ship()

    @rule(worker=WORKERS, lost=st.sampled_from(["", "", "", "request", "answer"]))
    def borrows(self, worker: int, lost: str) -> None:
        self.workers[worker].borrow(lost)

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.5, 2.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        for worker in self.workers:
            worker.now_s += seconds

    @rule(worker=WORKERS)
    def callers_lose_patience(self, worker: int) -> None:
        self.workers[worker].give_up()

    @invariant()
    def overspend_is_at_most_what_calls_cost_beyond_their_cover(self) -> None:
        if not hasattr(self, "bank"):
            return
        settled = sum(a.settled for a in self.bank.accounts.values())
        unbooked = sum(c for w in self.workers for c in w.costs.values())
        covered = sum(c.hold.amounts[0] - c.uncovered for w in self.workers for c in w.under_way)
        assert settled + unbooked + covered <= self.limit + self.excess

    def teardown(self) -> None:
        if hasattr(self, "bank"):
            self._end_everything()
            self._next_call_is_judged_by_spend_alone()

    def _end_everything(self) -> None:
        for worker in self.workers:
            worker.give_up()
            for call in list(worker.under_way):
                worker.finish(call, 0)
            worker.ship()

    def _rounds(self, count: int, until_served: Worker | None = None) -> None:
        for _ in range(count):
            for worker in self.workers:
                worker.borrow()
                worker.now_s += 0.03
            if until_served is not None and not until_served.queue:
                return

    def _next_call_is_judged_by_spend_alone(self) -> None:
        is_spent = sum(a.settled for a in self.bank.accounts.values()) >= self.limit
        if is_spent:
            # A call that overshot is known to the other workers within a second.
            self._rounds(40)
        worker = self.workers[0]
        outcome = worker.request(100)
        self._rounds(60, until_served=worker)
        assert not worker.queue, "a call waited longer than its two seconds"
        verdict = outcome if isinstance(outcome, Hold) else outcome.outcome
        if is_spent:
            assert isinstance(verdict, Refused)
            assert verdict.fault is Fault.BUDGET_EXCEEDED
        else:
            assert isinstance(verdict, Hold)


TestSharedLimit = SharedLimit.TestCase
TestSharedLimit.settings = settings(max_examples=150, stateful_step_count=40)


def test_slices_go_back_when_nobody_calls() -> None:
    bank = Bank({"bud_1": 1000})
    worker = Worker("w", bank, [terms(1000)], START_S)
    worker.request(10)
    worker.borrow()
    worker.finish(worker.under_way[0], 10)
    worker.ship()
    for _ in range(20):
        worker.now_s += 0.5
        worker.borrow()
    (account,) = bank.accounts.values()
    assert (account.settled, account.leased) == (10, 0)
    assert not worker.holds.active


def test_a_worker_borrows_ahead_so_that_most_calls_need_no_round() -> None:
    bank = Bank({"bud_1": 1_000_000})
    worker = Worker("w", bank, [terms(1_000_000)], START_S)
    worker.request(100)
    worker.borrow()
    waited = sum(not isinstance(worker.request(100), Hold) for _ in range(400))
    assert waited == 0
    assert bank.account("bud_1", 0).leased <= 50_100


def test_of_two_workers_with_a_hundred_calls_each_exactly_what_fits_passes() -> None:
    bank = Bank({"bud_1": 1000})
    workers = [Worker(name, bank, [terms(1000)], START_S) for name in ("a", "b")]
    admitted = refused = 0
    queued = [w.request(100) for w in workers for _ in range(100)]
    for _ in range(50):
        for worker in workers:
            worker.borrow()
            for call in list(worker.under_way):
                admitted += 1
                worker.finish(call, 100)
            worker.ship()
            worker.now_s += 0.04
    refused = sum(isinstance(getattr(q, "outcome", None), Refused) for q in queued)
    assert (admitted, refused) == (10, 190)
    assert bank.account("bud_1", 0).settled == 1000


def test_pieces_too_small_for_anyone_come_together_for_one() -> None:
    bank = Bank({"bud_1": 100})
    workers = [Worker(name, bank, [terms(100)], START_S) for name in ("a", "b")]
    for worker in workers:
        worker.request(50)
        worker.borrow()
        worker.finish(worker.under_way[0], 1)
    # Each holds 49 of which a call of 80 can make nothing.
    waiters = [w.request(80) for w in workers]
    for _ in range(20):
        for worker in workers:
            worker.borrow()
            worker.now_s += 0.03
        if any(w.under_way for w in workers):
            break
    assert sum(len(w.under_way) for w in workers) == 1
    assert len(waiters) == 2
