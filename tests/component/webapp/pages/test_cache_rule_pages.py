"""The pages about cache rules on both databases: their order, what they do in words, what they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.authoring import people
from core.models import CacheRule, VirtualKey
from tests.component.webapp.pages.desk import DRAWER, desk, error_of
from tests.component.webapp.pages.test_providers_pages import text_of
from tests.component.webapp.pages.test_routing_policy_pages import a_key, provider
from tests.statements import counted

HERE = "/settings/cache-rules"
pytestmark = pytest.mark.usefixtures("db")


def test_a_rule_is_made_about_a_key_and_a_person_by_their_names(tmp_path: Path) -> None:
    at = desk(tmp_path)
    a_key(at, "nightly", provider(at, "main").id)
    form = {
        "name": "Nightly",
        "mode": "force",
        "priority": "200",
        "key": "nightly",
        "person": "dan@acme.test",
        "model": "claude-*",
        "vk_tags": "batch\nnight",
        "vk_prefix": "vk-lw-",
        "request_metadata": "X-Team: Core",
        "enabled": "1",
    }
    assert at.post(HERE, DRAWER, **form).headers["HX-Redirect"] == HERE
    row = CacheRule.get(CacheRule.name == "Nightly")
    dan = people.find_by_email(at.actor.organization_id, "dan@acme.test")
    assert dan is not None
    assert row.matchers == {
        "vk_id": VirtualKey.get(VirtualKey.name == "nightly").id,
        "vk_tags": ["batch", "night"],
        "vk_prefix": "vk-lw-",
        "principal_id": dan.id,
        "model": "claude-*",
        "request_metadata": {"X-Team": "Core"},
    }
    told = text_of(at.client.get(HERE).text)
    assert (
        "Calls with the key nightly, with keys that start with vk-lw-, with keys tagged batch and night, "
        "with keys of dan@acme.test, to models like claude-*, with the header X-Team: Core: "
        "the end of the prompt is marked"
    ) in told
    path = f"{HERE}/{row.id}/edit"
    page = at.client.get(path).text
    assert 'value="nightly"' in page and 'value="dan@acme.test"' in page and "X-Team: Core" in page
    version = at.version(path)
    assert at.post(path, version=version, **form | {"mode": "disable"}).status_code == 303
    mine = at.post(path, DRAWER, version=version, **form | {"name": "Mine"})
    assert mine.status_code == 409 and "disable" in mine.text and 'value="Mine"' in mine.text
    assert CacheRule.get_by_id(row.id).matchers == row.matchers
    at.post(f"{HERE}/{row.id}/archive")
    assert "No rule yet" in at.client.get(HERE).text


def test_rules_stand_in_the_order_in_which_they_are_tried(tmp_path: Path) -> None:
    at = desk(tmp_path)

    def rule(name: str, priority: str) -> None:
        form = {"name": name, "mode": "respect", "priority": priority, "model": "gpt-*"}
        assert at.post(HERE, **form).status_code == 303

    for name, priority in (("Low", "1"), ("High", "900"), ("Middle", "50")):
        rule(name, priority)
    told = text_of(at.client.get(HERE).text).split("What it does", 1)[1]
    assert told.index("High") < told.index("Middle") < told.index("Low")
    with counted() as few:
        at.client.get(HERE)
    for number in range(6):
        rule(f"More {number}", "5")
    with counted() as many:
        at.client.get(HERE)
    assert len(many.all()) == len(few.all())


MISTAKES: list[tuple[dict[str, str], str, str]] = [
    ({}, "model", "fill in one of these"),
    ({"key": "nobody"}, "key", "no such virtual key"),
    ({"person": "nobody@acme.test"}, "person", "Nobody here"),
    ({"model": "x", "priority": "much"}, "priority", "whole number"),
    ({"request_metadata": "X-Team Core"}, "request_metadata", "as Name: value"),
    ({"request_metadata": "Authorization: x"}, "request_metadata", "can't be matched"),
    ({"vk_prefix": "v" * 300}, "vk_prefix", "at most 256"),
    ({"model": "x", "mode": "hope"}, "mode", "Choose one"),
]


def test_each_mistake_stands_beside_its_control(tmp_path: Path) -> None:
    at = desk(tmp_path)
    for typed, field, sentence in MISTAKES:
        form = {"name": "R", "mode": "force", "priority": "1"} | typed
        refused = at.post(HERE, DRAWER, **form)
        assert refused.status_code == 422, typed
        assert sentence in error_of(refused, field), text_of(refused.text)
