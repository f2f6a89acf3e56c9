"""Every route, asked by a stranger, a member and an administrator; and what all answers have in common."""

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.authoring import (
    api_keys,
    bindings,
    organizations,
    routing_policies,
    service_accounts,
)
from core.authoring.routing_policies import NewRoutingPolicy
from core.clock import utcnow
from core.models import Member
from core.secret_files import with_control_plane_secrets
from core.settings import GOVERNANCE_FLAG, load
from tests.component.webapp.app.access_matrix import MATRIX
from tests.component.webapp.app.site import Site, csrf_of, form_token, sign_in, site
from webapp.access import declared, public
from webapp.app import create_app

pytestmark = pytest.mark.usefixtures("sqlite_db")
SAFE = {"GET"}


def routes(app: Flask) -> list[str]:
    return sorted(
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )


def method_and_path(route: str) -> tuple[str, str]:
    method, _, rule = route.partition(" ")
    return method, re.sub(r"<[^>]+>", "none", re.sub(r"<any\((\w+)[^>]*>", r"\1", rule))


def ask(client: FlaskClient, route: str) -> int:
    """Ask a route with ids that name nothing; a change carries its session's form token."""
    method, path = method_and_path(route)
    if method in SAFE:
        return client.get(path).status_code
    with client.session_transaction() as session:
        session.setdefault("csrf", "a token")
    if path.startswith(("/api/gateway/", "/api/governance/", "/scim/")):
        token = {"X-CSRF-Token": form_token(client)}
        return client.open(path, method=method, json={}, headers=token).status_code
    return client.post(path, data={"csrf_token": form_token(client)}).status_code


def test_every_route_has_a_row_and_declares_who_may_open_it(tmp_path: Path) -> None:
    app = site(tmp_path).app
    assert routes(app) == sorted(MATRIX)
    undeclared = [name for name, view in app.view_functions.items() if declared(view) is None]
    assert undeclared == []


def test_a_route_that_declares_nothing_is_answered_to_nobody(tmp_path: Path) -> None:
    app = site(tmp_path).app
    app.add_url_rule("/forgotten", "forgotten", lambda: "secrets")
    answer = app.test_client().get("/forgotten")
    assert answer.status_code == 500
    assert "secrets" not in answer.text


@pytest.mark.parametrize("role", ["stranger", "member", "administrator"])
def test_each_role_gets_what_the_matrix_says(tmp_path: Path, role: str) -> None:
    made = site(tmp_path, LW_INGEST_RATE_LIMIT_DISABLED="1")
    column = ("stranger", "member", "administrator").index(role)
    emails = {"member": "dan@acme.test", "administrator": "ada@acme.test"}
    cookie = cookie_of(made.app, emails[role]) if role in emails else ""
    found, expected = {}, {}
    for route, statuses in MATRIX.items():
        # Signing out and in changes the session, so every route meets a fresh one.
        client = browser_with(made.app, cookie)
        found[route], expected[route] = ask(client, route), statuses[column]
    assert found == expected


def test_a_nul_is_refused_by_every_route_before_it_is_looked_up(tmp_path: Path) -> None:
    client = sign_in(site(tmp_path).app, "ada@acme.test")
    wrong = []
    for route in MATRIX:
        method, path = method_and_path(route)
        addresses = [f"{path}?q=%00"]
        if "<" in route:
            addresses.append(path.replace("none", "a%00b"))
        for address in addresses:
            status = client.open(address, method=method).status_code
            # Where a converter takes no such text there is no route.
            if status not in (400, 404, 405):
                wrong.append((method, address, status))
    assert wrong == []
    assert client.post("/sign-in", data={"email": "a\0b"}).status_code == 400


def cookie_of(app: Flask, email: str) -> str:
    """Return the session cookie of a sign-in, which is slow on purpose and so done once."""
    cookie = sign_in(app, email).get_cookie("langwatch_session")
    assert cookie is not None
    return cookie.value


def browser_with(app: Flask, cookie: str) -> FlaskClient:
    client = app.test_client()
    if cookie:
        client.set_cookie("langwatch_session", cookie)
    return client


def test_every_change_needs_its_form_token(tmp_path: Path) -> None:
    client = sign_in(site(tmp_path).app, "ada@acme.test")
    changes = [r for r in MATRIX if r.startswith("POST") and "/api/" not in r and "/scim/" not in r]
    found = {route: client.post(method_and_path(route)[1]).status_code for route in changes}
    # Where the permission is asked at the thing itself, a thing that is not there comes first.
    at_things = (
        *("/settings/teams/<", "/settings/projects/<", "/settings/virtual-keys/<"),
        *("/settings/guardrails/<", "/settings/policy-rules/<", "/settings/routing-policies/<"),
        *("/gateway/budgets/<", "/gateway/budget-requests/<", "/settings/privacy/rules/<"),
    )
    expected = {r: 404 if r.removeprefix("POST ").startswith(at_things) else 403 for r in changes}
    assert found == expected


def test_a_missing_permission_is_named(tmp_path: Path) -> None:
    dan = sign_in(site(tmp_path).app, "dan@acme.test")
    assert "governance:view" in dan.get("/governance").text
    answer = dan.get("/api/governance/setup-state")
    assert answer.status_code == 403
    assert answer.json["error"]["code"] == "permission_denied"
    assert "governance:view" in answer.json["error"]["message"]
    assert answer.json["error"]["hint"]


def test_governance_does_not_exist_while_its_flag_is_off(tmp_path: Path) -> None:
    made = site(tmp_path, RELEASE_UI_AI_GOVERNANCE_ENABLED="0")
    ada = sign_in(made.app, "ada@acme.test")
    for path in ("/governance", "/settings/governance", "/settings/governance/anomaly-rules"):
        answer = ada.get(path)
        assert answer.status_code == 404
        assert 'aria-label="Govern"' not in answer.text
    assert ada.get("/api/governance/setup-state").status_code == 200
    assert ada.get("/").headers["Location"] == "/home"


def test_the_govern_entry_needs_flag_permission_and_something_to_govern(tmp_path: Path) -> None:
    made = site(tmp_path)
    ada, dan = sign_in(made.app, "ada@acme.test"), sign_in(made.app, "dan@acme.test")
    assert 'aria-label="Govern"' not in ada.get("/home").text
    ada.get("/welcome")
    ada.post("/welcome", data={"csrf_token": form_token(ada)})
    assert 'aria-label="Govern"' in ada.get("/home").text
    assert 'aria-label="Govern"' not in dan.get("/home").text
    second = site_without_flag(tmp_path / "second")
    assert 'aria-label="Govern"' not in sign_in(second, "ada@acme.test").get("/home").text


def site_without_flag(tmp_path: Path) -> Flask:
    """Return a second app over the same database, with the flag off."""
    settings = with_control_plane_secrets(load({"LANGWATCH_DATA_DIR": str(tmp_path)}))
    assert not settings.flag(GOVERNANCE_FLAG)
    return create_app(settings)


def test_setup_state_tells_what_exists(tmp_path: Path) -> None:
    ada = sign_in(site(tmp_path).app, "ada@acme.test")
    names = ("hasPersonalVKs", "hasRoutingPolicies", "hasIngestionSources", "hasAnomalyRules")
    empty = dict.fromkeys((*names, "hasRecentActivity", "governanceActive"), False)
    assert ada.get("/api/governance/setup-state").json == {"setup": empty}
    ada.get("/welcome")
    ada.post("/welcome", data={"csrf_token": form_token(ada)})
    state = ada.get("/api/governance/setup-state").json["setup"]
    assert state == empty | {"hasPersonalVKs": True, "governanceActive": True}


def test_setup_state_tells_of_routing_policies(tmp_path: Path) -> None:
    made = site(tmp_path)
    org = made.org
    new = NewRoutingPolicy("coding", "organization", org.organization.id, (org.openai.id,))
    row = routing_policies.create(org.actor, new, utcnow())
    ada = sign_in(made.app, "ada@acme.test")
    state = ada.get("/api/governance/setup-state").json["setup"]
    assert (state["hasRoutingPolicies"], state["governanceActive"]) == (True, True)
    routing_policies.archive(org.actor, row.id, utcnow())
    state = ada.get("/api/governance/setup-state").json["setup"]
    assert (state["hasRoutingPolicies"], state["governanceActive"]) == (False, False)


def test_every_answer_is_strict_and_is_not_kept(tmp_path: Path) -> None:
    client = site(tmp_path).app.test_client()
    for path in ("/sign-in", "/nothing", "/healthz", "/api/nothing"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
    with client.get("/static/app.css") as asset:
        assert "no-store" not in asset.headers["Cache-Control"]


def test_errors_are_pages_for_people_and_json_for_programs(tmp_path: Path) -> None:
    client = site(tmp_path).app.test_client()
    page = client.get("/nothing")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "Nothing is here" in page.text
    answer = client.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "not_found"
    wrong = client.get("/sign-out")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["Allow"]


def test_a_crash_shows_a_reference_and_nothing_else(tmp_path: Path) -> None:
    app = site(tmp_path).app

    @public
    def crash() -> str:
        raise RuntimeError("the password is hunter2")

    app.add_url_rule("/crash", "crash", crash)
    answer = app.test_client().get("/crash")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "reference" in answer.text


def test_the_shown_key_is_in_no_cookie_and_gone_after_the_first_look(tmp_path: Path) -> None:
    ada = sign_in(site(tmp_path).app, "ada@acme.test")
    csrf_of(ada.get("/welcome"))
    answer = ada.post("/welcome", data={"csrf_token": form_token(ada)})
    assert answer.status_code == 303
    assert "lw_vk_live_" not in str(answer.headers)
    shown = re.findall(r"lw_vk_live_[0-9A-Z]{26}", ada.get("/welcome").text)
    assert len(set(shown)) == 1
    assert "lw_vk_live_" not in ada.get("/welcome").text
    again = ada.post("/welcome", data={"csrf_token": form_token(ada)})
    assert again.status_code == 303
    assert re.findall(r"lw_vk_live_[0-9A-Z]{26}", ada.get("/welcome").text)[0] not in shown


def api_key(made: Site, owner_id: str, mode: str = "all", kind: str = "user") -> str:
    pepper = made.app.extensions["control_plane"].settings.pepper
    new = api_keys.NewApiKey("k", kind, owner_id, mode)
    return api_keys.create(made.org.actor, new, pepper, utcnow())[1].reveal()


STATE = "/api/governance/setup-state"


def test_an_api_key_acts_for_its_owner_without_a_session(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = made.app.test_client()
    secret = api_key(made, made.org.ada.id)
    for headers in ({"Authorization": f"Bearer {secret}"}, {"X-Auth-Token": secret}):
        answer = client.get(STATE, headers=headers)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    assert client.get(STATE).json["error"]["code"] == "missing_credentials"
    wrong = client.get(STATE, headers={"Authorization": f"Bearer {secret[:-1]}_"})
    assert (wrong.status_code, wrong.json["error"]["code"]) == (401, "invalid_credentials")
    dan = api_key(made, made.member.id)
    denied = client.get(STATE, headers={"Authorization": f"Bearer {dan}"})
    assert denied.status_code == 403
    assert denied.json["error"]["permission"] == "governance:view"
    # A key opens the JSON twins, not the pages.
    assert client.get("/home", headers={"Authorization": f"Bearer {secret}"}).status_code == 303


def test_an_api_key_stops_with_its_owner(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = made.app.test_client()
    actor, now = made.org.actor, utcnow()
    account = service_accounts.create(actor, service_accounts.NewServiceAccount("terraform"), now)
    bindings.create(
        actor,
        bindings.NewBinding(
            "service_account", account.id, "admin", "organization", made.org.organization.id
        ),
        now,
    )
    person = {"Authorization": f"Bearer {api_key(made, made.org.ada.id)}"}
    program = {"Authorization": f"Bearer {api_key(made, account.id, kind='service_account')}"}
    assert client.get(STATE, headers=person).status_code == 200
    assert client.get(STATE, headers=program).status_code == 200
    Member.update(disabled_at=now).where(Member.user_id == made.org.ada.id).execute()
    service_accounts.set_enabled(actor, account.id, False, now)
    assert client.get(STATE, headers=person).status_code == 401
    assert client.get(STATE, headers=program).status_code == 401
    service_accounts.set_enabled(actor, account.id, True, now)
    assert client.get(STATE, headers=program).status_code == 200


def test_a_sign_in_ends_when_the_organization_says_so(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = sign_in(made.app, "ada@acme.test")
    assert client.get("/home").status_code == 200
    organizations.configure(
        made.org.actor, organizations.Settings("Acme", max_session_days=1), utcnow()
    )
    assert client.get("/home").status_code == 200
    with client.session_transaction() as session:
        session["since"] -= 24 * 3600 + 1
    assert client.get("/home").status_code == 303
