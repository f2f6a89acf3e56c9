"""The rule types: which thresholds are valid, what they say, when they fire."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.anomaly_rules import (
    Decision,
    Measured,
    baseline_span,
    describe,
    duration_words,
    judge_spend_spike,
    spend_spike,
    spend_spike_reason,
    threshold_errors,
    validate_threshold,
)

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
VALID = {"windowSec": 3600, "ratioVsBaseline": 2.0, "minBaselineUsd": 1}
USD = 1_000_000_000


def test_accepts_the_documented_thresholds() -> None:
    assert threshold_errors("spend_spike", VALID) == {}
    assert threshold_errors("spend_spike", VALID | {"baselineOffsetSec": 604_800}) == {}
    assert threshold_errors("spend_spike", VALID | {"minBaselineUsd": 0.1}) == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"windowSec": 0}, "windowSec"),
        ({"windowSec": -5}, "windowSec"),
        ({"windowSec": 3600.5}, "windowSec"),
        ({"windowSec": True}, "windowSec"),
        ({"windowSec": "3600"}, "windowSec"),
        ({"windowSec": 10**12}, "windowSec"),
        ({"ratioVsBaseline": 0}, "ratioVsBaseline"),
        ({"ratioVsBaseline": float("nan")}, "ratioVsBaseline"),
        ({"ratioVsBaseline": float("inf")}, "ratioVsBaseline"),
        ({"ratioVsBaseline": None}, "ratioVsBaseline"),
        ({"minBaselineUsd": -0.01}, "minBaselineUsd"),
        ({"minBaselineUsd": []}, "minBaselineUsd"),
        ({"baselineOffsetSec": 0}, "baselineOffsetSec"),
        ({"baselineOffsetSec": None}, "baselineOffsetSec"),
        ({"windowSecs": 5}, "windowSecs"),
    ],
)
def test_refuses_what_is_not_a_threshold(change: dict[str, Any], field: str) -> None:
    assert list(threshold_errors("spend_spike", VALID | change)) == [field]


def test_names_each_missing_field_and_an_unknown_type() -> None:
    assert len(validate_threshold("spend_spike", {})) == 3
    assert validate_threshold("spend_spike", [])
    assert "spend_spike" in validate_threshold("telepathy", VALID)[0]


@given(st.dictionaries(st.text(max_size=12), st.integers() | st.floats() | st.text() | st.none()))
def test_no_json_object_breaks_the_validation(threshold: dict[str, Any]) -> None:
    errors = threshold_errors("spend_spike", threshold)
    if not errors:
        assert describe("spend_spike", threshold)


def test_says_in_words_when_it_fires() -> None:
    assert describe("spend_spike", VALID) == (
        "Fires when spend over 1 hour reaches 2 times the mean of the 6 windows before, "
        "once that baseline is $1.00 or more."
    )
    offset = VALID | {"baselineOffsetSec": 604_800, "windowSec": 86_400, "minBaselineUsd": 0}
    assert describe("spend_spike", offset) == (
        "Fires when spend over 1 day reaches 2 times the same length of time 7 days earlier."
    )
    with pytest.raises(ValueError):
        describe("spend_spike", {})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (120, "2 minutes"),
        (5400, "90 minutes"),
        (86_400, "1 day"),
    ],
)
def test_a_length_of_time_is_said_in_its_largest_whole_unit(seconds: int, words: str) -> None:
    assert duration_words(seconds) == words


def test_the_baseline_is_six_windows_or_one_at_the_offset() -> None:
    span, windows = baseline_span(spend_spike(VALID), NOW)
    assert (span.start, span.end, windows) == (
        NOW - timedelta(hours=7),
        NOW - timedelta(hours=1),
        6,
    )
    span, windows = baseline_span(spend_spike(VALID | {"baselineOffsetSec": 86_400}), NOW)
    assert (span.start, span.end, windows) == (
        NOW - timedelta(hours=25),
        NOW - timedelta(hours=24),
        1,
    )


@pytest.mark.parametrize(
    ("current", "baseline", "decision"),
    [
        (0, 0, Decision.SKIP_NO_DATA),
        (100 * USD, USD - 1, Decision.SKIP_BELOW_BASELINE),
        (2 * USD - 1, USD, Decision.SKIP_BELOW_THRESHOLD),
        (2 * USD, USD, Decision.FIRE),
        (0, 5 * USD, Decision.SKIP_BELOW_THRESHOLD),
    ],
)
def test_fires_from_the_ratio_on(current: int, baseline: int, decision: Decision) -> None:
    assert judge_spend_spike(spend_spike(VALID), Measured(current, 1, baseline)) is decision


def test_without_a_floor_any_spend_over_nothing_fires() -> None:
    rule = spend_spike(VALID | {"minBaselineUsd": 0})
    assert judge_spend_spike(rule, Measured(1, 1, 0)) is Decision.FIRE
    assert "nothing at all" in spend_spike_reason(rule, Measured(1, 1, 0))
