"""Policy rules, cache rules and guardrails: written with audit row and announcement, or explained."""

from dataclasses import replace
from typing import Any

import pytest

from core.authoring import cache_rules, guardrails, policy_rule_sets, virtual_keys
from core.authoring.cache_rules import NewCacheRule
from core.authoring.guardrails import NewGuardrail
from core.authoring.policy_rule_sets import NewPolicyRuleSet
from core.authoring.virtual_keys import NewVirtualKey
from core.fault import Fault, Refused
from core.models import AuditRow, ChangeEvent
from core.secrets import Secret, sealer_for
from tests.component.core.authoring.acme import NOW, PEPPER, SEALER, Acme, acme
from webapp.queries.bundle import Sealers, bundle_of

BOTH = pytest.mark.usefixtures("db")
ONE = pytest.mark.usefixtures("sqlite_db")

RULES = {"tools": {"deny": ["^bash$"]}}
SECRET = Secret("a secret that signs questions")


def a_set(**more: Any) -> NewPolicyRuleSet:
    return replace(NewPolicyRuleSet("no shell", "organization", "", RULES), **more)


def a_rule(**more: Any) -> NewCacheRule:
    return replace(NewCacheRule("batch", {"vk_tags": ["batch"]}, "disable"), **more)


def a_guardrail(**more: Any) -> NewGuardrail:
    new = NewGuardrail("no secrets", "organization", "", "secrets", {}, ("request", "response"))
    return replace(new, **more)


def trail() -> tuple[list[str], list[str]]:
    """The actions of the newest audit rows and the kinds of the newest changes, oldest first."""
    return (
        [row.action for row in AuditRow.select().order_by(AuditRow.id)][-3:],
        [row.kind for row in ChangeEvent.select().order_by(ChangeEvent.revision)][-3:],
    )


@BOTH
def test_a_set_of_policy_rules_lives_and_ends() -> None:
    org = acme()
    row = policy_rule_sets.create(
        org.actor,
        a_set(rules={"tools": {**RULES["tools"], "allow": None, "shadow": False}, "urls": None}),
        NOW,
    )
    assert (row.scope_id, row.rules) == (org.organization.id, RULES)
    same = policy_rule_sets.update(org.actor, row.id, a_set(), NOW)
    assert same.updated_at == NOW
    policy_rule_sets.update(org.actor, row.id, a_set(enabled=False), NOW)
    policy_rule_sets.archive(org.actor, row.id, NOW)
    actions, kinds = trail()
    assert actions == [f"gateway.policy_rule_set.{a}" for a in ("created", "updated", "deleted")]
    assert kinds == ["POLICY_UPDATED"] * 3
    assert policy_rule_sets.all_of(org.organization.id) == []
    with pytest.raises(Refused) as caught:
        policy_rule_sets.find(org.organization.id, row.id)
    assert caught.value.fault is Fault.NOT_FOUND


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": " "}, "name", "name"),
        ({"scope": "virtual_key"}, "scope", "Choose one of"),
        ({"scope": "team", "scope_id": "team_x"}, "scope_id", "no such team"),
        ({"rules": {}}, "rules", "Give a rule"),
        ({"rules": {"tools": {"deny": ["a(?=b)"]}}}, "rules.tools.deny[0]", "look-ahead"),
        ({"rules": {"tool": {}}}, "rules.tool", "Use one of"),
        ({"rules": 7}, "rules", "are an object"),
    ],
)
@ONE
def test_a_wrong_set_of_policy_rules_is_explained(change: dict, field: str, words: str) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        policy_rule_sets.create(org.actor, a_set(**change), NOW)
    assert words in caught.value.facts["errors"][field]  # type: ignore[index]


@BOTH
def test_a_cache_rule_lives_and_ends() -> None:
    org = acme()
    row = cache_rules.create(org.actor, a_rule(), NOW)
    second = cache_rules.create(org.actor, a_rule(name="first", priority=200), NOW)
    assert cache_rules.all_of(org.organization.id) == [second, row]
    cache_rules.update(org.actor, row.id, a_rule(mode="force"), NOW)
    cache_rules.archive(org.actor, row.id, NOW)
    actions, kinds = trail()
    assert actions == [f"gateway.cache_rule.{a}" for a in ("created", "updated", "deleted")]
    assert kinds == ["CACHE_RULE_UPDATED"] * 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"matchers": {}}, "matchers"),
        ({"matchers": {"vk_tags": []}}, "matchers"),
        ({"matchers": {"colour": "red"}}, "matchers"),
        ({"matchers": {"vk_tags": "batch"}}, "matchers"),
        ({"matchers": {"request_metadata": {"authorization": "x"}}}, "matchers"),
        ({"matchers": {"request_metadata": {"bad header": "x"}}}, "matchers"),
        ({"mode": "ttl=60"}, "mode"),
        ({"priority": -1}, "priority"),
        ({"priority": True}, "priority"),
    ],
)
@ONE
def test_a_wrong_cache_rule_is_explained(change: dict, field: str) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        cache_rules.create(org.actor, a_rule(**change), NOW)
    assert field in caught.value.facts["errors"]  # type: ignore[operator]


@ONE
def test_a_guardrail_lives_and_ends() -> None:
    org = acme()
    row = guardrails.create(org.actor, a_guardrail(directions=("response", "request")), SEALER, NOW)
    assert row.directions == ["request", "response"]
    guardrails.update(org.actor, row.id, a_guardrail(action="redact"), SEALER, NOW)
    guardrails.archive(org.actor, row.id, NOW)
    actions, kinds = trail()
    assert actions == [f"gateway.guardrail.{a}" for a in ("created", "updated", "deleted")]
    assert kinds == ["GUARDRAIL_UPDATED"] * 3


@ONE
def test_the_secret_of_an_evaluator_is_sealed_and_nowhere_else() -> None:
    org = acme()
    new = a_guardrail(type="evaluator", settings={"url": "https://e.test/check"}, secret=SECRET)
    row = guardrails.create(org.actor, new, SEALER, NOW)
    assert guardrails.secret_of(row, SEALER) == SECRET
    assert guardrails.differences(org.actor, row, new, SEALER) == []
    assert guardrails.differences(org.actor, row, replace(new, secret=None), SEALER) == []
    other = replace(new, secret=Secret("another secret, as long"))
    assert guardrails.differences(org.actor, row, other, SEALER) == ["secret"]
    guardrails.update(org.actor, row.id, other, SEALER, NOW)
    told = str([(r.before, r.after) for r in AuditRow.select()])
    assert "sealed" not in told
    assert SECRET.reveal() not in told


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "magic"}, "type"),
        ({"action": "explode"}, "action"),
        ({"type": "injection", "action": "redact"}, "action"),
        ({"directions": ()}, "directions"),
        ({"directions": ("sideways",)}, "directions"),
        ({"on_failure": "shrug"}, "on_failure"),
        ({"type": "keywords"}, "settings"),
        ({"scope": "project", "scope_id": "x"}, "scope_id"),
        ({"type": "evaluator", "settings": {"url": "https://e.test"}}, "secret"),
        ({"secret": SECRET}, "secret"),
    ],
)
@ONE
def test_a_wrong_guardrail_is_explained(change: dict, field: str) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        guardrails.create(org.actor, a_guardrail(**change), SEALER, NOW)
    assert field in caught.value.facts["errors"]  # type: ignore[operator]


def a_key(org: Acme, config: dict[str, Any], name: str = "dev-cli") -> Any:
    new = NewVirtualKey(name, org.project.id, (org.openai.id,), config=config)
    return virtual_keys.create(org.actor, new, PEPPER, NOW)[0]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"policy_rules": {"tools": {"deny": ["("]}}}, "tools.deny[0]"),
        ({"cache": {"mode": "maybe"}}, "mode is one of"),
        ({"cache": {"responses": {"ttl_seconds": 0}}}, "ttl_seconds"),
        ({"guardrails": {"request": ["guardrail_x"]}}, "no guardrail guardrail_x"),
        ({"guardrails": {"sideways": []}}, "some of request"),
    ],
)
@ONE
def test_wrong_sections_of_a_key_are_explained(config: dict, words: str) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        a_key(org, config)
    (section,) = config
    assert words in caught.value.facts["errors"][f"config.{section}"]  # type: ignore[index]


@ONE
def test_a_guardrail_is_attached_only_where_it_looks() -> None:
    org = acme()
    row = guardrails.create(org.actor, a_guardrail(), SEALER, NOW)
    assert a_key(org, {"guardrails": {"request": [row.id]}}).config["guardrails"]
    with pytest.raises(Refused):
        a_key(org, {"guardrails": {"stream_chunk": [row.id]}}, "second")


@BOTH
def test_a_bundle_holds_what_applies_to_its_key_and_its_tag_changes_with_it() -> None:
    org = acme()
    sealers = Sealers(SEALER, sealer_for(Secret("a secret between gateway and control plane")))
    new = a_guardrail(type="evaluator", settings={"url": "https://e.test/check"}, secret=SECRET)
    named = guardrails.create(org.actor, new, SEALER, NOW)
    key = a_key(org, {"guardrails": {"request": [named.id]}})
    first = bundle_of(key, sealers, NOW)
    (told,) = first.config["guardrails"]
    assert sealers.travelling.open(told["secret"], f"guardrail:{named.id}") == SECRET
    automatic = a_guardrail(name="all", is_automatic=True, scope="project", scope_id=org.project.id)
    guardrails.create(org.actor, automatic, SEALER, NOW)
    guardrails.create(org.actor, a_guardrail(name="nobody's"), SEALER, NOW)
    policy_rule_sets.create(org.actor, a_set(scope="team", scope_id=org.team.id), NOW)
    policy_rule_sets.create(org.actor, a_set(name="off", enabled=False), NOW)
    cache_rules.create(org.actor, a_rule(), NOW)
    second = bundle_of(key, sealers, NOW)
    assert second.etag != first.etag
    assert {row["name"] for row in second.config["guardrails"]} == {"no secrets", "all"}
    assert [row["name"] for row in second.config["policies"]] == ["no shell"]
    assert [row["mode"] for row in second.config["cache_rules"]] == ["disable"]
