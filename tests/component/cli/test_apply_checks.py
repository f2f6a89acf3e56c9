"""Policy rules, guardrails and cache rules as a file declares them."""

from typing import Any

import pytest

from core.models import (
    CacheRule,
    Guardrail,
    Organization,
    PolicyRuleSet,
    PrivacyRule,
    User,
    VirtualKey,
)
from tests.component.cli.test_apply import applied, mistakes, verbs

CHECKED = """\
organization: {name: Acme, slug: acme}
users: [{email: dev@acme.test, name: Dan}]
teams: [{name: Engineering, slug: eng}]
projects: [{name: Coding, slug: coding, team: eng}]
providers: [{name: main, type: custom, base_url: "http://127.0.0.1:9001/v1"}]
policy_rules:
  - name: house rules
    scope: team
    target: eng
    rules: {tools: {deny: ["^bash$"], shadow: true}, models: {allow: ["^gpt"]}}
guardrails:
  - {name: no secrets, type: secrets, action: redact, is_automatic: true}
  - {name: ours, type: evaluator, settings: {url: "http://127.0.0.1:9/check"}, directions: [request], secret_env: GUARD}
virtual_keys:
  - name: one
    project: coding
    providers: [main]
    guardrails: {request: [ours]}
    policy_rules: {urls: {deny: [evil]}}
    cache: {mode: disable, responses: {ttl_seconds: 60}}
cache_rules:
  - {name: nightly, priority: 200, matchers: {virtual_key: one, principal: dev@acme.test, model: "gpt-*"}, mode: force}
"""
ENVIRON = {"GUARD": "a secret that signs questions"}


def test_a_file_says_what_calls_are_checked_against(db: str) -> None:
    assert verbs(applied(CHECKED, ENVIRON)) == {"created"}
    rules = PolicyRuleSet.get()
    assert (rules.scope, rules.rules["models"]) == ("team", {"allow": ["^gpt"]})
    by_name: dict[str, Any] = {row.name: row for row in Guardrail.select()}
    assert by_name["no secrets"].directions == ["request", "response", "stream_chunk"]
    assert by_name["ours"].is_operator_address is True
    assert ENVIRON["GUARD"] not in by_name["ours"].sealed_secret
    key = VirtualKey.get()
    assert key.config == {
        "cache": {"mode": "disable", "responses": {"ttl_seconds": 60}},
        "guardrails": {"request": [by_name["ours"].id]},
        "policy_rules": {"urls": {"deny": ["evil"]}},
    }
    rule = CacheRule.get()
    person = User.get(User.email == "dev@acme.test")
    assert rule.matchers == {"model": "gpt-*", "vk_id": key.id, "principal_id": person.id}
    assert verbs(applied(CHECKED, ENVIRON)) == {"unchanged"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('["^bash$"]', '["("]', "rules.tools.deny[0]"),
        ("target: eng", "target: egn", "no team `egn`"),
        ("scope: team\n    target: eng", "scope: team", "must name the team"),
        ("type: secrets", "type: secrtes", "did you mean `secrets`"),
        ("action: redact", "action: delete", "is not one of block"),
        ("request: [ours]", "request: [theirs]", "no guardrail `theirs`"),
        ("request: [ours]", "request: ours", "must be a list"),
        ("request: [ours]", "response: [ours]", "does not look at response"),
        ("ttl_seconds: 60", "ttl_seconds: 0", "ttl_seconds is a whole number"),
        ("priority: 200", "priority: high", "is not a whole number"),
        ("virtual_key: one", "virtual_key: two", "no virtual key `two`"),
        ("secret_env: GUARD", "enabled: true", "calls to it are signed with"),
        ("mode: force", "mode: ttl", "is not one of respect"),
    ],
)
def test_what_a_file_says_wrongly_about_checks_is_said(
    sqlite_db: str, before: str, after: str, words: str
) -> None:
    assert before in CHECKED
    told = mistakes(CHECKED.replace(before, after), ENVIRON)
    assert any(words in sentence for _, sentence in told), told


PRIVATE = """\
organization: {name: Acme, slug: acme, content_mode: strip_io}
teams: [{name: Engineering, slug: eng}]
privacy_rules:
  - {scope: organization, system: drop, drop_keys: ["*.customer"], secret_patterns: ["EMP-[0-9]+"]}
  - {scope: organization, personal_only: true, tool_calls: drop}
  - {scope: team, target: eng, tool_calls: capture}
"""


def test_a_file_says_what_is_dropped_before_it_is_stored(sqlite_db: str) -> None:
    assert verbs(applied(PRIVATE, {})) == {"created"}
    assert Organization.get().content_mode == "strip_io"
    rules = {(row.scope, row.is_personal_only): row for row in PrivacyRule.select()}
    assert rules["organization", False].drop_keys == ["*.customer"]
    assert rules["organization", True].tool_calls == "drop"
    assert (rules["team", False].tool_calls, rules["team", False].input) == ("capture", "")
    assert verbs(applied(PRIVATE, {})) == {"unchanged"}
    found = mistakes(PRIVATE.replace("EMP-", "(?=x)"), {})
    assert "secret_patterns" in str(found)
