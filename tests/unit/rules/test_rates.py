"""Rolling windows in slots: no interval of a window's length ever escapes the slots that are counted."""

from hypothesis import given
from hypothesis import strategies as st

from rules.rates import COUNTING, DIMENSIONS, Unit, rate_limit_id, read_rate_limit_id

DIMENSION = st.sampled_from([*DIMENSIONS.values(), COUNTING])
MOMENT = st.integers(0, 2**42)


@given(dimension=DIMENSION, now_ms=MOMENT, ago_ms=st.integers(0, 2 * 86_400_000))
def test_what_was_admitted_within_the_window_is_always_counted(dimension, now_ms, ago_ms):
    slot = dimension.slot_start_ms(now_ms - ago_ms)
    is_counted = slot >= dimension.counted_from_ms(now_ms)
    if ago_ms < dimension.window_ms:
        assert is_counted
    if ago_ms >= dimension.window_ms + dimension.slot_ms:
        assert not is_counted


@given(dimension=DIMENSION, now_ms=MOMENT)
def test_a_slot_counts_until_the_moment_it_is_said_to_leave_and_no_longer(dimension, now_ms):
    slot = dimension.slot_start_ms(now_ms)
    leaves = dimension.leaves_at_ms(slot)
    assert slot >= dimension.counted_from_ms(leaves - 1)
    assert slot < dimension.counted_from_ms(leaves)


def test_windows_are_whole_numbers_of_slots():
    assert all(d.window_ms % d.slot_ms == 0 for d in (*DIMENSIONS.values(), COUNTING))


def test_an_id_says_what_is_counted_and_whose_it_is():
    found = read_rate_limit_id(rate_limit_id("tpm", "vk_1"))
    assert found == (DIMENSIONS["tpm"], "vk_1")
    assert DIMENSIONS["tpm"].unit is Unit.TOKENS
    assert read_rate_limit_id("budget_01J") is None
    assert read_rate_limit_id("rps:vk_1") is None
