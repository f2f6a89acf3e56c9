"""Two administrators at one thing: whoever saves second is told what changed and loses nothing, on every form.

A row a form; a form that changes something and has no row fails.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.authoring import (
    anomaly_rules,
    budgets,
    cache_rules,
    custom_roles,
    departments,
    groups,
    guardrails,
    ingestion_sources,
    policy_rule_sets,
    privacy,
    projects,
    providers,
    retention,
    routing_policies,
    service_accounts,
    sign_in_connections,
    teams,
    trace_destinations,
    virtual_keys,
)
from core.authoring.routing_policies import NewRoutingPolicy
from core.models import User
from core.secrets import Secret
from tests.component.webapp.app.access_matrix import MATRIX
from tests.component.webapp.pages.desk import Desk, desk
from tests.component.webapp.pages.world import fixed_now

NOW = fixed_now()
_CONTROL = re.compile(r"<(?:input|select|textarea)\b[^>]*>")
_CHOSEN = re.compile(r'<option value="([^"]*)"[^>]* selected')


@dataclass(frozen=True, slots=True)
class Form:
    """One form: how the thing behind it is made, and the field that two people change."""

    make: Callable[[Desk], str]
    """Makes the thing and returns the id that stands in the address; empty where there is one only."""
    name: str = "name"
    theirs: str = "Theirs"
    ours: str = "Ours"


def _team(at: Desk) -> str:
    return str(teams.create(at.actor, "Engineering", "eng", NOW).id)


def _project(at: Desk) -> str:
    team = teams.create(at.actor, "Data", "data", NOW)
    return str(projects.create(at.actor, "Coding", "coding", team.id, NOW).id)


def _dan(_: Desk) -> str:
    return str(User.get(User.email == "dan@acme.test").id)


def _provider(at: Desk) -> str:
    new = providers.NewProvider("main", "openai", credential=Secret("sk-x"))
    return str(providers.create(at.actor, new, _sealer(at), NOW).id)


def _budget(at: Desk) -> str:
    organization_id = at.actor.organization_id
    new = budgets.NewBudget(
        "month", "organization", organization_id, "month", 10**9, allow_unreachable=True
    )
    return str(budgets.create(at.actor, new, NOW).id)


def _source(at: Desk) -> str:
    new = ingestion_sources.NewSource("otel_generic", "agents")
    return str(ingestion_sources.create(at.actor, new, at.settings.pepper, NOW)[0].id)


def _rule(at: Desk) -> str:
    threshold = {"windowSec": 3600, "ratioVsBaseline": 2.0, "minBaselineUsd": 1}
    new = anomaly_rules.NewRule("Spend", "warning", "spend_spike", "organization", "", threshold)
    return str(anomaly_rules.create(at.actor, new, _sealer(at), NOW).id)


def _connection(at: Desk) -> str:
    new = sign_in_connections.NewConnection(
        "Login", "https://login.acme.test", "lw", Secret("s3cret"), domains=("acme.test",)
    )
    return str(sign_in_connections.create(at.actor, new, _sealer(at), NOW).id)


def _role(at: Desk) -> str:
    new = custom_roles.NewRole("Analyst", ("governance:view",), "")
    return str(custom_roles.create(at.actor, new, NOW).id)


def _policy(at: Desk) -> str:
    new = providers.NewProvider("first", "openai", credential=Secret("sk-y"))
    first = providers.create(at.actor, new, _sealer(at), NOW)
    wanted = NewRoutingPolicy("coding", "organization", at.actor.organization_id, (first.id,))
    return str(routing_policies.create(at.actor, wanted, NOW).id)


def _key(at: Desk) -> str:
    provider = providers.NewProvider("second", "openai", credential=Secret("sk-z"))
    provider_id = providers.create(at.actor, provider, _sealer(at), NOW).id
    team = teams.create(at.actor, "Keys", "keys", NOW)
    project = projects.create(at.actor, "Keys", "keys", team.id, NOW)
    new = virtual_keys.NewVirtualKey("dev", project.id, (provider_id,))
    return str(virtual_keys.create(at.actor, new, at.settings.pepper, NOW)[0].id)


def _cache_rule(at: Desk) -> str:
    new = cache_rules.NewCacheRule("batch", {"vk_tags": ["batch"]}, "disable")
    return str(cache_rules.create(at.actor, new, NOW).id)


def _rule_set(at: Desk) -> str:
    everywhere, rules = at.actor.organization_id, {"tools": {"deny": ["^bash$"]}}
    new = policy_rule_sets.NewPolicyRuleSet("no shell", "organization", everywhere, rules)
    return str(policy_rule_sets.create(at.actor, new, NOW).id)


def _guardrail(at: Desk) -> str:
    everywhere = at.actor.organization_id
    new = guardrails.NewGuardrail(
        "no keys", "organization", everywhere, "secrets", {}, ("request",)
    )
    return str(guardrails.create(at.actor, new, _sealer(at), NOW).id)


def _destination(at: Desk) -> str:
    everywhere, url = at.actor.organization_id, "https://otlp.acme.test/v1/traces"
    new = trace_destinations.NewTraceDestination("spans", "organization", everywhere, url)
    return str(trace_destinations.create(at.actor, new, _sealer(at), NOW).id)


def _privacy(at: Desk) -> str:
    new = privacy.NewPrivacyRule("organization", at.actor.organization_id, {"output": "drop"})
    return str(privacy.create(at.actor, new, NOW).id)


def _retention(at: Desk) -> str:
    new = retention.NewRetentionPolicy("organization", at.actor.organization_id, 90)
    return str(retention.create(at.actor, new, NOW).id)


def _account(at: Desk) -> str:
    new = service_accounts.NewServiceAccount("terraform", "")
    return str(service_accounts.create(at.actor, new, NOW).id)


def _sealer(at: Desk):
    return at.app.extensions["control_plane"].sealer


FORMS: Mapping[str, Form] = {
    "/gateway/budgets/<budget_id>/edit": Form(_budget),
    "/settings/departments/<department_id>/edit": Form(
        lambda at: str(departments.named(at.actor, "Research", NOW).id)
    ),
    "/settings/governance/anomaly-rules/<rule_id>/edit": Form(_rule),
    "/settings/governance/ingestion-sources/<source_id>/edit": Form(_source),
    "/settings/groups/<group_id>/edit": Form(
        lambda at: str(groups.create(at.actor, "Security", NOW).id)
    ),
    "/settings/members/<user_id>/edit": Form(_dan),
    "/settings/organization/edit": Form(lambda at: ""),
    "/settings/projects/<project_id>/edit": Form(_project),
    "/settings/providers/<provider_id>/edit": Form(_provider),
    "/settings/roles/<role_id>/edit": Form(_role),
    "/settings/routing-policies/<policy_id>/edit": Form(_policy),
    "/settings/cache-rules/<rule_id>/edit": Form(_cache_rule),
    "/settings/policy-rules/<set_id>/edit": Form(_rule_set),
    "/settings/guardrails/<guardrail_id>/edit": Form(_guardrail),
    "/settings/trace-destinations/<destination_id>/edit": Form(_destination),
    "/settings/privacy/rules/<rule_id>/edit": Form(_privacy, "input", "drop", "capture"),
    "/settings/retention/policies/<policy_id>/edit": Form(_retention, "activity_days", "45", "60"),
    "/settings/virtual-keys/<key_id>/edit": Form(_key),
    "/settings/service-accounts/<account_id>/edit": Form(_account),
    "/settings/sign-in/<connection_id>/edit": Form(_connection),
    "/settings/teams/<team_id>/edit": Form(_team),
    # Last: from then on Ada has another name.
    "/me/settings/edit": Form(lambda at: ""),
}


def controls(page: str) -> dict[str, str | list[str]]:
    """Return what a browser would send of a page's form."""
    start = re.search(r'<form id="[\w-]*form"[^>]*method="post"', page)
    assert start, page
    form = page[start.start() : page.index("</form>", start.start())]
    found: dict[str, str | list[str]] = {}
    for match in _CONTROL.finditer(form):
        tag, name = match[0], _attribute(match[0], "name")
        if not name or name == "csrf_token":
            continue
        if tag.startswith("<select"):
            chosen = _CHOSEN.search(form, match.end(), form.index("</select>", match.end()))
            found[name] = html.unescape(chosen[1]) if chosen else ""
        elif tag.startswith("<textarea"):
            inner = form[match.end() : form.index("</textarea>", match.end())]
            found[name] = html.unescape(inner).strip()
        elif 'type="checkbox"' in tag:
            if " checked" in tag:
                found[name] = [*found.get(name, []), _attribute(tag, "value")]
        else:
            found[name] = _attribute(tag, "value")
    return found


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


@pytest.mark.usefixtures("sqlite_db")
def test_the_second_to_save_is_told_what_changed_and_keeps_what_was_typed(tmp_path: Path) -> None:
    at = desk(tmp_path)
    for rule, form in FORMS.items():
        path = re.sub(r"<\w+>", form.make(at), rule)
        opened = controls(at.client.get(path).text)
        assert opened.get("version"), f"{rule} does not say what it shows"
        first = at.post(path, **opened | {form.name: form.theirs})
        assert first.status_code == 303, (rule, first.text)
        second = at.post(path, **opened | {form.name: form.ours})
        assert second.status_code == 409, (rule, second.text)
        assert "Somebody changed this while you had it open" in second.text, rule
        assert re.search(rf"<ins>{form.theirs}</ins><span[^>]*> by (Ada|Theirs)", second.text), rule
        again = controls(second.text)
        assert again[form.name] == form.ours and again["version"] != opened["version"], rule
        assert controls(at.client.get(path).text)[form.name] == form.theirs, rule
        assert "Save over it" in second.text, rule
        over = at.post(path, **again)
        assert over.status_code == 303, (rule, over.text)
        assert controls(at.client.get(path).text)[form.name] == form.ours, rule


def test_every_form_over_something_that_exists_is_in_the_table() -> None:
    edits = {
        r.removeprefix("POST ") for r in MATRIX if r.startswith("POST ") and r.endswith("/edit")
    }
    assert edits == set(FORMS)
