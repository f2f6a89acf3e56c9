"""The pages about guardrails on both databases: forms by type, tries by the live detectors, secrets never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.authoring.guardrails import secret_of
from core.models import Guardrail
from rules.guardrails.types import TYPES
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of
from tests.component.webapp.pages.test_providers_pages import text_of

HERE = "/settings/guardrails"
TRIED = {"HX-Request": "true", "HX-Target": "fieldset#tried"}
COMMON: dict[str, str | list[str]] = {
    "applies_to": "organization",
    "directions": ["request", "stream_chunk"],
    "action": "block",
    "on_failure": "fail_closed",
    "enabled": "1",
}
pytestmark = pytest.mark.usefixtures("db")


def made(at: Desk, type_name: str, name: str, **more: str | list[str]) -> Guardrail:
    answer = at.post(HERE, DRAWER, **COMMON | {"type": type_name, "name": name} | more)
    assert answer.headers.get("HX-Redirect") == HERE, text_of(answer.text)
    row: Guardrail = Guardrail.get(Guardrail.name == name)
    return row


def test_each_type_has_its_own_controls_and_those_only(tmp_path: Path) -> None:
    at = desk(tmp_path)
    for name, kind in TYPES.items():
        form = at.client.get(f"{HERE}/new?type={name}", headers=DRAWER).text
        controls = set(re.findall(r'name="(\w+)"', form))
        assert set(kind.settings) <= controls, name
        others = {each for other in TYPES.values() for each in other.settings} - set(kind.settings)
        assert not others & controls, name
        assert ('<option value="redact"' in form) is kind.can_redact
        assert ("sample" in controls) is (name != "evaluator")


def test_guardrails_of_every_type_are_made_and_edited(tmp_path: Path) -> None:
    at = desk(tmp_path)
    made(at, "secrets", "Keys", is_automatic="1")
    pii = made(at, "pii", "People", kinds=["email", "card"], action="redact")
    words = made(at, "keywords", "Words", keywords="Project X\nblue bird\n", whole_words="1")
    made(at, "regex", "Tickets", patterns=r"TICKET-\d+", label="TICKET")
    injection = made(at, "injection", "Tricks", threshold="0.5", window_characters="600")
    made(at, "length", "Short", max_characters="4000")
    made(at, "language", "English", allowed=["en", "de"])
    assert pii.settings == {"kinds": ["email", "card"]}
    assert words.settings["keywords"] == ["Project X", "blue bird"]
    assert injection.settings == {"threshold": 0.5, "window_characters": 600}
    told = text_of(at.client.get(HERE).text)
    assert "Keys Automatic" in told and "People By key" in told
    assert "Requests, Streamed answers" in told
    path = f"{HERE}/{words.id}/edit"
    form = COMMON | {"name": "Words", "keywords": "blue bird", "description": "birds"}
    version = at.version(path)
    assert at.post(path, **form, version=version).status_code == 303
    stale = at.post(path, DRAWER, **form | {"name": "Mine"}, version=version)
    assert stale.status_code == 409 and 'value="Mine"' in stale.text and "birds" in stale.text
    assert at.post(f"{HERE}/{words.id}/archive").status_code == 303
    assert Guardrail.get_by_id(words.id).archived_at is not None


MISTAKES: list[tuple[str, dict[str, str | list[str]], str, str]] = [
    ("regex", {"patterns": "(?=x)"}, "patterns", "look-ahead"),
    ("keywords", {"keywords": ""}, "keywords", "list of words"),
    ("injection", {"threshold": "much"}, "threshold", "not a number"),
    ("injection", {"threshold": "7"}, "threshold", "at most 1"),
    ("length", {"max_characters": "0"}, "max_characters", "whole number"),
    ("pii", {}, "kinds", "kinds is a list"),
    ("secrets", {"window_characters": "90000"}, "window_characters", "The window has"),
    ("evaluator", {"url": "ftp://x"}, "url", "address"),
    ("evaluator", {"url": "https://guard.test", "secret": "short"}, "secret", "16 to 256"),
    ("secrets", {"directions": []}, "directions", "Choose some"),
    ("secrets", {"applies_to": "team:none"}, "applies_to", "no such team"),
    ("length", {"max_characters": "9", "action": "redact"}, "action", "can't be taken out"),
]


def test_each_mistake_stands_beside_its_control(tmp_path: Path) -> None:
    at = desk(tmp_path)
    for type_name, typed, field, sentence in MISTAKES:
        refused = at.post(HERE, DRAWER, **COMMON | {"type": type_name, "name": "G"} | typed)
        assert refused.status_code == 422, typed
        assert sentence in error_of(refused, field), text_of(refused.text)
    assert not Guardrail.select().exists()


def test_a_guardrail_is_tried_on_a_text_by_its_own_detector(tmp_path: Path) -> None:
    at = desk(tmp_path)
    pii = COMMON | {"type": "pii", "kinds": ["email"], "name": "", "action": "redact"}
    found = at.post(f"{HERE}/try", TRIED, **pii, sample="Ask jane@example.com <b>now</b>")
    assert "<html" not in found.text
    assert '<mark title="EMAIL">jane@example.com</mark> &lt;b&gt;now' in found.text
    assert "Ask [REDACTED:EMAIL] <b>now</b>" in text_of(found.text)
    nothing = at.post(f"{HERE}/try", TRIED, **pii, sample="Ask Jane")
    assert "Nothing found" in nothing.text
    words = COMMON | {"type": "keywords", "keywords": "secret", "name": "W", "whole_words": "1"}
    blocked = at.post(f"{HERE}/try", **words, sample="no secrets, one secret")
    assert "The call would be blocked." in blocked.text and "no secrets, one" in blocked.text
    wrong = at.post(f"{HERE}/try", TRIED, **words | {"keywords": ""}, sample="x")
    assert wrong.status_code == 200 and "Not tried" in wrong.text
    assert not Guardrail.select().exists()


def test_the_secret_of_an_evaluator_is_kept_and_never_shown(tmp_path: Path) -> None:
    at = desk(tmp_path)
    secret = "sign-with-this-canary"
    row = made(at, "evaluator", "Ours", url="https://guard.test/v1", secret=secret)
    path = f"{HERE}/{row.id}/edit"
    assert secret not in at.client.get(path).text + at.client.get(HERE).text
    form = COMMON | {"name": "Ours", "url": "https://guard.test/v2", "timeout_ms": "500"}
    refused = at.post(path, DRAWER, **form | {"name": "", "secret": secret})
    assert refused.status_code == 422 and secret not in refused.text
    assert at.post(path, **form).status_code == 303
    kept = Guardrail.get_by_id(row.id)
    assert kept.settings == {"url": "https://guard.test/v2", "timeout_ms": 500}
    opened = secret_of(kept, at.app.extensions["control_plane"].sealer)
    assert opened is not None and opened.reveal() == secret
