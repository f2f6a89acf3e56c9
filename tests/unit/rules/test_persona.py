"""Who lands where, as a table, and the three conditions of the Govern entry."""

from itertools import product

import pytest

from rules.persona import Standing, choices_of, home_of, persona_of, shows_govern


def standing(facts: str, landing: str = "auto") -> Standing:
    """Return a standing in which the facts named are true: flag active manage view sources key project."""
    true = set(facts.split())
    names = ("flag", "active", "manage", "view", "sources", "key", "project")
    assert true <= set(names)
    return Standing(*(name in true for name in names), landing)


ADMIN = "flag active manage view"


@pytest.mark.parametrize(
    ("facts", "landing", "path"),
    [
        # Nothing to govern yet: where it always led.
        ("", "auto", "/home"),
        ("flag", "auto", "/home"),
        ("flag manage view", "auto", "/governance"),
        ("flag key project", "auto", "/home"),
        # The flag is off: nothing of governance, whatever there is.
        ("active manage view sources key", "auto", "/home"),
        ("active manage view sources key", "governance", "/home"),
        # Who somebody is.
        (f"{ADMIN} sources", "auto", "/governance"),
        (f"{ADMIN} sources key project", "auto", "/governance"),
        (f"{ADMIN} key", "auto", "/me"),
        (ADMIN, "auto", "/governance"),
        ("flag active key project", "auto", "/me"),
        ("flag active key", "auto", "/me"),
        ("flag active project", "auto", "/home"),
        ("flag active", "auto", "/me"),
        ("flag active view", "auto", "/governance"),
        ("flag active manage sources", "auto", "/home"),
        # What they chose goes first, where it opens for them.
        (f"{ADMIN} sources", "personal", "/me"),
        (f"{ADMIN} sources", "project", "/home"),
        ("flag active key", "project", "/home"),
        ("flag active view key", "governance", "/governance"),
        ("flag active key", "governance", "/me"),
        ("", "personal", "/me"),
        ("flag active key", "nonsense", "/me"),
    ],
)
def test_where_somebody_lands(facts: str, landing: str, path: str) -> None:
    assert home_of(standing(facts, landing)) == path


@pytest.mark.parametrize(
    ("facts", "persona"),
    [
        ("manage sources key", "governance_admin"),
        ("manage key project", "mixed"),
        ("key", "personal_only"),
        ("manage project", "project_only"),
        ("sources", "project_only"),
    ],
)
def test_what_somebody_mostly_is(facts: str, persona: str) -> None:
    assert persona_of(standing(facts)) == persona


def test_the_governance_overview_is_offered_where_it_opens() -> None:
    assert "governance" in choices_of(standing("flag view"))
    assert "governance" not in choices_of(standing("flag manage"))
    assert "governance" not in choices_of(standing("view"))


def test_the_govern_entry_needs_all_three_and_asks_the_dearest_last() -> None:
    for flag, may, active in product((False, True), repeat=3):
        asked: list[bool] = []

        def is_active(found: bool = active, asked: list[bool] = asked) -> bool:
            asked.append(found)
            return found

        assert shows_govern(flag, may, is_active) is (flag and may and active)
        assert bool(asked) is (flag and may)
