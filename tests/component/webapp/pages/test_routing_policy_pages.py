"""The pages about routing policies on both databases: lists by scope, the order of providers, defaults, archive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.authoring import projects, providers, routing_policies, teams, virtual_keys
from core.authoring.providers import NewProvider
from core.authoring.routing_policies import NewRoutingPolicy
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.models import Provider, RoutingPolicy
from core.secrets import Secret
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of
from tests.component.webapp.pages.test_providers_pages import text_of
from tests.statements import counted

HERE = "/settings/routing-policies"
ORDER = {"HX-Request": "true", "HX-Target": "fieldset#order"}
pytestmark = pytest.mark.usefixtures("db")


def provider(at: Desk, name: str) -> Provider:
    new = NewProvider(name, "openai", credential=Secret("sk-x"))
    return providers.create(at.actor, new, at.app.extensions["control_plane"].sealer, utcnow())


def policy(at: Desk, name: str, *provider_ids: str, **more: object) -> RoutingPolicy:
    values = {"scope": "organization", "scope_id": at.actor.organization_id} | more
    new = NewRoutingPolicy(name, provider_ids=provider_ids, **values)  # type: ignore[arg-type]
    return routing_policies.create(at.actor, new, utcnow())


def a_key(at: Desk, name: str, provider_id: str, **config: object) -> str:
    team = teams.create(at.actor, f"Team {name}", f"t-{name}", utcnow())
    project = projects.create(at.actor, f"P {name}", f"p-{name}", team.id, utcnow())
    new = NewVirtualKey(name, project.id, (provider_id,), config=config)
    return virtual_keys.create(at.actor, new, at.settings.pepper, utcnow())[0].id


def order_in(page: str) -> list[str]:
    return re.findall(r'name="provider" value="(\w+)"', page)


def test_policies_stand_by_scope_with_their_default_and_the_keys_that_name_them(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    one, two = provider(at, "first"), provider(at, "second")
    team = teams.create(at.actor, "Core", "core", utcnow())
    named = policy(at, "Named", two.id, one.id, strategy="cost", models_allowed=("claude-*",))
    policy(at, "Everyone", one.id, is_default=True)
    policy(at, "Core only", one.id, scope="team", scope_id=team.id)
    a_key(at, "k1", one.id, routing_policy_id=named.id)
    a_key(at, "k2", one.id, routing_policy_id=named.id)
    page = at.client.get(HERE)
    told = text_of(page.text)
    assert "second → first" in told and "claude-*" in told and "2 keys" in told
    assert re.search(r"Everyone\s+Default", told) and "Team Core" in told
    assert told.index("Everyone") < told.index("Core only")
    assert at.client.get("/gateway/routing-policies").headers["Location"] == HERE


def test_the_list_costs_the_same_whatever_its_length(tmp_path: Path) -> None:
    at = desk(tmp_path)
    one = provider(at, "first")
    policy(at, "P", one.id)
    at.client.get(HERE)
    with counted() as few:
        at.client.get(HERE)
    for number in range(9):
        policy(at, f"P {number}", one.id)
    with counted() as many:
        at.client.get(HERE)
    assert len(many.all()) == len(few.all())


def test_the_order_is_arranged_without_saving_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    at = desk(tmp_path)
    ids = [provider(at, name).id for name in ("a", "b", "c")]
    typed: dict[str, str | list[str]] = {"name": "Half", "strategy": "latency", "another": ids[2]}
    added = at.post(f"{HERE}/arrange?change=add", ORDER, **typed, provider=ids[:2])
    assert order_in(added.text) == ids and "<html" not in added.text
    up = at.post(f"{HERE}/arrange?change=up:{ids[2]}", **typed, provider=ids)
    assert order_in(up.text) == [ids[0], ids[2], ids[1]]
    assert 'value="Half"' in up.text and '<option value="latency" selected>' in up.text
    less = at.post(f"{HERE}/arrange?change=drop:{ids[0]}", **typed, provider=ids)
    assert order_in(less.text) == ids[1:]
    same = at.post(f"{HERE}/arrange?change=up:nothing", **typed, provider=ids)
    assert order_in(same.text) == ids
    assert not RoutingPolicy.select().exists()


def test_a_policy_is_made_with_aliases_by_provider_and_mistakes_stand_beside_their_controls(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    one, two = provider(at, "a"), provider(at, "b")
    form: dict[str, str | list[str]] = {
        "applies_to": "organization",
        "name": "Fast",
        "strategy": "round_robin",
        "model_aliases": "fast = a/gpt-5-mini\nbig @ a = gpt-5\nbig @ nobody = gpt-5.2",
    }
    refused = at.post(HERE, DRAWER, **form)
    assert refused.status_code == 422
    assert error_of(refused, "providers") == "Choose at least one provider."
    assert "nobody" in error_of(refused, "model_aliases")
    form |= {"provider": [two.id, one.id], "models_allowed": "gpt-*\n a/* \n", "is_default": "1"}
    unread = at.post(HERE, DRAWER, **form | {"model_aliases": "fast - a/gpt-5"})
    assert "alias = provider/model" in error_of(unread, "model_aliases")
    elsewhere = at.post(HERE, DRAWER, **form | {"applies_to": "team:none", "model_aliases": ""})
    assert error_of(elsewhere, "applies_to") == "There is no such team."
    form["model_aliases"] = "fast = a/gpt-5-mini\nbig @ a = gpt-5\nbig @ b = gpt-5.2"
    made = at.post(HERE, DRAWER, **form)
    assert made.headers["HX-Redirect"] == HERE
    row = RoutingPolicy.get(RoutingPolicy.name == "Fast")
    assert (row.provider_ids, row.models_allowed) == ([two.id, one.id], ["gpt-*", "a/*"])
    assert row.model_aliases == {"fast": "a/gpt-5-mini", "big": {"a": "gpt-5", "b": "gpt-5.2"}}
    assert row.is_default
    again = at.client.get(f"{HERE}/{row.id}/edit")
    assert "big @ b = gpt-5.2" in again.text and order_in(again.text) == [two.id, one.id]


def test_who_saves_second_is_told_and_keeps_what_was_typed(tmp_path: Path) -> None:
    at = desk(tmp_path)
    one, two = provider(at, "a"), provider(at, "b")
    row = policy(at, "Old", one.id)
    path = f"{HERE}/{row.id}/edit"
    version = at.version(path)
    form: dict[str, str | list[str]] = {"strategy": "cost", "provider": [one.id]}
    assert at.post(path, name="Theirs", version=version, **form).status_code == 303
    mine = {"name": "Mine", "strategy": "priority", "provider": [two.id, one.id]}
    told = at.post(path, DRAWER, version=version, **mine)  # type: ignore[arg-type]
    assert told.status_code == 409
    assert "Theirs" in told.text and 'value="Mine"' in told.text
    assert order_in(told.text) == [two.id, one.id]
    newer = re.search(r'name="version" value="(\w+)"', told.text)
    assert newer
    assert at.post(path, version=newer[1], **mine).status_code == 303  # type: ignore[arg-type]
    assert RoutingPolicy.get_by_id(row.id).name == "Mine"


def test_the_default_moves_and_archiving_says_who_is_affected(tmp_path: Path) -> None:
    at = desk(tmp_path)
    one = provider(at, "a")
    before, after = policy(at, "Before", one.id, is_default=True), policy(at, "After", one.id)
    assert at.post(f"{HERE}/{after.id}/default").status_code == 303
    assert not RoutingPolicy.get_by_id(before.id).is_default
    assert RoutingPolicy.get_by_id(after.id).is_default
    a_key(at, "laptop", one.id, routing_policy_id=after.id)
    assert "1 key route by it: laptop" not in at.client.get(f"{HERE}/{before.id}/archive").text
    asked = at.client.get(f"{HERE}/{after.id}/archive", headers=DRAWER)
    assert "laptop" in asked.text
    refused = at.post(f"{HERE}/{after.id}/archive", DRAWER)
    assert refused.status_code == 409 and "laptop" in refused.text
    quiet = at.client.get(f"{HERE}/{before.id}/archive")
    assert "nothing changes for anybody" in quiet.text
    assert at.post(f"{HERE}/{before.id}/archive", DRAWER).headers["HX-Redirect"] == HERE
    assert [row.name for row in routing_policies.all_of(at.actor.organization_id)] == ["After"]
