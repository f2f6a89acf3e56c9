"""The pages about policy rules on both databases: presets, shadow mode, and tests by the code that decides."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.authoring import budgets, guardrails, policy_rule_sets, virtual_keys
from core.authoring.budgets import NewBudget
from core.authoring.guardrails import NewGuardrail
from core.authoring.policy_rule_sets import NewPolicyRuleSet
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.models import LimitPeriod, PolicyRuleSet, Project, VirtualKey
from core.spending import standings
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of
from tests.component.webapp.pages.test_providers_pages import text_of
from tests.component.webapp.pages.test_routing_policy_pages import a_key, policy, provider

HERE = "/settings/policy-rules"
TEST = f"{HERE}/test"
FILLED = {"HX-Request": "true", "HX-Target": "div#rules"}
VERDICT = {"HX-Request": "true", "HX-Target": "div#verdict"}
pytestmark = pytest.mark.usefixtures("db")


def rule_set(at: Desk, name: str, **rules: object) -> PolicyRuleSet:
    new = NewPolicyRuleSet(name, "organization", "", rules)
    return policy_rule_sets.create(at.actor, new, utcnow())


def steps_of(page: str) -> dict[str, tuple[str, str]]:
    """Return the word and the lines of each step by its title."""
    found = re.findall(r"<li><div class=\"row\"><span class=\"strong\">(.*?)</li>", page, re.DOTALL)
    steps = {}
    for step in found:
        title, _, rest = step.partition("</span>")
        word, _, lines = text_of(rest).partition(" ")
        steps[text_of(title)] = (word, lines)
    return steps


def test_a_preset_fills_its_dimension_and_keeps_what_is_there(tmp_path: Path) -> None:
    at = desk(tmp_path)
    typed = {"name": "", "tools_deny": "^rm$", "models_deny": "^o1", "enabled": "1"}
    filled = at.post(f"{HERE}/fill?preset=no-shell", FILLED, **typed)
    assert "<html" not in filled.text
    assert r"^rm$" in filled.text and r"^shell\..*" in filled.text and "^o1" in filled.text
    assert 'value="No shell execution"' in filled.text
    assert not PolicyRuleSet.select().exists()


def test_rules_are_made_and_a_pattern_that_is_none_is_shown_with_its_line(tmp_path: Path) -> None:
    at = desk(tmp_path)
    form = {
        "name": "Shell",
        "applies_to": "organization",
        "tools_deny": "^bash$\n(?=x)",
        "enabled": "1",
    }
    refused = at.post(HERE, DRAWER, **form)
    assert refused.status_code == 422
    told = error_of(refused, "tools_deny")
    assert told.startswith("Line 2:") and "look-ahead" in told
    nothing = at.post(HERE, DRAWER, name="Nothing", applies_to="organization", enabled="1")
    assert "Give a rule for" in nothing.text
    form |= {"tools_deny": "^bash$", "tools_shadow": "1", "mcp_nothing": "1"}
    assert at.post(HERE, DRAWER, **form).headers["HX-Redirect"] == HERE
    row = PolicyRuleSet.get(PolicyRuleSet.name == "Shell")
    assert row.rules == {
        "tools": {"deny": ["^bash$"], "shadow": True},
        "mcp": {"allow": []},
    }
    listed = text_of(at.client.get(HERE).text)
    assert "Tools: 1 denied. MCP servers: nothing allowed" in listed
    assert "Partly shadow" in listed
    path = f"{HERE}/{row.id}/edit"
    version = at.version(path)
    assert at.post(path, version=version, **form | {"name": "Shells"}).status_code == 303
    stale = at.post(path, DRAWER, version=version, **form | {"name": "Mine"})
    assert stale.status_code == 409
    assert "Shells" in stale.text and 'value="Mine"' in stale.text


def test_a_set_is_switched_to_shadow_mode_and_back_and_archived(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = rule_set(at, "Both", tools={"deny": ["a"]}, models={"deny": ["b"], "allow": None})
    at.post(f"{HERE}/{row.id}/shadow")
    assert all(rule["shadow"] for rule in PolicyRuleSet.get_by_id(row.id).rules.values())
    at.post(f"{HERE}/{row.id}/enforce")
    assert not any("shadow" in rule for rule in PolicyRuleSet.get_by_id(row.id).rules.values())
    at.post(f"{HERE}/{row.id}/archive")
    assert "No rules yet" in at.client.get(HERE).text


def test_a_pattern_is_tried_by_the_code_that_applies_it(tmp_path: Path) -> None:
    at = desk(tmp_path)
    headers = {"HX-Request": "true", "HX-Target": "div#matched"}
    found = at.post(f"{TEST}/pattern", headers, pattern="^fs", samples="fs.write\nread\n")
    assert "<html" not in found.text
    assert re.search(r"fs\.write\s+Matches\s+read\s+No match", text_of(found.text))
    wrong = at.post(f"{TEST}/pattern", pattern="(?<=a)b", samples="ab")
    assert "look-behind is not supported" in text_of(wrong.text)
    for pattern, samples in (("^.*(a{10}){10}$", "a" * 101), ("[[:alpha:]]+", "é"), ("\\Q(", "(")):
        assert at.post(f"{TEST}/pattern", pattern=pattern, samples=samples).status_code == 200


CHAT = {
    "model": "fast",
    "messages": [{"role": "user", "content": "Mail jane@example.com and be kind"}],
    "tools": [{"type": "function", "function": {"name": "shell.exec", "parameters": {}}}],
}


def test_a_request_is_held_against_everything_that_applies_to_a_key(tmp_path: Path) -> None:
    at = desk(tmp_path)
    one, two = provider(at, "main"), provider(at, "reserve")
    rule_set(at, "Shell", tools={"deny": [r"^shell\."], "shadow": True})
    rule_set(at, "New models", models={"deny": ["^gpt-4"]})
    routed = policy(at, "Cheap", two.id, one.id, model_aliases={"fast": "openai/gpt-5-mini"})
    a_key(at, "laptop", one.id, routing_policy_id=routed.id)
    key = VirtualKey.get(VirtualKey.name == "laptop")
    new = NewVirtualKey("laptop", key.project_id, (one.id, two.id), config=key.config)
    virtual_keys.update(at.actor, key.id, new, utcnow())
    team_id = Project.get_by_id(key.project_id).team_id
    for guard in (
        NewGuardrail(
            "Mail",
            "team",
            team_id,
            "pii",
            {"kinds": ["email"]},
            ("request",),
            "redact",
            is_automatic=True,
        ),
        NewGuardrail(
            "Kind",
            "organization",
            "",
            "keywords",
            {"keywords": ["kind"]},
            ("request",),
            is_automatic=True,
        ),
        NewGuardrail("Unnamed", "organization", "", "secrets", {}, ("request",)),
    ):
        guardrails.create(at.actor, guard, at.app.extensions["control_plane"].sealer, utcnow())
    form = {"key": "laptop", "api": "openai_chat", "model": "", "body": json.dumps(CHAT)}
    answer = at.post(TEST, VERDICT, **form)
    assert answer.status_code == 200 and "<html" not in answer.text
    steps = steps_of(answer.text)
    assert steps["Key"][0] == "Passes"
    assert "reserve (gpt-5-mini), then main (gpt-5-mini)" in steps["Routing"][1]
    assert "routing policy Cheap" in steps["Routing"][1]
    assert steps["Policy rules: tools"][0] == "Only"
    assert "`^shell\\.` of Shell" in steps["Policy rules: tools"][1]
    assert steps["Policy rules: models"][0] == "Passes"
    assert steps["Guardrail: Mail"] == ("Redacts", "Sent on as: Mail [REDACTED:EMAIL] and be kind")
    assert steps["Guardrail: Kind"][0] == "Blocked"
    assert "Guardrail: Unnamed" not in steps
    assert "It would be refused" in answer.text and "Guardrail: Kind: Found: KEYWORD." in text_of(
        answer.text
    )
    older = at.post(TEST, **form | {"body": json.dumps(CHAT | {"model": "gpt-4.1"})})
    assert "denied by `^gpt-4` of New models" in steps_of(older.text)["Policy rules: models"][1]
    backed = at.post(TEST, **form | {"body": json.dumps(CHAT | {"models": ["openai/gpt-4.1"]})})
    assert "denied by `^gpt-4` of New models" in steps_of(backed.text)["Policy rules: models"][1]
    new = NewVirtualKey(
        "laptop", key.project_id, (one.id, two.id), config={"models_allowed": ["gpt-5*"]}
    )
    virtual_keys.update(at.actor, key.id, new, utcnow())
    body = CHAT | {"model": "gpt-5-mini", "models": ["openai/o1"]}
    backed = at.post(TEST, **form | {"body": json.dumps(body)})
    assert "openai/o1 at models[0] is not among the models allowed" in backed.text


def test_without_a_key_it_is_what_holds_for_everybody(tmp_path: Path) -> None:
    at = desk(tmp_path)
    rule_set(at, "Tools", tools={"allow": ["^read"]})
    form = {"api": "gemini", "model": "gemini-2.5-pro", "body": '{"contents": []}'}
    nobody = steps_of(at.post(TEST, **form).text)
    assert nobody["Routing"] == ("Refused", "There is no provider.")
    provider(at, "main")
    foreign = steps_of(at.post(TEST, **form | {"model": "anthropic/claude-opus-4-5"}).text)
    assert foreign["Routing"] == ("Refused", "No provider here serves anthropic.")
    own = steps_of(at.post(TEST, **form | {"model": "main/gpt-5"}).text)
    assert own["Routing"] == ("Passes", "Served by main (gpt-5), and by nobody else.")
    assert own["Policy rules: tools"][0] == "Passes" and own["Budgets"][0] == "None"


def test_what_is_spent_and_who_is_left_out_for_it_is_told(tmp_path: Path) -> None:
    at = desk(tmp_path)
    main, spare = provider(at, "main"), provider(at, "spare")
    a_key(at, "laptop", main.id)
    key = VirtualKey.get(VirtualKey.name == "laptop")
    both = NewVirtualKey("laptop", key.project_id, (main.id, spare.id))
    virtual_keys.update(at.actor, key.id, both, utcnow())

    def spent(name: str, nanousd: int, on_breach: str, provider_id: str | None = None) -> None:
        new = NewBudget(
            name, "virtual_key", key.id, "manual", 1000, on_breach, provider_id=provider_id
        )
        row = budgets.create(at.actor, new, utcnow())
        start = standings([row], utcnow())[0].begun_at
        LimitPeriod.create(limit_id=row.id, period_start=start, settled=nanousd)

    form = {"key": "laptop", "api": "openai_chat", "model": "", "body": '{"model": "gpt-5"}'}
    spent("Warned", 850, "block")
    spent("Main only", 1000, "block", main.id)
    steps = steps_of(at.post(TEST, **form).text)
    assert steps["Budget: Warned"][0] == "Warns" and "85 %" in steps["Budget: Warned"][1]
    assert steps["Routing"][1].startswith("Served by spare (gpt-5)")
    assert "its budget Main only is spent" in steps["Routing"][1]
    passed = at.post(TEST, **form).text
    assert "It would pass" in passed
    spent("All", 1000, "block")
    refused = at.post(TEST, **form).text
    assert steps_of(refused)["Budget: All"][0] == "Spent" and "It would be refused" in refused
    virtual_keys.disable(at.actor, key.id, utcnow())
    assert steps_of(at.post(TEST, **form).text)["Key"] == ("Refused", "This key is disabled.")


def test_a_test_that_can_not_be_made_says_why(tmp_path: Path) -> None:
    at = desk(tmp_path)
    refused = at.post(TEST, key="nobody", api="morse", model="", body="")
    assert refused.status_code == 422
    assert error_of(refused, "key") == "There is no such virtual key."
    assert error_of(refused, "api") and error_of(refused, "body")
    for body in ("{", "[]", '"x"', '{"model": 3}', '{"model": "x", "model": "y", "tools": 1}'):
        answer = at.post(TEST, api="openai_chat", model="", body=body)
        assert answer.status_code == 200 and "It would be refused" in answer.text, body
    assert at.browser("dan@acme.test").get(TEST).status_code == 403
