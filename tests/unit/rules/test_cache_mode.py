"""The cache mode of a call: the caller's word, then the first rule that matches, then the key, then respect."""

import pytest

from rules.cache_mode import (
    BadOverride,
    CacheMode,
    KeyTraits,
    key_section_error,
    matchers_error,
    read_override,
    resolve,
    rules_for,
)

KEY = KeyTraits("vk_1", ("batch", "eu"), "lw_vk_live_01ARZ", "user_1")
SPELLINGS = ("claude-haiku-4-5", "anthropic/claude-haiku-4-5")


def row(id_: str, priority: int = 100, mode: str = "force", **matchers) -> dict:
    return {"id": id_, "priority": priority, "mode": mode, "matchers": matchers}


def resolved(rows: list[dict], override=None, key_mode=None, **headers) -> tuple[str, str | None]:
    rules = rules_for(rows, KEY)
    found = resolve(override, rules, key_mode, SPELLINGS, lambda name: headers.get(name, ""))
    return found.mode.value, None if found.rule is None else found.rule.id


def test_the_callers_word_comes_first_then_a_rule_then_the_key() -> None:
    rows = [row("r", model="claude-*")]
    assert resolved(rows, CacheMode.DISABLE, CacheMode.RESPECT) == ("disable", None)
    assert resolved(rows, None, CacheMode.DISABLE) == ("force", "r")
    assert resolved([], None, CacheMode.DISABLE) == ("disable", None)
    assert resolved([]) == ("respect", None)


def test_the_highest_priority_wins_and_of_equals_the_older() -> None:
    rows = [row("old", 10, vk_id="vk_1"), row("new", 10, "disable", vk_id="vk_1")]
    assert resolved(rows) == ("force", "old")
    assert resolved([*rows, row("top", 11, "respect", vk_id="vk_1")]) == ("respect", "top")


@pytest.mark.parametrize(
    ("matchers", "is_match"),
    [
        ({"vk_id": "vk_1"}, True),
        ({"vk_id": "vk_2"}, False),
        ({"vk_tags": ["batch", "eu"]}, True),
        ({"vk_tags": ["batch", "us"]}, False),
        ({"vk_prefix": "lw_vk_live_01"}, True),
        ({"vk_prefix": "lw_vk_test_"}, False),
        ({"principal_id": "user_1"}, True),
        ({"principal_id": "user_2"}, False),
        ({"model": "claude-haiku-4-5"}, True),
        ({"model": "anthropic/*"}, True),
        ({"model": "haiku"}, False),
        ({"request_metadata": {"X-Job": "nightly"}}, True),
        ({"request_metadata": {"x-job": "hourly"}}, False),
        ({"vk_id": "vk_1", "model": "gpt-*"}, False),
    ],
)
def test_all_matchers_of_a_rule_must_match(matchers, is_match) -> None:
    found = resolved([row("r", **matchers)], **{"x-job": "nightly"})
    assert (found == ("force", "r")) is is_match


@pytest.mark.parametrize("value", ["respect", " Force", "DISABLE"])
def test_a_mode_is_read_from_the_header(value) -> None:
    assert read_override(value).value == value.strip().lower()


@pytest.mark.parametrize(
    ("value", "is_planned"),
    [("ttl=60", True), ("ttl=3600s", True), ("ttl=x", False), ("on", False)],
)
def test_any_other_header_is_refused(value, is_planned) -> None:
    with pytest.raises(BadOverride) as caught:
        read_override(value)
    assert caught.value.is_planned is is_planned


def test_wrong_sections_and_matchers_are_explained() -> None:
    assert key_section_error({"mode": "force", "responses": {"ttl_seconds": 60}}) == ""
    for wrong in (
        [],
        {"mode": "x"},
        {"ttl": 1},
        {"responses": {}},
        {"responses": {"ttl_seconds": "1"}},
    ):
        assert key_section_error(wrong)
    assert matchers_error({"model": "*"}) == ""
    for wrong in ([], {}, {"model": 7}, {"request_metadata": {"x-langwatch-cache": "force"}}):
        assert matchers_error(wrong)
