"""Guardrails, policy rules and routing policies of a team are its administrator's; others' are not theirs to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.authoring import (
    api_keys,
    guardrails,
    policy_rule_sets,
    routing_policies,
    team_members,
    teams,
)
from core.authoring.api_keys import NewApiKey
from core.authoring.guardrails import NewGuardrail
from core.authoring.policy_rule_sets import NewPolicyRuleSet
from core.authoring.routing_policies import NewRoutingPolicy
from core.clock import utcnow
from core.models import Guardrail, PolicyRuleSet, RoutingPolicy, User
from tests.component.webapp.pages.desk import DRAWER, Desk, desk
from tests.component.webapp.pages.test_virtual_keys import a_project, a_provider

PAGES = ("/settings/guardrails", "/settings/policy-rules", "/settings/routing-policies")
API = "/api/gateway/v1"
KINDS = (
    ("guardrails", Guardrail),
    ("policy-rule-sets", PolicyRuleSet),
    ("routing-policies", RoutingPolicy),
)


def rules_at(at: Desk, name: str, scope: str, scope_id: str, provider_id: str) -> tuple[str, ...]:
    """Make one rule of each kind at a scope; return the addresses of their forms."""
    sealer, now = at.app.extensions["control_plane"].sealer, utcnow()
    guardrail = NewGuardrail(name, scope, scope_id, "secrets", {}, ("request",))
    rules = NewPolicyRuleSet(name, scope, scope_id, {"tools": {"deny": ["x"]}})
    policy = NewRoutingPolicy(name, scope, scope_id, (provider_id,))
    rows = (
        guardrails.create(at.actor, guardrail, sealer, now),
        policy_rule_sets.create(at.actor, rules, now),
        routing_policies.create(at.actor, policy, now),
    )
    return tuple(f"{page}/{row.id}/edit" for page, row in zip(PAGES, rows, strict=True))


@pytest.mark.usefixtures("sqlite_db")
def test_a_teams_rules_are_seen_and_made_where_a_role_in_it_allows(tmp_path: Path) -> None:
    at, now = desk(tmp_path), utcnow()
    project, provider = a_project(at), a_provider(at, "main")
    other = teams.create(at.actor, "Sales", "sales", now)
    ours = rules_at(at, "our rule", "project", project.id, provider.id)
    theirs = rules_at(at, "their rule", "team", other.id, provider.id)
    whole = rules_at(at, "whole rule", "organization", at.actor.organization_id, provider.id)
    dan = User.get(User.email == "dan@acme.test").id
    browser = Desk(at.app, at.browser("dan@acme.test"), at.settings, at.actor)
    # A workspace of one's own is no reason to show what there is nothing of.
    assert PAGES[0] not in browser.client.get("/me").text
    team_members.put(at.actor, project.team_id, dan, "viewer", utcnow())
    for page, form in zip(PAGES, ours, strict=True):
        seen = browser.client.get(page).text
        assert page in browser.client.get("/me").text
        assert "our rule" in seen and "their rule" not in seen and "whole rule" not in seen, page
        assert "No guardrail yet" not in seen and "No rules yet" not in seen
        assert f'href="{form}"' not in seen and browser.client.get(form).status_code == 403
    team_members.put(at.actor, project.team_id, dan, "admin", utcnow())
    for page, form in zip(PAGES, ours, strict=True):
        assert f'href="{form}"' in browser.client.get(page).text
        composer = browser.client.get(f"{page}/new").text
        assert f"project:{project.id}" in composer and "Whole organization" not in composer
        assert f"team:{other.id}" not in composer
        assert browser.client.get(form).status_code == 200
    for form in (*theirs, *whole):
        assert browser.client.get(form).status_code == 403
        assert browser.post(form, DRAWER, applies_to="organization").status_code == 403
    # What is theirs may not be put where it is not.
    for form, applies_to in ((ours[0], "organization"), (ours[1], f"team:{other.id}")):
        answer = browser.post(
            form, DRAWER, name="moved", applies_to=applies_to, type="secrets", tools_deny="x"
        )
        assert answer.status_code == 403, form
    _, key = api_keys.create(at.actor, NewApiKey("k", "user", dan), at.settings.pepper, now)
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    for path, model in KINDS:
        listed = at.client.get(f"{API}/{path}", headers=headers).json["data"]
        assert [row["name"] for row in listed] == ["our rule"]
        for name, status in (("our rule", 200), ("their rule", 403), ("whole rule", 403)):
            row = model.get(model.name == name)
            one = f"{API}/{path}/{row.id}"
            assert at.client.get(one, headers=headers).status_code == status
            changed = at.client.patch(one, headers=headers, json={"description": "new"})
            assert changed.status_code == status, (path, name)
