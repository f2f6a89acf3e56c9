"""Estimates stay bounded whatever a caller claims; slices shrink with what is left."""

from hypothesis import given
from hypothesis import strategies as st

from rules import slices
from rules.estimates import MAX_ANSWERS, MAX_OUTPUT_TOKENS, OutputHistory, estimate_usage
from rules.slices import Slice, cushion, low_water

AMOUNTS = st.integers(0, 10**15)


def test_input_follows_the_bodys_size_a_little_too_high() -> None:
    assert estimate_usage(3500, 100, None).input_tokens == 1001


def test_output_is_what_the_caller_allows_and_a_default_without_it() -> None:
    assert estimate_usage(0, 100, None).output_tokens == 100
    assert estimate_usage(0, None, None).output_tokens == 4096


def test_an_absurd_maximum_is_cut_down() -> None:
    assert estimate_usage(0, 10**9, None).output_tokens == MAX_OUTPUT_TOKENS
    assert estimate_usage(0, 10**9, 200).output_tokens == 301
    assert estimate_usage(0, None, 10**9).output_tokens == MAX_OUTPUT_TOKENS


def test_each_answer_that_is_asked_for_counts() -> None:
    assert estimate_usage(0, 100, None, 5).output_tokens == 500
    assert estimate_usage(0, None, 200, 5).output_tokens == 5 * 301
    assert estimate_usage(0, 10**9, None, 10**6).output_tokens == MAX_OUTPUT_TOKENS * MAX_ANSWERS


def test_history_never_raises_what_the_caller_allows() -> None:
    assert estimate_usage(0, 50, 2000).output_tokens == 50


def test_history_counts_from_five_calls_on_and_a_keys_own_before_others() -> None:
    history = OutputHistory()
    for tokens in (10, 20, 30, 40):
        history.add("vk_1", "m", tokens)
    assert history.p95_tokens("vk_1", "m") is None
    history.add("vk_2", "m", 1000)
    assert history.p95_tokens("vk_1", "m") == 1000
    history.add("vk_1", "m", 50)
    assert history.p95_tokens("vk_1", "m") == 50
    assert history.p95_tokens("vk_1", "other") is None


def test_history_forgets_old_calls_and_old_series() -> None:
    history = OutputHistory(max_series=4)
    for _ in range(5):
        history.add("vk_1", "m", 9000)
    for _ in range(40):
        history.add("vk_1", "m", 7)
    assert history.p95_tokens("vk_1", "m") == 7
    for number in range(4):
        history.add(f"vk_{number}", f"model {number}", 1)
    assert history.p95_tokens("vk_1", "m") is None


def test_calls_that_cost_more_than_estimated_raise_the_next_estimates_until_it_fades() -> None:
    history = OutputHistory()
    assert history.outlook("vk_1", "m")[1] == 1.0
    history.add("vk_1", "m", 10, overrun=8.0)
    assert history.outlook("vk_1", "m")[1] == 8.0
    assert history.outlook("vk_1", "other")[1] == history.outlook("vk_2", "m")[1] == 1.0
    for _ in range(35):
        history.add("vk_1", "m", 10, overrun=0.5)
    assert 1.0 < history.outlook("vk_1", "m")[1] < 4.0
    for _ in range(70):
        history.add("vk_1", "m", 10, overrun=0.5)
    assert history.outlook("vk_1", "m")[1] == 1.0


def test_one_absurd_bill_does_not_set_a_whole_budget_aside_for_long() -> None:
    history = OutputHistory()
    history.add("vk_1", "m", 10, overrun=1e9)
    assert history.outlook("vk_1", "m")[1] == 100.0


@given(st.integers(0, 10**9), st.none() | st.integers(-5, 10**12), st.none() | AMOUNTS)
def test_an_estimate_is_always_bounded(body: int, maximum: int | None, p95: int | None) -> None:
    usage = estimate_usage(body, maximum, p95)
    assert 0 <= usage.output_tokens <= MAX_OUTPUT_TOKENS
    assert usage.input_tokens >= body / 4


@given(AMOUNTS, AMOUNTS)
def test_a_cushion_is_a_small_share_of_limit_and_rest(limit: int, reachable: int) -> None:
    kept = cushion(limit, reachable)
    assert 0 <= low_water(kept) <= kept <= min(limit / 20, reachable / 8)


def surplus(available: int, free: int, idle_seconds: float) -> int:
    return slices.surplus(Slice(10**12, available, free, 100, idle_seconds))


def test_a_slice_in_use_stays_while_enough_is_free() -> None:
    assert surplus(500, 10**12, 0.2) == 0
    assert surplus(500, 10**9, 0.2) == 400


def test_a_slice_at_rest_goes_back_soon_when_little_is_free_and_later_anyway() -> None:
    assert surplus(500, 10**9, 1.5) == 500
    assert surplus(500, 10**12, 1.5) == 0
    assert surplus(500, 10**12, 6.0) == 500
    assert surplus(-5, 0, 6.0) == 0
