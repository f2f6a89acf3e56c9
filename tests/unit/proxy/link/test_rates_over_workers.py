"""Rate limits over several workers: no window ever holds more than the limit, and what is left can be had."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.fault import Fault, Refused
from proxy.holds import Hold, Terms
from proxy.holds import Waiter as QueuedCall
from rules.rates import DIMENSIONS
from rules.windows import Window
from tests.unit.proxy.link.bank import START_S, Bank, Worker, terms

WORKERS = st.integers(0, 2)
RPM, TPM = DIMENSIONS["rpm"], DIMENSIONS["tpm"]


def rpm(amount: int, **changes: object) -> Terms:
    given = {"id": "rpm:vk_1", "name": "rpm", "window": Window.MINUTE, "rolling": RPM}
    return terms(amount, **(given | {"on_outage": "allow"} | changes))


def tpm(amount: int) -> Terms:
    return rpm(amount, id="tpm:vk_1", name="tpm", rolling=TPM)


def workers_of(limit: int, count: int = 2) -> tuple[Bank, list[Worker]]:
    bank = Bank({"rpm:vk_1": limit})
    return bank, [Worker(f"w{i}", bank, [rpm(limit)], START_S) for i in range(count)]


def pass_time(bank: Bank, workers: list[Worker], seconds: float) -> None:
    bank.now_s += seconds
    for worker in workers:
        worker.now_s += seconds


class SharedRate(RuleBasedStateMachine):
    """Three workers, one limit of requests a minute; calls of any length, some refused later."""

    @initialize(limit=st.integers(1, 60))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.bank, self.workers = workers_of(limit, 3)
        self.admitted: dict[Hold, float] = {}

    def _note(self) -> None:
        for worker in self.workers:
            for call in worker.under_way:
                self.admitted.setdefault(call.hold, self.bank.now_s)

    @rule(worker=WORKERS, count=st.integers(1, 30))
    def calls_begin(self, worker: int, count: int) -> None:
        for _ in range(count):
            self.workers[worker].request(1)
        self._note()

    @rule(worker=WORKERS, count=st.integers(1, 30), is_refused_later=st.booleans())
    def calls_end(self, worker: int, count: int, is_refused_later: bool) -> None:
        for call in self.workers[worker].under_way[:count]:
            self.workers[worker].end(call, (0, int(not is_refused_later), 0))
            if is_refused_later:
                del self.admitted[call.hold]
        self.workers[worker].look()
        self._note()

    @rule(worker=WORKERS)
    def ships(self, worker: int) -> None:
        self.workers[worker].ship()
        self._note()

    @rule(worker=WORKERS, lost=st.sampled_from(["", "", "", "request", "answer"]))
    def borrows(self, worker: int, lost: str) -> None:
        self.workers[worker].borrow(lost)
        self._note()

    @rule(seconds=st.sampled_from([0.05, 0.5, 3.0, 20.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        pass_time(self.bank, self.workers, seconds)

    @invariant()
    def no_minute_holds_more_than_the_limit(self) -> None:
        if hasattr(self, "bank"):
            since_s = self.bank.now_s - 60
            assert sum(at_s > since_s for at_s in self.admitted.values()) <= self.limit


TestSharedRate = SharedRate.TestCase
TestSharedRate.settings = settings(max_examples=100, stateful_step_count=40)


def flood(bank: Bank, workers: list[Worker], count: int) -> tuple[int, list[Refused]]:
    """Have every worker asked in turn, each call ending at once; return how many passed, and refusals."""
    passed, waiting = 0, []
    for number in range(count):
        outcome = workers[number % len(workers)].request(1)
        if isinstance(outcome, QueuedCall):
            waiting.append(outcome)
        passed += step(bank, workers)
    for _ in range(40):
        passed += step(bank, workers)
    refused = [w.outcome for w in waiting if isinstance(w.outcome, Refused)]
    assert not any(worker.queue for worker in workers)
    return passed, refused


def step(bank: Bank, workers: list[Worker]) -> int:
    passed = 0
    for worker in workers:
        worker.borrow()
        for call in list(worker.under_way):
            worker.finish(call, 1)
            passed += 1
        worker.ship()
    pass_time(bank, workers, 0.04)
    return passed


def test_of_a_flood_over_workers_exactly_the_limit_passes() -> None:
    for limit in (1, 10, 60, 400):
        bank, workers = workers_of(limit, 3)
        passed, refused = flood(bank, workers, limit + 40)
        assert passed == limit
        assert {r.fault for r in refused} == {Fault.VK_RATE_LIMIT_EXCEEDED}


def test_what_was_used_comes_back_after_a_minute_and_not_before() -> None:
    bank, workers = workers_of(10, 1)
    assert flood(bank, workers, 12)[0] == 10
    pass_time(bank, workers, 56)
    assert flood(bank, workers, 3)[0] == 0
    pass_time(bank, workers, 8)
    assert flood(bank, workers, 12)[0] == 10


def test_a_refusal_says_when_the_oldest_use_leaves_the_window() -> None:
    bank, (worker,) = workers_of(1, 1)
    flood(bank, [worker], 1)
    begun_ms = RPM.slot_start_ms(int(START_S * 1000))
    outcome = worker.request(1)
    assert isinstance(outcome, QueuedCall) and isinstance(outcome.outcome, Refused)
    told = outcome.outcome.facts["retry_after_seconds"]
    assert told == -(-(RPM.leaves_at_ms(begun_ms) / 1000 - worker.now_s) // 1)
    assert isinstance(told, int)
    pass_time(bank, [worker], told)
    assert flood(bank, [worker], 1)[0] == 1


def test_a_used_up_rate_refuses_at_once_without_asking_again() -> None:
    bank, (worker,) = workers_of(3, 1)
    flood(bank, [worker], 3)
    outcome = worker.request(1)
    assert isinstance(outcome, QueuedCall) and isinstance(outcome.outcome, Refused)


def test_a_call_that_is_refused_on_one_dimension_takes_nothing_of_another() -> None:
    bank = Bank({"rpm:vk_1": 5, "tpm:vk_1": 100})
    worker = Worker("w", bank, [rpm(5), tpm(100)], START_S)
    worker.request(90)
    worker.borrow()
    assert len(worker.under_way) == 1
    requests, tokens = worker.limits
    held = requests.current.held
    too_many = worker.request(50)
    worker.borrow()
    assert isinstance(too_many, QueuedCall) and isinstance(too_many.outcome, Refused)
    assert too_many.outcome.facts["dimension"] == "tpm"
    assert (requests.current.held, tokens.current.held) == (held, 90)


def test_of_two_rates_that_are_used_up_the_shorter_window_is_named() -> None:
    day = rpm(2, id="rpd:vk_1", name="rpd", window=Window.DAY, rolling=DIMENSIONS["rpd"])
    bank = Bank({"rpm:vk_1": 2, "rpd:vk_1": 2})
    worker = Worker("w", bank, [rpm(2), day], START_S)
    flood(bank, [worker], 2)
    outcome = worker.request(1)
    assert isinstance(outcome, QueuedCall) and isinstance(outcome.outcome, Refused)
    assert outcome.outcome.facts["dimension"] == "rpm"


def test_a_call_larger_than_the_whole_rate_passes_alone() -> None:
    bank = Bank({"tpm:vk_1": 100})
    worker = Worker("w", bank, [tpm(100)], START_S)
    worker.request(500)
    worker.borrow()
    assert len(worker.under_way) == 1
    second = worker.request(1)
    worker.borrow()
    assert isinstance(second, QueuedCall) and isinstance(second.outcome, Refused)


def test_while_the_control_plane_is_away_each_worker_holds_the_limit_by_itself() -> None:
    _, (worker,) = workers_of(5, 1)
    worker.holds.missed(worker.now_s)
    worker.now_s += 3
    outcomes = [worker.request(1) for _ in range(7)]
    passed = [o for o in outcomes if isinstance(o, QueuedCall) and isinstance(o.outcome, Hold)]
    assert len(passed) == 5
