"""What a page does and what its twin in the API does, one after the other: the same change, the same audit row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring import (
    api_keys,
    budgets,
    people,
    projects,
    service_accounts,
)
from core.authoring.people import NewUser
from core.clock import utcnow
from core.models import AuditRow, BudgetIncrease, PolicyRuleSet, SignInConnection, User, VirtualKey
from tests.component.core.authoring.acme import NOW
from tests.component.webapp.app.site import Site, form_token, sign_in, site

GATEWAY, GOVERNANCE = "/api/gateway/v1", "/api/governance"
USD = 10**9
Told = list[tuple[str, str, list[str], list[str]]]


@dataclass(frozen=True, slots=True)
class Both:
    """Somebody at a page and the same person's program, and what each leaves in the audit log."""

    made: Site
    browser: FlaskClient
    key: str

    def page(self, path: str, **form: str) -> TestResponse:
        """Send a form, which must be taken."""
        token = {"csrf_token": form_token(self.browser)}
        answer = self.browser.post(path, data=form | token)
        assert answer.status_code in (200, 303), answer.text
        return answer

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Call the API with the key."""
        auth = {"Authorization": f"Bearer {self.key}"}
        client = self.made.app.test_client()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.open(path, method=method, json=body, headers=auth | named)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API, which must do it; return what it answers."""
        answer = self.ask(method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json if answer.data else None

    def alike(self, page: Callable[[], object], api: Callable[[], Any]) -> Any:
        """Do the same twice and hold the audit rows against each other; return what the API answered."""
        by_page, _ = rows_of(page, "web")
        by_api, answer = rows_of(api, "api")
        assert by_page == by_api
        assert by_page
        return answer


def rows_of(work: Callable[[], Any], surface: str) -> tuple[Told, Any]:
    last = AuditRow.select().order_by(AuditRow.id.desc()).get().id
    answer = work()
    rows = list(AuditRow.select().where(AuditRow.id > last).order_by(AuditRow.id))
    assert {row.surface for row in rows} == {surface}
    told = [
        (row.action, row.target_kind, sorted(row.before or ()), sorted(row.after or ()))
        for row in rows
    ]
    return told, answer


def with_key(made: Site, email: str, mode: str = "all", **more: Any) -> Both:
    pepper = made.app.extensions["control_plane"].settings.pepper
    user = User.get(User.email == email)
    new = api_keys.NewApiKey("script", "user", user.id, mode, **more)
    _, secret = api_keys.create(made.org.actor, new, pepper, utcnow())
    browser = sign_in(made.app, email)
    # A page's forms carry the token of its session.
    browser.get("/home")
    return Both(made, browser, secret.reveal())


@pytest.fixture
def ada(sqlite_db: str, tmp_path: Path) -> Iterator[Both]:
    yield with_key(site(tmp_path), "ada@acme.test")


def test_the_organization_and_what_is_kept_of_calls(ada: Both) -> None:
    here = f"{GOVERNANCE}/organization"
    ada.alike(
        lambda: ada.page("/settings/organization/edit", name="Acme", max_session_days="7"),
        lambda: ada.api("PATCH", here, {"max_session_days": 30}),
    )
    ada.alike(
        lambda: ada.page("/settings/privacy/mode", content_mode="strip_io"),
        lambda: ada.api("PUT", f"{here}/content-mode", {"content_mode": "strip_all"}),
    )
    ada.page("/settings/trace-destinations/capture", allowed="0")
    shown = ada.api("GET", here)
    assert (shown["content_mode"], shown["max_session_days"]) == ("strip_all", 30)
    assert shown["is_capture_allowed"] is False
    forbidden = AuditRow.select().order_by(AuditRow.id.desc()).get()
    ada.api("PUT", f"{here}/capture", {"is_allowed": True})
    ada.api("PUT", f"{here}/capture", {"is_allowed": False})
    again = AuditRow.select().order_by(AuditRow.id.desc()).get()
    assert (again.action, again.after) == (forbidden.action, forbidden.after)
    ada.page("/settings/organization/slack", slack_url="https://hooks.invalid/before")
    hook = {"slack_url": "https://hooks.invalid/secret"}
    told = ada.alike(
        lambda: ada.page("/settings/organization/slack", slack_url="https://hooks.invalid/one"),
        lambda: ada.api("PUT", f"{here}/request-channel", hook),
    )
    assert told["is_told_in_slack"] is True and "hooks.invalid" not in str(told)
    stale = ada.ask("PATCH", here, {"name": "Other"}, If_Match="1")
    assert (stale.status_code, stale.json["error"]["code"]) == (409, "conflict")


def test_privacy_rules_are_written_where_one_may(ada: Both) -> None:
    org, actor = ada.made.org, ada.made.org.actor
    other = projects.create(actor, "Second", "second", org.team.id, NOW)
    here = f"{GOVERNANCE}/privacy-rules"
    new = {"scope": "project", "scope_id": other.id, "choices": {"input": "drop"}}
    form = {"applies_to": f"project:{org.project.id}", "input": "drop"}
    rule = ada.alike(
        lambda: ada.page("/settings/privacy/rules", **form), lambda: ada.api("POST", here, new)
    )
    (by_page,) = [one for one in ada.api("GET", here)["data"] if one["id"] != rule["id"]]
    assert by_page["choices"] == rule["choices"] == {"input": "drop"}
    path = f"/settings/privacy/rules/{by_page['id']}"
    changed = ada.alike(
        lambda: ada.page(f"{path}/edit", output="drop"),
        lambda: ada.api("PATCH", f"{here}/{rule['id']}", {"choices": {"output": "drop"}}),
    )
    assert changed["choices"] == {"output": "drop"}
    dan = with_key(ada.made, "dan@acme.test")
    assert dan.api("GET", here)["data"]
    assert dan.ask("POST", here, new).json["error"]["permission"] == "project:update"
    assert dan.ask("DELETE", f"{here}/{rule['id']}").status_code == 403
    ada.alike(lambda: ada.page(f"{path}/delete"), lambda: ada.api("DELETE", f"{here}/{rule['id']}"))
    assert ada.api("GET", here)["data"] == []


def test_a_retention_policy_that_deletes_is_agreed_to(ada: Both) -> None:
    org = ada.made.org
    here = f"{GOVERNANCE}/retention-policies"
    new = {"scope": "project", "scope_id": org.project.id, "activity_days": 400}
    form = {"applies_to": f"team:{org.team.id}", "activity_days": "400"}
    policy = ada.alike(
        lambda: ada.page("/settings/retention/policies", **form),
        lambda: ada.api("POST", here, new),
    )
    (by_page,) = [one for one in ada.api("GET", here)["data"] if one["id"] != policy["id"]]
    path = f"/settings/retention/policies/{by_page['id']}"
    changed = ada.alike(
        lambda: ada.page(f"{path}/edit", activity_days="500"),
        lambda: ada.api("PATCH", f"{here}/{policy['id']}", {"activity_days": 500}),
    )
    assert (changed["activity_days"], changed["content_days"]) == (500, None)
    ada.alike(
        lambda: ada.page(f"{path}/delete"), lambda: ada.api("DELETE", f"{here}/{policy['id']}")
    )


def test_requests_for_more_are_filed_and_decided(ada: Both) -> None:
    made, now = ada.made, utcnow()
    dan = with_key(made, "dan@acme.test")
    new = budgets.NewBudget(
        "Dan", "principal", made.member.id, "month", 10 * USD, allow_unreachable=True
    )
    first = budgets.create(made.org.actor, new, now)
    second = budgets.create(
        made.org.actor, budgets.NewBudget(**(_values(new) | {"name": "Dan too"})), now
    )
    here = f"{GATEWAY}/me/budget-increases"
    want = {"budget_id": second.id, "limit_nanousd": 20 * USD, "reason": "A big month."}
    form = {"limit_usd": "20", "reason": "A big month."}
    asked = dan.alike(
        lambda: dan.page(f"/me/budgets/{first.id}/request", **form),
        lambda: dan.api("POST", here, want),
    )
    assert dan.ask("POST", here, want).status_code == 409
    by_page = BudgetIncrease.get(BudgetIncrease.budget_id == first.id)
    assert by_page.requester == asked["requester"] == "Dan (dan@acme.test)"
    assert dan.ask("GET", f"{GATEWAY}/budget-increases").status_code == 403
    path = f"{GATEWAY}/budget-increases/{asked['id']}/approve"
    assert dan.ask("POST", path, {}).status_code == 403
    waiting = ada.api("GET", f"{GATEWAY}/budget-increases?status=pending")["data"]
    assert [one["id"] for one in waiting] == [asked["id"], by_page.id]
    granted = ada.alike(
        lambda: ada.page(f"/gateway/budget-requests/{by_page.id}/approve", limit_usd="20"),
        lambda: ada.api("POST", f"{GATEWAY}/budget-increases/{asked['id']}/approve", {}),
    )
    assert (granted["status"], granted["granted_limit_nanousd"]) == ("approved", 20 * USD)
    assert ada.api("GET", f"{GATEWAY}/budgets/{second.id}")["limit_nanousd"] == 20 * USD
    again = dan.api("POST", here, want | {"limit_nanousd": 30 * USD})
    dan.page(f"/me/budgets/{first.id}/request", **(form | {"limit_usd": "30"}))
    refiled = BudgetIncrease.get(BudgetIncrease.status == "pending", BudgetIncrease.budget_id == first.id)  # fmt: skip
    ada.alike(
        lambda: ada.page(f"/gateway/budget-requests/{refiled.id}/decline", note="Not now."),
        lambda: ada.api(
            "POST", f"{GATEWAY}/budget-increases/{again['id']}/decline", {"note": "Not now."}
        ),
    )
    assert dan.api("GET", here)["data"][0]["note"] == "Not now."


def _values(new: budgets.NewBudget) -> dict[str, Any]:
    return {name: getattr(new, name) for name in new.__slots__}


def test_one_set_of_policy_rules_is_stored_alike_whoever_says_it(ada: Both) -> None:
    form = {"name": "by page", "applies_to": f"organization:{ada.made.org.organization.id}"}
    form |= {"enabled": "1", "tools_deny": "^bash$", "models_nothing": "1", "mcp_shadow": "1"}
    rules = {
        "tools": {"deny": ["^bash$"], "allow": None, "shadow": False},
        "models": {"deny": [], "allow": []},
        "mcp": None,
    }
    made = ada.alike(
        lambda: ada.page("/settings/policy-rules", **form),
        lambda: ada.api(
            "POST",
            f"{GATEWAY}/policy-rule-sets",
            {"name": "by API", "scope": "organization", "scope_id": "", "rules": rules},
        ),
    )
    by_page = PolicyRuleSet.get(PolicyRuleSet.name == "by page")
    assert (
        by_page.rules == made["rules"] == {"tools": {"deny": ["^bash$"]}, "models": {"allow": []}}
    )


def test_connections_and_the_directory(ada: Both) -> None:
    here, page = f"{GOVERNANCE}/sign-in-connections", "/settings/sign-in"
    form = {
        "name": "Okta",
        "issuer": "https://one.invalid",
        "client_id": "a",
        "client_secret": "hush-hush",
        "default_role": "member",
        "groups_claim": "groups",
        "group_roles": "AI admins = admin",
        "scopes": "openid email",
    }
    new = {
        "name": "Entra",
        "issuer": "https://two.invalid",
        "client_id": "b",
        "client_secret": "hush-hush",
        "scopes": "openid email",
        "group_roles": [{"group": "AI admins", "role": "admin"}],
        "is_enabled": False,
    }
    made = ada.alike(lambda: ada.page(page, **form), lambda: ada.api("POST", here, new))
    assert made["has_client_secret"] and "hush-hush" not in str(made)
    row = SignInConnection.get(SignInConnection.name == "Okta")
    assert row.group_roles == made["group_roles"]
    changed = ada.alike(
        lambda: ada.page(f"{page}/{row.id}/edit", **(form | {"client_id": "c"})),
        lambda: ada.api("PATCH", f"{here}/{made['id']}", {"client_id": "c"}),
    )
    kept = SignInConnection.get_by_id(made["id"])
    assert (changed["client_id"], kept.group_roles) == ("c", row.group_roles)
    assert kept.sealed_client_secret
    elsewhere = {"issuer": "https://three.invalid"}
    refused = ada.ask("PATCH", f"{here}/{made['id']}", elsewhere)
    assert list(refused.json["error"]["errors"]) == ["client_secret"]
    checked = ada.api("POST", f"{here}/{made['id']}/check")
    assert checked["is_ok"] is False and checked["sentence"]
    ada.alike(
        lambda: ada.page(f"{page}/{row.id}/archive"),
        lambda: ada.api("DELETE", f"{here}/{made['id']}"),
    )
    token = f"{GOVERNANCE}/directory-token"
    assert ada.api("GET", token) == {"directory_token": None}
    ada.page(f"{page}/directory-token")
    minted = ada.alike(lambda: ada.page(f"{page}/directory-token"), lambda: ada.api("POST", token))
    assert minted["token"].startswith(minted["directory_token"]["display_prefix"][:-1])
    ada.api("DELETE", token)
    assert ada.api("GET", token) == {"directory_token": None}


def test_what_is_stored_about_a_person_and_its_end(ada: Both) -> None:
    made = ada.made
    eve = people.create(made.org.actor, NewUser("eve@acme.test", "Eve", "member"), NOW)
    dan, member = made.member, f"{GOVERNANCE}/members"
    data = ada.alike(
        lambda: ada.browser.get(f"/settings/members/{dan.id}/data/person.zip").data,
        lambda: ada.api("GET", f"{member}/{eve.id}/data"),
    )
    account = next(row for row in data["rows"] if row["kind"] == "account")
    assert account["email"] == "eve@acme.test" and "password_hash" not in account
    link = ada.alike(
        lambda: ada.page(f"/settings/members/{dan.id}/password-link"),
        lambda: ada.api("POST", f"{member}/{eve.id}/password-link"),
    )
    assert made.app.test_client().get(link["link"]).status_code == 200
    moved = ada.api("PATCH", f"{member}/{eve.id}", {"email": "eva@acme.test"})
    assert moved["email"] == "eva@acme.test"
    wrong = ada.ask("POST", f"{member}/{eve.id}/erase", {"email": "eve@acme.test", "reason": "x"})
    assert list(wrong.json["error"]["errors"]) == ["email"]
    erased = ada.alike(
        lambda: ada.page(
            f"/settings/members/{dan.id}/erase", email="dan@acme.test", reason="They asked."
        ),
        lambda: ada.api(
            "POST", f"{member}/{eve.id}/erase", {"email": "eva@acme.test", "reason": "They asked."}
        ),
    )
    assert ada.api("GET", f"{member}/{eve.id}")["email"] == erased["pseudonym"]


def test_what_is_ones_own(ada: Both) -> None:
    dan = with_key(ada.made, "dan@acme.test")
    me, keys, account = f"{GOVERNANCE}/me", f"{GATEWAY}/me/virtual-keys", "/me/settings"
    dan.alike(
        lambda: dan.page(f"{account}/edit", name="Daniel"),
        lambda: dan.api("PATCH", me, {"name": "Danny"}),
    )
    dan.alike(
        lambda: dan.page(f"{account}/landing", landing="personal"),
        lambda: dan.api("PATCH", me, {"landing": "project"}),
    )
    assert dan.ask("PATCH", me, {"landing": "governance"}).status_code == 422
    him = f"{GOVERNANCE}/members/{ada.made.member.id}"
    ada.api("PATCH", him, {"role": "external"})
    for path in (keys, f"{keys}/first"):
        refused = dan.ask("POST", path, {"name": "laptop"})
        assert refused.json["error"]["permission"] == "virtualKeys:create"
    ada.api("PATCH", him, {"role": "member"})
    dan.page("/welcome")
    dan.alike(lambda: dan.page("/welcome"), lambda: dan.api("POST", f"{keys}/first"))
    dan.page("/me/keys", name="first of all")
    minted = dan.alike(
        lambda: dan.page("/me/keys", name="laptop"),
        lambda: dan.api("POST", keys, {"name": "desktop"}),
    )
    laptop, made = VirtualKey.get(VirtualKey.name == "laptop"), minted["virtual_key"]
    dan.alike(
        lambda: dan.page(f"/me/keys/{laptop.id}/rotate"),
        lambda: dan.api("POST", f"{keys}/{made['id']}/rotate"),
    )
    dan.alike(
        lambda: dan.page(f"/me/keys/{laptop.id}/revoke"),
        lambda: dan.api("POST", f"{keys}/{made['id']}/revoke"),
    )
    assert ada.ask("POST", f"{keys}/{made['id']}/rotate").status_code == 404
    assert len(dan.api("GET", keys)["data"]) == 4
    dan.alike(
        lambda: dan.page("/me/api-keys", name="one", permission_mode="all"),
        lambda: dan.api("POST", f"{me}/api-keys", {"name": "two"}),
    )
    newest = dan.api("GET", f"{me}/api-keys")["data"][0]
    assert newest["name"] == "two"
    assert ada.ask("POST", f"{me}/api-keys/{newest['id']}/revoke").status_code == 404
    dan.api("POST", f"{me}/api-keys/{newest['id']}/revoke")
    dan.alike(
        lambda: dan.page(f"{account}/sessions"), lambda: dan.api("POST", f"{me}/end-sessions")
    )
    assert dan.browser.get("/home").status_code == 303


def test_only_a_whole_key_of_a_person_does_what_is_their_own(ada: Both) -> None:
    made, me = ada.made, f"{GOVERNANCE}/me"
    for mode, scopes in (("readonly", ()), ("restricted", ("organization:manage",))):
        key = with_key(made, "ada@acme.test", mode, scopes=scopes)
        assert key.ask("GET", me).status_code == 403
    account = service_accounts.create(
        made.org.actor, service_accounts.NewServiceAccount("terraform"), NOW
    )
    pepper = made.app.extensions["control_plane"].settings.pepper
    new = api_keys.NewApiKey("ci", "service_account", account.id)
    _, secret = api_keys.create(made.org.actor, new, pepper, NOW)
    machine = Both(made, ada.browser, secret.reveal())
    assert "service account" in machine.ask("GET", me).json["error"]["message"]
    ends = utcnow() + timedelta(days=3)
    short = with_key(made, "ada@acme.test", expires_at=ends)
    lasting = short.ask("POST", f"{me}/api-keys", {"name": "for ever"})
    assert list(lasting.json["error"]["errors"]) == ["expires_at"]
    ending = {"name": "as long", "expires_at": ends.isoformat()}
    assert short.api("POST", f"{me}/api-keys", ending)["api_key"]["expires_at"]


def test_headers_of_a_trace_destination_go_to_no_other_host(ada: Both) -> None:
    here = f"{GATEWAY}/trace-destinations"
    new = {
        "name": "collector",
        "scope": "organization",
        "scope_id": ada.made.org.organization.id,
        "endpoint": "https://one.invalid/v1/traces",
        "headers": {"Authorization": "Bearer hush"},
    }
    row = ada.api("POST", here, new)["id"]
    elsewhere = {"endpoint": "https://two.invalid/v1/traces"}
    refused = ada.ask("PATCH", f"{here}/{row}", elsewhere)
    assert list(refused.json["error"]["errors"]) == ["headers"]
    ada.api("PATCH", f"{here}/{row}", {"endpoint": "https://one.invalid/other"})
    moved = ada.api("PATCH", f"{here}/{row}", elsewhere | {"headers": {"X-Key": "hush"}})
    assert (moved["endpoint"], moved["header_names"]) == (elsewhere["endpoint"], ["X-Key"])
    tried = ada.api("POST", f"{here}/{row}/test")
    assert tried["is_ok"] is False and "resolved" in tried["sentence"]


def test_things_are_tried_before_they_hold(ada: Both) -> None:
    last = AuditRow.select().count()
    sandbox = {"name": "Try", "type": "sandbox"}
    assert ada.api("POST", f"{GATEWAY}/providers/test", sandbox)["is_ok"] is True
    unknown = ada.ask("POST", f"{GATEWAY}/providers/test", {"name": "x", "type": "nobody"})
    assert unknown.status_code == 422
    openai = ada.made.org.openai.id
    moved = {"base_url": "https://elsewhere.invalid/v1"}
    kept = ada.ask("POST", f"{GATEWAY}/providers/{openai}/test-change", moved)
    assert list(kept.json["error"]["errors"]) == ["credential"]
    text = {"type": "secrets", "text": "the key AKIAIOSFODNN7EXAMPLE is ours"}
    found = ada.api("POST", f"{GATEWAY}/guardrails/try", text)
    assert "".join(piece["text"] for piece in found["pieces"]) == text["text"]
    assert ada.ask("POST", f"{GATEWAY}/guardrails/try", text | {"type": "x"}).status_code == 422
    pattern = {"pattern": "^shell", "values": ["shell.exec", "a shell"]}
    matched = ada.api("POST", f"{GATEWAY}/policy-tests/pattern", pattern)
    assert matched == {"matches": ["shell.exec"], "others": ["a shell"]}
    body = '{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}'
    verdict = ada.api("POST", f"{GATEWAY}/policy-tests/request", {"body": body})
    assert verdict["passes"] is True and verdict["blocked_by"] is None
    assert re.search("Routing", str(verdict["steps"]))
    torn = ada.api("POST", f"{GATEWAY}/policy-tests/request", {"body": "{"})
    assert (torn["passes"], torn["blocked_by"]) == (False, "Body")
    chain = ada.api("POST", f"{GOVERNANCE}/audit-log/verify")
    assert chain["is_intact"] and chain["rows"] == AuditRow.select().count() == last
