"""Charts: the numbers behind the shapes."""

import itertools
import re
import string
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp import charts

DAYS = [date(2026, 11, 1) + timedelta(days=n) for n in range(30)]


def _plain(value: float) -> str:
    return f"{value:g}"


def _chart(*series: charts.Series, days: list[date] = DAYS) -> charts.DayChart:
    return charts.stacked_days(days, series, str, _plain)


@given(st.floats(min_value=1e-6, max_value=1e15))
def test_ticks_are_round_evenly_spaced_and_reach_the_maximum(maximum: float) -> None:
    ticks = charts.nice_ticks(maximum)
    steps = {round(b - a, 9) / max(ticks[1], 1) for a, b in itertools.pairwise(ticks)}
    assert ticks[0] == 0
    assert ticks[-1] >= maximum * (1 - 1e-9)
    assert 2 <= len(ticks) <= 6
    assert max(steps) - min(steps) < 1e-6
    assert f"{ticks[1]:.3e}"[0] in "125"


def test_bars_of_a_day_stand_on_each_other_and_measure_their_share_of_the_top_tick() -> None:
    chart = _chart(charts.Series("a", (30,)), charts.Series("b", (10,)), days=DAYS[:1])
    bars = re.findall(
        r'class="tone (s\w+)" x="14%" y="([\d.]+)%" width="72%" height="([\d.]+)%"', chart.plot
    )
    assert chart.ticks == ("40", "30", "20", "10", "0")
    assert [(float(y), float(height)) for _, y, height in bars] == [(25, 75), (0, 25)]


def test_the_table_behind_holds_every_day_and_the_totals() -> None:
    chart = _chart(charts.Series("a", (1,) * 30), charts.Series("b", (2,) * 30))
    assert chart.columns == ("Day", "b", "a", "Total")
    assert chart.rows[0] == ("2026-11-01", "2", "1", "3")
    assert len(chart.rows) == 30
    assert [key.total for key in chart.keys] == ["60", "30"]


def test_more_series_than_can_be_told_apart_are_added_up_as_other() -> None:
    many = [
        charts.Series(letter, (10 - n,)) for n, letter in enumerate(string.ascii_lowercase[:10])
    ]
    shown = charts.folded(many)
    assert len(shown) == charts.MAX_SERIES
    assert shown[-1] == charts.Series(charts.REST, (10,))
    assert sum(one.total for one in shown) == sum(one.total for one in many)


def test_there_is_one_other_and_it_comes_last() -> None:
    given = [charts.Series(charts.REST, (50,)), charts.Series("a", (3,)), charts.Series("b", (9,))]
    assert [one.name for one in charts.folded(given)] == ["b", "a", charts.REST]
    many = [charts.Series(str(n), (1,)) for n in range(8)] + given[:1]
    assert charts.folded(many)[-1] == charts.Series(charts.REST, (52,))
    assert [one.name for one in charts.folded(many)].count(charts.REST) == 1


def test_a_name_has_one_colour_everywhere_and_no_two_share_one_in_a_chart() -> None:
    names = [f"team {n}" for n in range(charts.TONES)]
    assert len(set(charts.tones(names).values()) - {"srest"}) == charts.TONES
    assert charts.tones(["solo"])["solo"] == f"s{charts.tone_of('solo')}"
    assert charts.tones([charts.REST])[charts.REST] == "srest"


def test_names_from_outside_are_escaped() -> None:
    chart = _chart(charts.Series("<script>", (1,)), days=DAYS[:1])
    share = charts.share_bar(chart.keys, "<b>")
    bars = charts.ranked_bars([("<i>", 3)], str)
    assert "<script>" not in chart.plot and "&lt;script&gt;" in share and "<b>" not in share
    assert bars[0].width == "100"


def test_an_empty_window_is_said_to_be_empty() -> None:
    assert _chart().is_empty
    assert _chart(charts.Series("a", (0,) * 30)).is_empty
    assert not _chart(charts.Series("a", (0,) * 29 + (1,))).is_empty


def test_refuses_a_series_that_does_not_fit_the_days() -> None:
    with pytest.raises(ValueError, match="one value a day"):
        _chart(charts.Series("a", (1, 2)))


def test_a_sparkline_needs_two_points_and_peaks_at_its_maximum() -> None:
    assert charts.sparkline([1.0], "x") == ""
    assert 'd="M0 27L50 2L100 14.5"' in charts.sparkline([0, 10, 5], "x")
