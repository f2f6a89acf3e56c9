"""What holds for every route of the management API: keys, refusals, lists, repetition, versions, and its document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring import api_keys, cache_rules
from core.models import AuditRow, Budget, CacheRule, IdempotencyKey, User, VirtualKey
from tests.component.core.authoring.acme import NOW, Acme
from tests.component.webapp.app.site import form_token, sign_in, site
from tests.statements import counted
from webapp.api.tables import described

RULES = "/api/gateway/v1/cache-rules"
RULE = {"name": "Nightly", "matchers": {"vk_tags": ["batch"]}, "mode": "disable"}


@dataclass(frozen=True, slots=True)
class Api:
    """A program with an API key of the administrator's."""

    app: Flask
    org: Acme
    client: FlaskClient
    key: str
    owner_id: str

    def member_id(self) -> str:
        return str(User.get(User.email == "dan@acme.test").id)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        auth = {"Authorization": f"Bearer {self.key}"}
        return self.client.open(path, method=method, json=body, headers=auth | named)


@pytest.fixture
def api(db: str, tmp_path: Path) -> Api:
    made = site(tmp_path)
    pepper = made.app.extensions["control_plane"].settings.pepper
    ada = User.get(User.email == "ada@acme.test")
    new = api_keys.NewApiKey("terraform", "user", ada.id)
    _, secret = api_keys.create(made.org.actor, new, pepper, NOW)
    return Api(made.app, made.org, made.app.test_client(), secret.reveal(), ada.id)


def test_a_thing_is_made_read_changed_and_ended_and_each_step_is_audited(api: Api) -> None:
    made = api("POST", RULES, RULE)
    assert made.status_code == 201
    rule = made.json
    assert api("GET", f"{RULES}/{rule['id']}").json == rule
    changed = api("PATCH", f"{RULES}/{rule['id']}", {"priority": 7}).json
    assert (changed["priority"], changed["mode"]) == (7, "disable")
    assert api("DELETE", f"{RULES}/{rule['id']}").json["archived_at"]
    assert api("GET", f"{RULES}/{rule['id']}").status_code == 404
    rows = AuditRow.select().where(AuditRow.target_id == rule["id"]).order_by(AuditRow.id)
    assert [row.action.rpartition(".")[2] for row in rows] == ["created", "updated", "deleted"]
    assert {(row.surface, row.actor_id) for row in rows} == {("api", api.owner_id)}


def test_a_caller_without_a_key_or_with_a_wrong_one_is_told_so(api: Api) -> None:
    assert api.client.get(RULES).json["error"]["code"] == "missing_credentials"
    wrong = api.client.get(RULES, headers={"Authorization": "Bearer sk-lw-nothing"})
    assert (wrong.status_code, wrong.json["error"]["code"]) == (401, "invalid_credentials")


def test_a_session_needs_its_form_token_for_a_change_and_none_for_reading(api: Api) -> None:
    browser = sign_in(api.app, "ada@acme.test")
    assert browser.get(RULES).status_code == 200
    assert browser.get("/home").status_code == 200
    assert browser.post(RULES, json=RULE).json["error"]["code"] == "csrf_failed"
    token = {"X-CSRF-Token": form_token(browser)}
    assert browser.post(RULES, json=RULE, headers=token).status_code == 201


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "x"}, "matchers"),
        (RULE | {"priority": "high"}, "priority"),
        (RULE | {"prioriy": 3}, "prioriy"),
        ([], "object"),
    ],
)
def test_a_body_of_the_wrong_form_is_refused_by_field(api: Api, body: Any, named: str) -> None:
    answer = api("POST", RULES, body)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")
    assert named in answer.json["error"]["message"]


def test_values_that_make_no_sense_are_refused_with_a_sentence_each(api: Api) -> None:
    answer = api("POST", RULES, RULE | {"mode": "sometimes", "name": " "})
    assert answer.status_code == 422
    assert set(answer.json["error"]["errors"]) == {"mode", "name"}


def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.key}"}
    form = api.client.post(RULES, data={"name": "x"}, headers=headers)
    assert form.status_code == 400 and "application/json" in form.json["error"]["message"]
    torn = api.client.post(RULES, data=b"{", headers=headers | {"Content-Type": "application/json"})
    assert torn.status_code == 400


def test_a_list_goes_on_at_its_cursor_while_rows_come_and_go(api: Api) -> None:
    for number in range(7):
        new = cache_rules.NewCacheRule(f"Rule {number}", {"vk_prefix": "lw"}, "force")
        cache_rules.create(api.org.actor, new, NOW + timedelta(minutes=number))
    first = api("GET", f"{RULES}?limit=3").json
    api("POST", RULES, RULE)
    seen = [rule["name"] for rule in first["data"]]
    cursor = first["next_cursor"]
    while cursor:
        page = api("GET", f"{RULES}?limit=3&cursor={cursor}").json
        seen += [rule["name"] for rule in page["data"]]
        cursor = page["next_cursor"]
    assert seen == [f"Rule {number}" for number in reversed(range(7))]


def test_a_list_costs_the_same_however_long_it_is(api: Api) -> None:
    with counted() as few:
        api("GET", RULES)
    for number in range(30):
        new = cache_rules.NewCacheRule(f"Rule {number}", {"vk_prefix": "lw"}, "force")
        cache_rules.create(api.org.actor, new, NOW)
    with counted() as many:
        assert len(api("GET", f"{RULES}?limit=200").json["data"]) == 30
    assert len(many.selects()) == len(few.selects())


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=ten", "cursor=AAAA", "cursor=é"])
def test_a_list_refuses_what_it_can_not_answer(api: Api, query: str) -> None:
    assert api("GET", f"{RULES}?{query}").status_code == 400


def test_a_create_that_is_repeated_under_its_key_creates_nothing_more(api: Api) -> None:
    first = api("POST", RULES, RULE, Idempotency_Key="terraform-run-17")
    again = api("POST", RULES, RULE, Idempotency_Key="terraform-run-17")
    assert (again.status_code, again.data) == (first.status_code, first.data) == (201, first.data)
    assert again.headers["X-Idempotent-Replay"] == "true"
    assert CacheRule.select().count() == 1
    other = api("POST", RULES, RULE | {"name": "Daily"}, Idempotency_Key="terraform-run-17")
    assert other.status_code == 409
    assert other.json["error"]["code"] == "idempotency_error"
    assert other.json["error"]["reason"] == "mismatch"
    assert "Nightly" not in IdempotencyKey.get().sealed_answer


def test_a_create_that_was_refused_may_be_tried_again_under_its_key(api: Api) -> None:
    wrong = RULE | {"mode": "sometimes"}
    assert api("POST", RULES, wrong, Idempotency_Key="terraform-run-18").status_code == 422
    assert api("POST", RULES, RULE, Idempotency_Key="terraform-run-18").status_code == 201
    assert api("POST", RULES, RULE, Idempotency_Key="short").status_code == 400


def test_nothing_of_another_organization_is_seen_or_touched(api: Api) -> None:
    foreign = CacheRule.create(
        id="cacherule_foreign",
        organization_id="org_elsewhere",
        name="Theirs",
        mode="force",
        created_at=NOW,
        updated_at=NOW,
    )
    assert api("GET", RULES).json["data"] == []
    for method, body in (("GET", None), ("PATCH", {"priority": 1}), ("DELETE", None)):
        assert api(method, f"{RULES}/{foreign.id}", body).status_code == 404
    assert CacheRule.get_by_id(foreign.id).archived_at is None


def test_the_document_is_public_and_describes_every_route(api: Api) -> None:
    document = api.client.get("/api/openapi.json").json
    assert document["openapi"].startswith("3.1")
    served = {
        f"{method} {rule.rule}"
        for rule in api.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("api.") and rule.rule != "/api/openapi.json"
    }
    described_routes = {
        f"{method.upper()} {path.replace('{', '<').replace('}', '>')}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described_routes == served
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"].endswith(".")
    assert described() == document


def test_a_change_of_an_older_state_is_told_what_changed_meanwhile(api: Api) -> None:
    rule = api("POST", RULES, RULE).json
    address = f"{RULES}/{rule['id']}"
    # Moments tell versions apart to the millisecond.
    CacheRule.update(updated_at=NOW).execute()
    read = api("GET", address).json["version"]
    assert api("PATCH", address, {"priority": 7}, If_Match=read).status_code == 200
    late = api("PATCH", address, {"priority": 9}, If_Match=f'"{read}"')
    assert (late.status_code, late.json["error"]["code"]) == (409, "conflict")
    assert api("GET", address).json["priority"] == 7
    # A list of people that is put whole takes nobody out whom its writer had not seen.
    group = api("POST", "/api/governance/groups", {"name": "Money"}).json
    people, dan = f"/api/governance/groups/{group['id']}/members", api.member_id()
    first = {"user_ids": [dan]}
    assert api("PUT", people, first, If_Match=group["version"]).json == [dan]
    late = api("PUT", people, {"user_ids": [api.owner_id]}, If_Match=group["version"])
    (told,) = late.json["error"]["changes"]
    assert (late.status_code, told["field"], told["after"]) == (409, "members", [dan])
    assert api("GET", people).json == [dan]


KEYS = "/api/gateway/v1/virtual-keys"


def test_a_virtual_key_is_minted_rotated_and_revoked_and_tells_its_secret_once(api: Api) -> None:
    body = {"name": "ci", "project_id": api.org.project.id, "provider_ids": [api.org.openai.id]}
    made = api("POST", KEYS, body)
    assert made.status_code == 201, made.text
    key, secret = made.json["virtual_key"], made.json["secret"]
    assert secret.startswith("lw_vk_live_") and secret not in str(key)
    assert secret not in api("GET", f"{KEYS}/{key['id']}").text
    poor = body | {"name": "poor", "budget": {"limit_nanousd": 0}}
    assert list(api("POST", KEYS, poor).json["error"]["errors"]) == ["budget"]
    assert VirtualKey.get_or_none(VirtualKey.name == "poor") is None
    poor["budget"] = {"limit_nanousd": 5, "window": "day"}
    made_together = api("POST", KEYS, poor).json["virtual_key"]["id"]
    assert Budget.get().scope_id == made_together
    rotated = api("POST", f"{KEYS}/{key['id']}/rotate").json
    assert rotated["secret"] != secret and rotated["virtual_key"]["previous_valid_until"]
    assert api("POST", f"{KEYS}/{key['id']}/disable").json["status"] == "disabled"
    assert api("POST", f"{KEYS}/{key['id']}/enable").json["status"] == "active"
    assert api("POST", f"{KEYS}/{key['id']}/revoke").json["status"] == "revoked"
    assert api("PATCH", f"{KEYS}/{key['id']}", {"name": "x"}).status_code == 409


def person_id(email: str) -> str:
    return str(User.get(User.email == email).id)


def test_keeping_prompts_whole_and_keys_of_others_need_permissions_of_their_own(api: Api) -> None:
    pepper = api.app.extensions["control_plane"].settings.pepper
    scopes = ("virtualKeys:create", "virtualKeys:view", "virtualKeys:update")
    new = api_keys.NewApiKey("narrow", "user", api.owner_id, "restricted", scopes)
    _, secret = api_keys.create(api.org.actor, new, pepper, NOW)
    narrow = Api(api.app, api.org, api.client, secret.reveal(), api.owner_id)
    body = {"name": "ci", "project_id": api.org.project.id, "provider_ids": [api.org.openai.id]}
    refused = narrow("POST", KEYS, body | {"config": {"capture": "raw"}})
    assert refused.status_code == 403
    assert refused.json["error"]["permission"] == "virtualKeys:capturePayload:raw"
    others = narrow("POST", KEYS, body | {"principal_user_id": person_id("dan@acme.test")})
    assert others.json["error"]["permission"] == "virtualKeys:viewOtherPersonal"
    made = narrow("POST", KEYS, body)
    assert made.status_code == 201
    raised = narrow(
        "PATCH", f"{KEYS}/{made.json['virtual_key']['id']}", {"config": {"capture": "raw"}}
    )
    assert raised.status_code == 403
