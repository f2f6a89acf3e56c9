"""A straight line through what was spent lately: what it meets first, and when."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rules.forecast import Outlook, forecast, recent_span
from rules.limits import limit_at

NOW = datetime(2026, 11, 10, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_at_ten_a_day_forty_left_are_gone_in_four_days() -> None:
    found = forecast(60, 100, 10, DAY, NOW, END)
    assert (found.outlook, found.breach_at) == (Outlook.BREACH, NOW + 4 * DAY)


def test_what_lasts_to_the_end_says_how_much_it_will_be() -> None:
    found = forecast(60, 1000, 10, DAY, NOW, END)
    assert (found.outlook, found.by_end_nanousd) == (Outlook.HOLDS, 60 + 210)


def test_a_spent_budget_and_a_quiet_one_foretell_nothing() -> None:
    assert forecast(100, 100, 5, DAY, NOW, END).outlook is Outlook.SPENT
    assert forecast(10, 100, 0, DAY, NOW, END).outlook is Outlook.QUIET
    assert forecast(10, 100, 5, timedelta(), NOW, END).outlook is Outlook.QUIET


def test_beyond_the_calendar_there_is_no_date() -> None:
    found = forecast(1, 10**18, 1, DAY, NOW, None)
    assert (found.outlook, found.breach_at) == (Outlook.BREACH, None)


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_breach_lies_between_now_and_the_end(spent: int, limit: int, recent: int) -> None:
    found = forecast(spent, limit, recent, DAY, NOW, END)
    if found.outlook is Outlook.BREACH:
        assert found.breach_at is not None and NOW <= found.breach_at < END


def test_the_rate_is_that_of_the_last_quarter() -> None:
    assert recent_span(NOW - 8 * DAY, NOW) == 2 * DAY


def test_a_raise_holds_until_its_moment_and_never_lowers() -> None:
    assert limit_at(10, 15, NOW + DAY, NOW) == 15
    assert limit_at(10, 15, NOW, NOW) == 10
    assert limit_at(10, None, None, NOW) == 10
    assert limit_at(10, 5, NOW + DAY, NOW) == 10
