"""Periods of budgets: where they start and end, with and without an anchor."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.windows import ENDLESS, NEVER, Window, period

MOMENTS = st.integers(946_684_800, 3_786_912_000).map(lambda s: datetime.fromtimestamp(s, UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        (Window.MINUTE, "2026-11-21T10:20:30", "2026-11-21T10:20", "2026-11-21T10:21"),
        (Window.HOUR, "2026-11-21T10:20:30", "2026-11-21T10:00", "2026-11-21T11:00"),
        (Window.DAY, "2026-11-21T10:20:30", "2026-11-21", "2026-11-22"),
        (Window.WEEK, "2026-11-21T10:20:30", "2026-11-16", "2026-11-23"),
        (Window.WEEK, "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        (Window.MONTH, "2026-11-21T10:20:30", "2026-11-01", "2026-12-01"),
        (Window.MONTH, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
    ],
)
def test_a_period_starts_where_the_calendar_says(window, now, start, end):
    assert period(window, at(now)) == (at(start), at(end))


def test_total_never_ends():
    assert period(Window.TOTAL, at("2026-11-21"))[1] == NEVER


def test_a_monthly_anchor_is_clamped_to_short_months_and_springs_back():
    anchor = at("2026-01-31T08:00")
    assert period(Window.MONTH, at("2026-02-10"), anchor) == (anchor, at("2026-02-28T08:00"))
    assert period(Window.MONTH, at("2026-03-01"), anchor) == (
        at("2026-02-28T08:00"),
        at("2026-03-31T08:00"),
    )


def test_what_comes_before_an_anchor_is_one_period_that_ends_with_it():
    anchor = at("2026-12-01T09:00")
    assert period(Window.WEEK, at("2026-11-21"), anchor)[1] == anchor
    assert period(Window.WEEK, anchor, anchor) == (anchor, at("2026-12-08T09:00"))


def test_a_reset_moves_the_start_of_its_own_period_and_no_other():
    reset = at("2026-11-10T12:00")
    assert period(Window.MONTH, at("2026-11-21"), None, reset) == (reset, at("2026-12-01"))
    assert period(Window.MONTH, at("2026-12-02"), None, reset)[0] == at("2026-12-01")
    assert period(Window.MONTH, at("2026-11-09"), None, reset)[0] == at("2026-11-01")
    assert period(Window.MANUAL, at("2030-01-01"), None, reset) == (reset, NEVER)


def test_a_naive_moment_is_refused():
    with pytest.raises(ValueError, match="aware"):
        period(Window.DAY, datetime(2026, 1, 1))  # noqa: DTZ001 - the subject of the test


@given(window=st.sampled_from(list(Window)), now=MOMENTS, anchor=st.none() | MOMENTS)
def test_now_lies_in_its_period_and_the_next_period_starts_where_it_ends(window, now, anchor):
    start, end = period(window, now, anchor)
    assert start <= now < end
    if window not in ENDLESS:
        assert period(window, end, anchor)[0] == end
        assert period(window, end - timedelta(microseconds=1), anchor) == (start, end)
