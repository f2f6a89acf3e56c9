"""The orders of a routing policy: by cost, by latency, in turn."""

from hypothesis import given
from hypothesis import strategies as st

from rules.strategies import FRESH_SECONDS, Latencies, by_cost, rotated

CHOICES = ("a", "b", "c")


def name_of(choice: str) -> tuple[str, str]:
    return choice, "model"


def test_the_cheapest_goes_first_and_what_has_no_price_last():
    costs = {"a": 30, "b": None, "c": 10, "d": 30}
    assert by_cost(("a", "b", "c", "d"), costs.get) == ("c", "a", "d", "b")


def test_each_is_the_first_in_turn():
    assert [rotated(CHOICES, turn)[0] for turn in range(5)] == ["a", "b", "c", "a", "b"]
    assert rotated(CHOICES, 1) == ("b", "c", "a")
    assert rotated((), 3) == ()


def measured(**milliseconds: float) -> Latencies:
    latencies = Latencies()
    for name, ms in milliseconds.items():
        latencies.add((name, "model"), ms, 1000.0)
    return latencies


def test_the_quickest_goes_first():
    latencies = measured(a=300, b=100, c=200)
    assert latencies.ordered(CHOICES, name_of, 1001.0) == ("b", "c", "a")


def test_one_call_at_a_time_measures_what_was_never_measured():
    latencies = measured(a=300)
    assert latencies.ordered(CHOICES, name_of, 1001.0) == ("b", "a", "c")
    assert latencies.ordered(CHOICES, name_of, 1001.0) == ("c", "a", "b")
    assert latencies.ordered(CHOICES, name_of, 1001.0) == ("a", "b", "c")


def test_a_measurement_grows_old_and_is_made_again():
    latencies = measured(a=300, b=100, c=200)
    later_s = 1000.0 + FRESH_SECONDS + 1
    latencies.add(("b", "model"), 100, later_s)
    latencies.add(("c", "model"), 200, later_s)
    assert latencies.ordered(CHOICES, name_of, later_s)[0] == "a"
    assert latencies.ordered(CHOICES, name_of, later_s)[0] == "b"


def test_the_average_moves_towards_what_is_measured():
    latencies = measured(a=100)
    for _ in range(30):
        latencies.add(("a", "model"), 500, 1001.0)
    assert 490 < (latencies.average_ms(("a", "model")) or 0) <= 500


def test_the_series_are_bounded():
    latencies = Latencies(max_series=2)
    for name in CHOICES:
        latencies.add((name, "model"), 1, 1.0)
    assert latencies.average_ms(("a", "model")) is None
    assert latencies.average_ms(("c", "model")) == 1


@given(st.lists(st.integers(0, 5), unique=True, max_size=6), st.integers(0, 100), st.data())
def test_every_order_is_a_permutation(choices, turn, data):
    costs = {c: data.draw(st.none() | st.integers(0, 9)) for c in choices}
    latencies = Latencies()
    for choice in choices:
        if data.draw(st.booleans()):
            latencies.add((str(choice), "m"), data.draw(st.floats(0, 100)), 5.0)
    for ordered in (
        by_cost(choices, costs.get),
        rotated(choices, turn),
        latencies.ordered(choices, lambda c: (str(c), "m"), 10.0),
    ):
        assert sorted(ordered) == sorted(choices)
