"""Policy rules, guardrails and cache rules as a file declares them."""

from typing import Any

import pytest

from core.models import (
    CacheRule,
    Department,
    Group,
    Guardrail,
    Organization,
    PolicyRuleSet,
    PrivacyRule,
    RetentionPolicy,
    TraceDestination,
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
  - scope: department
    target: Research
    input: restrict
    audience: [admins, "group:Reviewers", "department:Research"]
    personal_data: redact
    secrets: keep
departments: [{name: Research}]
groups: [{name: Reviewers}]
"""


def test_a_file_says_what_is_dropped_before_it_is_stored(sqlite_db: str) -> None:
    assert verbs(applied(PRIVATE, {})) == {"created"}
    assert Organization.get().content_mode == "strip_io"
    rules = {(row.scope, row.is_personal_only): row for row in PrivacyRule.select()}
    assert rules["organization", False].drop_keys == ["*.customer"]
    assert rules["organization", True].tool_calls == "drop"
    assert (rules["team", False].tool_calls, rules["team", False].input) == ("capture", "")
    there = rules["department", False]
    group, department = Group.get(), Department.get()
    assert there.audience == ["admins", f"group:{group.id}", f"department:{department.id}"]
    assert (there.input, there.personal_data, there.secrets) == ("restrict", "redact", "keep")
    assert verbs(applied(PRIVATE, {})) == {"unchanged"}
    for wrong, words in (("group:Revuers", "no group `Revuers`"), ("everyone", "Name admins")):
        assert words in str(mistakes(PRIVATE.replace("group:Reviewers", wrong), {}))
    assert "restrict a category" in str(mistakes(PRIVATE.replace("input: restrict", ""), {}))
    found = mistakes(PRIVATE.replace("EMP-", "(?=x)"), {})
    assert "secret_patterns" in str(found)


KEPT = """\
organization: {name: Acme, slug: acme, capture: forbidden, request_slack_env: HOOK}
teams: [{name: Engineering, slug: eng}]
projects: [{name: Coding, slug: coding, team: eng}]
retention_policies:
  - {scope: organization, activity_days: 400, content_days: 30}
  - {scope: team, target: eng, content_days: 7, retroactive: true}
trace_destinations:
  - name: collector
    scope: project
    target: coding
    endpoint: http://10.0.0.8:4318/v1/traces
    headers: {Authorization_env: OTLP_TOKEN, X-Scope: acme}
"""
TOKEN = {
    "OTLP_TOKEN": "Bearer a token that nobody reads",
    "HOOK": "https://hooks.invalid/services/x",
}


def test_a_file_says_how_long_things_stay_and_where_spans_go(sqlite_db: str) -> None:
    assert verbs(applied(KEPT, TOKEN)) == {"created"}
    assert Organization.get().is_capture_allowed is False
    assert TOKEN["HOOK"] not in Organization.get().sealed_request_channel
    policies = {row.scope: row for row in RetentionPolicy.select()}
    assert (policies["organization"].activity_days, policies["team"].activity_days) == (400, None)
    assert policies["organization"].holds_from and policies["team"].holds_from is None
    row = TraceDestination.get()
    assert (row.header_names, row.is_operator_address) == (["Authorization", "X-Scope"], True)
    assert TOKEN["OTLP_TOKEN"] not in row.sealed_headers
    assert verbs(applied(KEPT, TOKEN)) == {"unchanged"}
    changed = KEPT.replace("forbidden", "allowed").replace("content_days: 7", "content_days: 8")
    steps = applied(changed, TOKEN | {"OTLP_TOKEN": "Bearer another"}).steps
    kinds = [item.kind for verb, item in steps if verb == "changed"]
    assert kinds == ["organization", "retention policy", "trace destination"]


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("capture: forbidden", "capture: no", 1, "is not one of allowed, forbidden"),
        ("activity_days: 400", "activity_days: many", 5, "is not a number of days"),
        ("content_days: 7", "content_days: 0", 6, "must be 1 to"),
        ("content_days: 7", "content_day: 7", 6, "did you mean `content_days`"),
        ("target: eng,", "target: egn,", 6, "no team `egn`"),
        ("retroactive: true", "retroactive: maybe", 6, "is not one of true, false"),
        ("scope: team, target: eng", "scope: organization", 6, "is declared already, on line 5"),
        ("target: coding\n", "target: codign\n", 8, "no project `codign`"),
        ("http://10.0.0.8:4318", "ftp://10.0.0.8", 8, "endpoint"),
        ("OTLP_TOKEN", "OTLP_TOKNE", 12, "OTLP_TOKNE is not set"),
        ("X-Scope: acme", "X-Scope: [acme]", 12, "must be a mapping of texts"),
    ],
)
def test_what_is_wrong_about_what_is_kept_is_said_with_its_line(
    sqlite_db: str, before: str, after: str, line: int, words: str
) -> None:
    assert before in KEPT
    found = mistakes(KEPT.replace(before, after), TOKEN)
    assert any(at == line and words in sentence for at, sentence in found), found
