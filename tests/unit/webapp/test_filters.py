"""How numbers, times and names read on pages."""

from datetime import UTC, datetime, timedelta

import pytest

from webapp import filters

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DOLLAR = filters.NANOUSD_PER_USD


@pytest.mark.parametrize(
    ("nanousd", "written"),
    [
        (0, "$0.00"),
        (1234 * DOLLAR + DOLLAR // 2, "$1,234.50"),
        (DOLLAR // 100, "$0.01"),
        (4_200_000, "$0.0042"),
        (12_000, "<$0.0001"),
        (-3 * DOLLAR, "-$3.00"),
    ],
)
def test_writes_money_with_as_many_decimals_as_the_amount_needs(nanousd: int, written: str) -> None:
    assert filters.money(nanousd) == written


@pytest.mark.parametrize(
    ("nanousd", "written"),
    [(0, "$0.00"), (20_400_000, "$0.0204"), (10_000, "<$0.0001"), (3 * DOLLAR, "$3.00")],
)
def test_writes_the_cost_of_one_call_so_that_small_ones_differ(nanousd: int, written: str) -> None:
    assert filters.call_cost(nanousd) == written


@pytest.mark.parametrize(
    ("usd", "written"),
    [(0, "$0"), (0.05, "$0.05"), (20, "$20"), (2.5, "$2.5"), (1500, "$1.5k"), (2_000_000, "$2M")],
)
def test_writes_axis_amounts_short(usd: float, written: str) -> None:
    assert filters.money_axis(usd * DOLLAR) == written


@pytest.mark.parametrize(
    ("ago", "written"),
    [
        (timedelta(seconds=-5), "now"),
        (timedelta(seconds=0.4), "now"),
        (timedelta(seconds=13), "13 s ago"),
        (timedelta(seconds=119), "1 min ago"),
        (timedelta(hours=5, minutes=59), "5 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=60), "21 Sep"),
        (timedelta(days=400), "2025-10-16"),
    ],
)
def test_writes_an_age_in_its_largest_unit(ago: timedelta, written: str) -> None:
    assert filters.age(NOW - ago, NOW) == written


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10k"), (12_431, "12.4k"), (3_100_000, "3.1M")],
)
def test_shortens_counts_only_above_ten_thousand(number: int, written: str) -> None:
    assert filters.compact(number) == written


@pytest.mark.parametrize(
    ("pct", "written"), [(0.4, "0%"), (-31.2, "31%"), (999.4, "999%"), (1000, ">1000%")]
)
def test_writes_a_change_without_its_sign_and_caps_it(pct: float, written: str) -> None:
    assert filters.change(pct) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.024, "24 ms"), (5.012, "5.01 s"), (90, "1 min 30 s"), (3600, "1 h"), (93_784, "1 d 2 h")],
)
def test_writes_a_duration_with_two_units_at_most(seconds: float, written: str) -> None:
    assert filters.duration(seconds) == written


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Ada Lovelace", "AL"), ("grace.hopper@acme.test", "GH"), ("plato", "P"), ("", "")],
)
def test_takes_initials_from_a_name_or_an_address(name: str, letters: str) -> None:
    assert filters.initials(name) == letters


def test_writes_sizes_and_plurals() -> None:
    assert [filters.byte_size(n) for n in (512, 2048, 5 * 1024**3)] == [
        "512 B",
        "2.0 KiB",
        "5.0 GiB",
    ]
    assert [filters.plural(n, "event") for n in (0, 1, 1204)] == [
        "0 events",
        "1 event",
        "1,204 events",
    ]
