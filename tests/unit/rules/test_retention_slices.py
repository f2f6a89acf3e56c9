"""Which rows each retention policy decides about, and how old the ledger gets."""

from datetime import UTC, datetime, timedelta

import pytest

from rules.retention import ACTIVITY, CONTENT, Policy, ledger_floor, slices

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def test_the_narrowest_policy_decides_and_no_row_is_in_two_slices() -> None:
    policies = [
        Policy("organization", "org", activity_days=90, content_days=30),
        Policy("team", "eng", activity_days=30, holds_from=NOW),
        Policy("project", "web", activity_days=7),
    ]
    org, team, project = slices("org", policies, ACTIVITY, NOW)
    assert (org.except_teams, org.except_projects) == (("eng",), ("web",))
    assert (team.except_teams, team.except_projects) == ((), ("web",))
    assert (project.except_teams, project.except_projects) == ((), ())
    assert [NOW - part.before for part in (org, team, project)] == [
        timedelta(days=90),
        timedelta(days=30),
        timedelta(days=7),
    ]
    assert (team.holds_from, org.holds_from.year) == (NOW, 1970)


def test_a_policy_that_says_nothing_of_a_kind_leaves_it_to_a_wider_one() -> None:
    policies = [Policy("organization", "org", content_days=30), Policy("team", "eng", 30)]
    (only,) = slices("org", policies, CONTENT, NOW)
    assert (only.scope, only.except_teams) == ("organization", ())
    assert slices("org", [], CONTENT, NOW) == []


@pytest.mark.parametrize(
    ("now", "floor"),
    [
        (NOW, datetime(2025, 10, 21, 10, 0, tzinfo=UTC)),
        (datetime(2027, 1, 31, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)),
        (datetime(2028, 3, 31, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
    ],
)
def test_the_ledger_stays_13_calendar_months(now: datetime, floor: datetime) -> None:
    assert ledger_floor(now) == floor
