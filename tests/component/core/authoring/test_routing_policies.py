"""Routing policies: what may be written, which one applies to a key, and that each scope has one default."""

from dataclasses import replace
from typing import Any

import pytest

from core.authoring import routing_policies, virtual_keys
from core.authoring.providers import NewProvider
from core.authoring.providers import create as create_provider
from core.authoring.routing_policies import NewRoutingPolicy
from core.authoring.virtual_keys import NewVirtualKey
from core.fault import Fault, Refused
from core.models import AuditRow, ChangeEvent, RoutingPolicy, VirtualKey
from core.secrets import Secret
from tests.component.core.authoring.acme import NOW, PEPPER, SEALER, Acme, acme

pytestmark = pytest.mark.usefixtures("db")


def policy(org: Acme, name: str = "coding", **values: Any) -> NewRoutingPolicy:
    given: dict[str, Any] = {
        "scope": "organization",
        "scope_id": org.organization.id,
        "provider_ids": (org.anthropic.id, org.openai.id),
    }
    return NewRoutingPolicy(name, **(given | values))


def key_of(org: Acme, name: str = "dev-cli", **config: Any) -> VirtualKey:
    new = NewVirtualKey(name, org.project.id, (org.openai.id,), config=config)
    return virtual_keys.create(org.actor, new, PEPPER, NOW)[0]


def applying(org: Acme, key: VirtualKey) -> str | None:
    row = routing_policies.applying_to(key, org.project)
    return None if row is None else row.name


def test_a_policy_is_written_with_its_audit_row_and_its_change() -> None:
    org = acme()
    new = policy(
        org,
        strategy="latency",
        models_allowed=["claude-*"],
        model_aliases={"fast": "anthropic/claude-haiku-4-5", "big": {"openai-main": "gpt-5"}},
    )
    row = routing_policies.create(org.actor, new, NOW)
    stored = RoutingPolicy.get_by_id(row.id)
    assert stored.provider_ids == [org.anthropic.id, org.openai.id]
    assert (stored.strategy, stored.models_allowed) == ("latency", ["claude-*"])
    assert routing_policies.differences(stored, new) == []
    newest = AuditRow.select().order_by(AuditRow.id.desc()).get()
    assert (newest.action, newest.target_id) == ("gateway.routing_policy.created", row.id)
    change = ChangeEvent.select().order_by(ChangeEvent.revision.desc()).get()
    assert change.kind == "ROUTING_POLICY_UPDATED"


def test_an_update_that_changes_nothing_writes_nothing() -> None:
    org = acme()
    row = routing_policies.create(org.actor, policy(org), NOW)
    before = AuditRow.select().count()
    routing_policies.update(org.actor, row.id, policy(org), NOW)
    assert AuditRow.select().count() == before
    routing_policies.update(org.actor, row.id, policy(org, "other"), NOW)
    assert AuditRow.select().count() == before + 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"strategy": "random"}, "strategy"),
        ({"provider_ids": ()}, "providers"),
        ({"provider_ids": ("prov_of_nobody",)}, "providers"),
        ({"scope": "virtual_key"}, "scope"),
        ({"scope": "team", "scope_id": "team_of_nobody"}, "scope_id"),
        ({"models_allowed": [""]}, "models_allowed"),
        ({"model_aliases": {"fast": ""}}, "model_aliases"),
        ({"model_aliases": {"fast": {}}}, "model_aliases"),
        ({"model_aliases": {"fast": {"nobody": "gpt-5"}}}, "model_aliases"),
        ({"model_aliases": {" ": "gpt-5"}}, "model_aliases"),
        ({"description": "x" * 2000}, "description"),
    ],
)
def test_what_is_wrong_is_refused_by_field(values: dict[str, Any], field: str) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        routing_policies.create(org.actor, replace(policy(org), **values), NOW)
    assert list(caught.value.facts["errors"]) == [field]
    assert RoutingPolicy.select().count() == 0


def test_a_provider_of_another_organization_is_none_of_ours() -> None:
    org = acme()
    stranger = NewProvider("theirs", "openai", "https://api.openai.com/v1", Secret("sk-theirs"))
    theirs = create_provider(replace(org.actor, organization_id="org_other"), stranger, SEALER, NOW)
    with pytest.raises(Refused):
        routing_policies.create(org.actor, policy(org, provider_ids=(theirs.id,)), NOW)


def test_a_name_is_taken_once_and_a_scope_stays() -> None:
    org = acme()
    row = routing_policies.create(org.actor, policy(org), NOW)
    with pytest.raises(Refused):
        routing_policies.create(org.actor, policy(org), NOW)
    with pytest.raises(Refused) as caught:
        moved = policy(org, scope="team", scope_id=org.team.id)
        routing_policies.update(org.actor, row.id, moved, NOW)
    assert "scope" in caught.value.facts["errors"]


def test_a_scope_has_one_default_and_a_new_one_takes_its_place() -> None:
    org = acme()
    first = routing_policies.create(org.actor, policy(org, "first", is_default=True), NOW)
    team = policy(org, "team", scope="team", scope_id=org.team.id, is_default=True)
    routing_policies.create(org.actor, team, NOW)
    second = routing_policies.create(org.actor, policy(org, "second", is_default=True), NOW)

    def defaults() -> list[str]:
        return sorted(row.name for row in RoutingPolicy.select().where(RoutingPolicy.is_default))

    assert defaults() == ["second", "team"]
    routing_policies.set_default(org.actor, first.id, NOW)
    assert defaults() == ["first", "team"]
    routing_policies.update(org.actor, second.id, policy(org, "second", is_default=True), NOW)
    assert defaults() == ["second", "team"]
    actions = [row.action for row in AuditRow.select().order_by(AuditRow.id.desc()).limit(2)]
    assert actions == ["gateway.routing_policy.updated"] * 2


def test_the_narrowest_default_applies_unless_the_key_says_otherwise() -> None:
    org = acme()
    key = key_of(org)
    assert applying(org, key) is None
    routing_policies.create(org.actor, policy(org, "org", is_default=True), NOW)
    assert applying(org, key) == "org"
    team = policy(org, "team", scope="team", scope_id=org.team.id, is_default=True)
    routing_policies.create(org.actor, team, NOW)
    assert applying(org, key) == "team"
    project = policy(org, "project", scope="project", scope_id=org.project.id, is_default=True)
    made = routing_policies.create(org.actor, project, NOW)
    assert applying(org, key) == "project"
    named = routing_policies.create(org.actor, policy(org, "named"), NOW)
    assert applying(org, key_of(org, "pinned", routing_policy_id=named.id)) == "named"
    assert applying(org, key_of(org, "alone", routing_mode="none")) is None
    assert applying(org, key_of(org, "own", routing_mode="fallback_all")) is None
    routing_policies.archive(org.actor, made.id, NOW)
    assert applying(org, key) == "team"


def test_a_policy_that_keys_name_is_not_archived() -> None:
    org = acme()
    row = routing_policies.create(org.actor, policy(org), NOW)
    key = key_of(org, routing_mode="policy", routing_policy_id=row.id)
    with pytest.raises(Refused) as caught:
        routing_policies.archive(org.actor, row.id, NOW)
    assert caught.value.fault is Fault.CONFLICT
    assert "dev-cli" in caught.value.message
    virtual_keys.revoke(org.actor, key.id, NOW)
    routing_policies.archive(org.actor, row.id, NOW)
    assert routing_policies.all_of(org.organization.id) == []
    change = ChangeEvent.select().order_by(ChangeEvent.revision.desc()).get()
    assert change.kind == "ROUTING_POLICY_DELETED"


def test_a_key_stores_what_it_says_about_routing() -> None:
    org = acme()
    config = {
        "model_aliases": {"fast": "openai/gpt-4o-mini", "smart": {"azure_openai": "gpt-5"}},
        "models_allowed": ["gpt-*", "anthropic/*"],
        "routing_mode": "fallback_all",
        "fallback": {"max_attempts": 2, "timeout_ms": None},
    }
    stored = VirtualKey.get_by_id(key_of(org, **config).id).config
    assert stored == config | {"fallback": {"max_attempts": 2}}


@pytest.mark.parametrize(
    "config",
    [
        {"model_aliases": ["x"]},
        {"model_aliases": {"x": 3}},
        {"model_aliases": {"x": {"nobody": "m"}}},
        {"models_allowed": []},
        {"models_allowed": "gpt-4o"},
        {"models_allowed": [7]},
        {"routing_mode": "sometimes"},
        {"routing_policy_id": "routing_of_nobody"},
        {"routing_policy_id": 7},
        {"fallback": {"max_attempts": 0}},
        {"fallback": {"max_attempts": True}},
        {"fallback": {"timeout_ms": 10}},
        {"fallback": {"on": ["429"]}},
        {"fallback": 3},
    ],
)
def test_what_a_key_says_wrongly_is_refused_by_section(config: dict[str, Any]) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        key_of(org, **config)
    assert list(caught.value.facts["errors"]) == [f"config.{next(iter(config))}"]
