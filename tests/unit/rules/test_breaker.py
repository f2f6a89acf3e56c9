"""The breaker opens after so many failures within the window, and lets one call at a time find out."""

from hypothesis import given
from hypothesis import strategies as st

from rules.breaker import Breaker, BreakerTerms, State

TERMS = BreakerTerms(window_seconds=30, failures=3, cooldown_seconds=60)


def opened(at_s: float = 100.0) -> Breaker:
    breaker = Breaker(TERMS)
    assert [breaker.failed(at_s) for _ in range(3)] == [False, False, True]
    return breaker


def test_it_opens_at_the_last_of_so_many_failures_within_the_window():
    breaker = Breaker(TERMS)
    assert not breaker.failed(0)
    assert not breaker.failed(20)
    assert not breaker.failed(31)
    assert breaker.state(31) is State.CLOSED
    assert breaker.failed(45)
    assert breaker.state(45) is State.OPEN
    assert not breaker.admit(104)
    assert breaker.wait_seconds(50) == 55


def test_one_probe_passes_when_it_has_cooled_down():
    breaker = opened()
    assert breaker.state(160) is State.HALF_OPEN
    assert breaker.would_admit(160)
    assert breaker.admit(160)
    assert not breaker.admit(161)
    assert breaker.wait_seconds(161) == 59


def test_a_probe_that_succeeds_closes_it_and_forgets_the_failures():
    breaker = opened()
    assert breaker.admit(160)
    breaker.alive(161)
    assert breaker.state(161) is State.CLOSED
    assert not breaker.failed(162)
    assert breaker.admit(162)


def test_a_probe_that_fails_opens_it_for_another_while():
    breaker = opened()
    assert breaker.admit(160)
    assert breaker.failed(165)
    assert breaker.state(224) is State.OPEN
    assert breaker.state(225) is State.HALF_OPEN


def test_a_probe_whose_client_left_makes_room_for_the_next():
    breaker = opened()
    assert breaker.admit(160)
    breaker.let_go()
    assert breaker.admit(161)


def test_a_probe_of_which_nothing_is_heard_is_given_up():
    breaker = opened()
    assert breaker.admit(160)
    assert not breaker.admit(219)
    assert breaker.admit(220)


def test_a_late_success_of_an_older_call_does_not_close_it():
    breaker = opened()
    breaker.alive(110)
    assert breaker.state(110) is State.OPEN


def test_it_is_quiet_once_its_failures_are_out_of_the_window():
    breaker = Breaker(TERMS)
    breaker.failed(0)
    assert not breaker.is_quiet(30)
    assert breaker.is_quiet(30.1)
    assert not opened().is_quiet(1000)


@given(
    st.lists(
        st.tuples(st.sampled_from(["failed", "alive", "admit", "let_go"]), st.floats(0, 40)),
        max_size=60,
    )
)
def test_whatever_happens_it_admits_nothing_while_open_and_one_probe_at_a_time(events):
    breaker, now_s, probed_s = Breaker(TERMS), 0.0, None
    for kind, after_s in events:
        now_s += after_s
        before = breaker.state(now_s)
        if kind == "failed":
            breaker.failed(now_s)
        elif kind == "alive":
            breaker.alive(now_s)
        elif kind == "let_go":
            breaker.let_go()
        else:
            would = breaker.would_admit(now_s)
            is_admitted = breaker.admit(now_s)
            assert would == is_admitted
            assert not (is_admitted and before is State.OPEN)
            if is_admitted and before is State.HALF_OPEN:
                assert probed_s is None or now_s - probed_s >= TERMS.cooldown_seconds
                probed_s = now_s
            assert (
                (breaker.wait_seconds(now_s) == 0) or not is_admitted or before is State.HALF_OPEN
            )
        if kind in ("failed", "alive", "let_go"):
            probed_s = None if before is State.HALF_OPEN or kind == "let_go" else probed_s
