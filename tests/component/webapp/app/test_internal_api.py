"""The internal API: signatures, keys, bundles, leases and records, on both databases."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from werkzeug.test import TestResponse

from core.authoring import budgets, providers, routing_policies, virtual_keys
from core.authoring.budgets import NewBudget
from core.authoring.providers import NewProvider
from core.authoring.routing_policies import NewRoutingPolicy
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import to_ms, utcnow
from core.models import InboxRow, LedgerRow, Provider, VirtualKey
from core.secrets import Secret, sealer_for, sign_request
from rules.windows import Window, period
from tests.component.core.authoring.acme import VIRTUAL_KEY
from tests.component.webapp.app.program import BASE, INTERNAL_SECRET, signed
from tests.component.webapp.app.site import Site, site
from tests.statements import counted

VECTOR_SECRET = "shared-test-secret-32byteslong!!"
VECTOR_TIME = "1734567890"


def gateway_site(tmp_path: Path, **variables: str) -> Site:
    return site(tmp_path, LW_GATEWAY_INTERNAL_SECRET=INTERNAL_SECRET.reveal(), **variables)


def key_of(made: Site, secret: str = VIRTUAL_KEY, **values: Any) -> VirtualKey:
    org, settings = made.org, made.app.extensions["settings"]
    new = NewVirtualKey(
        "dev", org.project.id, (org.openai.id, org.anthropic.id), org.ada.id, **values
    )
    return virtual_keys.create(org.actor, new, settings.pepper, utcnow(), Secret(secret))[0]


def post(made: Site, path: str, body: object) -> TestResponse:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    path = f"{BASE}{path}"
    return made.app.test_client().post(path, data=data, headers=signed("POST", path, data))


def get(made: Site, path: str, query: str = "", **headers: str) -> TestResponse:
    path = f"{BASE}{path}"
    return made.app.test_client().get(f"{path}?{query}", headers=signed("GET", path) | headers)


def resolve(made: Site, presented: str = VIRTUAL_KEY) -> TestResponse:
    return post(made, "/resolve-key", {"key_presented": presented, "gateway_node_id": "gw-a"})


def code_of(answer: TestResponse) -> str:
    return str(answer.json["error"]["code"])


@pytest.mark.parametrize(
    ("presented", "signature"),
    [
        ("lw_vk_live_01HZX", "4e4c8634b10a7ef719cf6d56b89b7f44a5ac7544c03d98ef132b79d36a1a6a1f"),
        ("vk-lw-01HZX", "a73842ca249456600ab7752cc709e42c2b5ff2ca12f5b9f45f56ba873590c4e5"),
    ],
)
@pytest.mark.usefixtures("sqlite_db")
def test_knows_the_published_signatures(tmp_path: Path, presented: str, signature: str) -> None:
    made = site(tmp_path, LW_GATEWAY_INTERNAL_SECRET=VECTOR_SECRET)
    path = f"{BASE}/resolve-key"
    body = b'{"key_presented":"%b","gateway_node_id":"gw-a"}' % presented.encode()
    assert sign_request(Secret(VECTOR_SECRET), "POST", path, VECTOR_TIME, body) == signature
    headers = {
        "X-LangWatch-Gateway-Signature": signature,
        "X-LangWatch-Gateway-Timestamp": VECTOR_TIME,
    }
    answer = made.app.test_client().post(path, data=body, headers=headers)
    # The signature is right; only the moment is long past.
    assert (answer.status_code, code_of(answer)) == (401, "timestamp_out_of_window")


@pytest.mark.usefixtures("sqlite_db")
def test_refuses_calls_that_are_not_signed_rightly(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    client, path = made.app.test_client(), f"{BASE}/health"
    assert client.get(path, headers=signed("GET", path)).json == {"status": "ok"}
    right = signed("GET", path)
    cases = [
        ({}, "missing_signature"),
        (right | {"X-LangWatch-Gateway-Timestamp": ""}, "missing_signature"),
        (right | {"X-LangWatch-Gateway-Signature": "0" * 64}, "invalid_signature"),
        (right | {"X-LangWatch-Gateway-Signature": "é"}, "invalid_signature"),
        (signed("POST", path), "invalid_signature"),
        (signed("GET", path, b"other body"), "invalid_signature"),
        (signed("GET", path, at=time.time() - 302), "timestamp_out_of_window"),
        (signed("GET", path, at=time.time() + 302), "timestamp_out_of_window"),
    ]
    for headers, code in cases:
        answer = client.get(path, headers=headers)
        assert (answer.status_code, code_of(answer)) == (401, code)


@pytest.mark.usefixtures("sqlite_db")
def test_accepts_the_secret_before_a_rotation(tmp_path: Path) -> None:
    made = site(
        tmp_path,
        LW_GATEWAY_INTERNAL_SECRET="a new secret of more than 32 characters",
        LW_GATEWAY_INTERNAL_SECRET_PREVIOUS=INTERNAL_SECRET.reveal(),
    )
    assert get(made, "/health").status_code == 200


@pytest.mark.usefixtures("db")
def test_resolves_a_key_to_claims_and_bundle(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    org, settings = made.org, made.app.extensions["settings"]
    key = key_of(made, tags=("team-a",))
    for scope, scope_id in (
        ("organization", org.organization.id),
        ("team", org.team.id),
        ("project", org.project.id),
        ("virtual_key", key.id),
        ("principal", org.ada.id),
        ("principal", made.member.id),
    ):
        name = f"{scope} {scope_id}"
        # The member has no key yet, so this budget counts nobody's calls for now.
        new = NewBudget(name, scope, scope_id, "month", 10**9, allow_unreachable=True)
        budgets.create(org.actor, new, utcnow())
    answer = resolve(made)
    assert answer.status_code == 200
    body = answer.json
    assert (body["key_id"], body["revision"]) == (key.id, 1)
    assert body["display_prefix"] == "lw_vk_live_01ARZ3"
    config = body["config"]
    assert [p["name"] for p in config["providers"]] == ["openai-main", "anthropic-main"]
    assert config["providers"][0]["base_url"] == "https://api.openai.com/v1"
    assert config["providers"][1]["settings"] == {}
    sealer = sealer_for(settings.internal_secret, "bundle")
    opened = sealer.open(config["providers"][0]["credential"], f"provider:{org.openai.id}")
    assert opened.reveal() == "sk-up"
    assert "sk-up" not in answer.text
    scopes = sorted(b["scope"] for b in config["budgets"])
    assert scopes == ["organization", "principal", "project", "team", "virtual_key"]
    start, _ = period(Window.MONTH, utcnow())
    assert config["budgets"][0]["period_start_ms"] == to_ms(start)
    claims = jwt.decode(
        body["jwt"],
        settings.jwt_secret.reveal(),
        algorithms=["HS256"],
        audience="langwatch-gateway",
        issuer="langwatch-control-plane",
    )
    assert claims["org_id"] == claims["organization_id"] == org.organization.id
    assert (claims["team_id"], claims["principal_id"]) == (org.team.id, org.ada.id)
    assert 890 <= claims["exp"] - claims["iat"] <= 900


@pytest.mark.usefixtures("db")
def test_a_key_without_budgets_is_resolved_in_eleven_statements(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    key_of(made)
    with counted() as statements:
        assert resolve(made).status_code == 200
    assert len(statements.all()) == 11


@pytest.mark.usefixtures("sqlite_db")
def test_a_text_that_is_no_key_is_refused_without_a_statement(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    with counted() as statements:
        for presented in ("lw_vk_live_short", "sk-ant-whatever", "lw_vk_live_" + "I" * 26, "\x00"):
            answer = resolve(made, presented)
            assert (answer.status_code, code_of(answer)) == (401, "invalid_api_key")
        answer = post(made, "/resolve-key", {"gateway_node_id": "gw-a"})
        assert (answer.status_code, code_of(answer)) == (400, "missing_key_presented")
        assert post(made, "/resolve-key", b"not json").status_code == 400
    assert statements.all() == []


@pytest.mark.usefixtures("db")
def test_refuses_keys_that_may_not_be_used_and_says_why(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    org = made.org
    unknown = resolve(made)
    assert (unknown.status_code, code_of(unknown)) == (401, "invalid_api_key")
    key = key_of(made, expires_at=utcnow() + timedelta(hours=1))
    virtual_keys.disable(org.actor, key.id, utcnow())
    assert (resolve(made).status_code, code_of(resolve(made))) == (403, "virtual_key_disabled")
    virtual_keys.enable(org.actor, key.id, utcnow())
    assert resolve(made).status_code == 200
    VirtualKey.update(expires_at=utcnow()).where(VirtualKey.id == key.id).execute()
    assert (resolve(made).status_code, code_of(resolve(made))) == (403, "virtual_key_expired")
    virtual_keys.revoke(org.actor, key.id, utcnow())
    assert (resolve(made).status_code, code_of(resolve(made))) == (403, "virtual_key_revoked")


@pytest.mark.usefixtures("sqlite_db")
def test_claims_end_with_the_key(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    expires_at = utcnow() + timedelta(minutes=5)
    key_of(made, expires_at=expires_at)
    claims = jwt.decode(resolve(made).json["jwt"], options={"verify_signature": False})
    assert claims["exp"] == to_ms(expires_at) // 1000
    assert claims["vk_expires_at"] == to_ms(expires_at)


@pytest.mark.usefixtures("db")
def test_a_bundle_is_fetched_again_only_when_it_changed(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    key = key_of(made)
    first = get(made, f"/config/{key.id}")
    assert first.json["vk_id"] == key.id
    assert first.headers["Cache-Control"] == "no-store"
    match = {"If-None-Match": first.headers["ETag"]}
    assert get(made, f"/config/{key.id}", **match).status_code == 304
    sealer = made.app.extensions["control_plane"].sealer
    changed = NewProvider("openai-main", "openai", "https://eu.api.openai.com/v1", Secret("sk-up"))
    providers.update(made.org.actor, made.org.openai.id, changed, sealer, utcnow())
    again = get(made, f"/config/{key.id}", **match)
    assert again.status_code == 200
    assert again.json["providers"][0]["base_url"] == "https://eu.api.openai.com/v1"
    assert again.json["providers"][0]["credential"] is not None
    assert get(made, "/config/vk_none").status_code == 404


@pytest.mark.usefixtures("sqlite_db")
def test_a_provider_whose_credential_cannot_be_opened_is_left_out(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    key_of(made)
    foreign = sealer_for(Secret("another master key")).seal(
        "sk-up", f"provider:{made.org.openai.id}"
    )
    Provider.update(sealed_credential=foreign).where(Provider.id == made.org.openai.id).execute()
    assert [p["name"] for p in resolve(made).json["config"]["providers"]] == ["anthropic-main"]


@pytest.mark.usefixtures("db")
def test_the_feed_starts_at_the_present_and_continues_from_there(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    present = get(made, "/changes").json
    assert present["changes"] == []
    key = key_of(made)
    answer = get(made, "/changes", f"since={present['current_revision']}&timeout_s=5").json
    assert [c["kind"] for c in answer["changes"]] == ["VK_CREATED"]
    assert answer["changes"][0]["virtual_key_id"] == key.id
    assert answer["current_revision"] == answer["changes"][-1]["revision"]
    assert get(made, "/changes", "since=-1").status_code == 400
    assert get(made, "/changes", "since=x").status_code == 400


@pytest.mark.usefixtures("db")
def test_lends_books_and_releases(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    org, now = made.org, utcnow()
    key = key_of(made)
    budget = budgets.create(
        org.actor, NewBudget("b", "organization", org.organization.id, "month", 1000), now
    )
    start_ms = to_ms(period(Window.MONTH, now)[0])
    at = {"limit_id": budget.id, "period_start_ms": start_ms}
    want = [{**at, "amount": 600, "urgent": False}]
    lent = post(made, "/leases", {"owner": "w1", "want": want, "give_back": []}).json
    assert lent["leases"][0] | at == lent["leases"][0]
    assert lent["leases"][0]["granted"] == 600
    assert lent["expires_at_ms"] > to_ms(now)
    booked = post(made, "/spend-commands", batch(made, key.id, [[budget.id, start_ms]])).json
    assert booked == {"accepted": 3, "rejected": [{"index": 2, "code": "invalid_payload"}]}
    assert LedgerRow.get_by_id("req_1").cost_nanousd == 250
    assert InboxRow.select().count() == 1
    again = post(made, "/spend-commands", batch(made, key.id, [[budget.id, start_ms]])).json
    assert again["accepted"] == 3
    assert InboxRow.select().count() == 1
    read = post(made, "/leases", {"owner": "w2", "want": [{**at, "amount": 0}]}).json
    assert read["leases"][0]["settled"] == 250
    assert read["leases"][0]["leased"] == 350
    assert post(made, "/leases/release", {"owner": "w1"}).status_code == 200
    read = post(made, "/leases", {"owner": "w2", "want": [{**at, "amount": 0}]}).json
    assert read["leases"][0]["leased"] == 0
    negative = [{**at, "amount": -5}]
    assert post(made, "/leases", {"owner": "w2", "want": negative}).status_code == 400


def batch(made: Site, key_id: str, charges: list[list[object]]) -> dict[str, object]:
    now_ms = to_ms(utcnow())
    admit = {
        "call_id": "req_1",
        "admitted_at_ms": now_ms,
        "organization_id": made.org.organization.id,
        "project_id": made.org.project.id,
        "team_id": made.org.team.id,
        "virtual_key_id": key_id,
        "request_type": "chat",
        "model": "a model\x00with a NUL",
        "charges": charges,
    }
    confirm = {
        "call_id": "req_1",
        "settled_at_ms": now_ms,
        "outcome": "completed",
        "cost_nanousd": 250,
        "charges": charges,
        "owner": "w1",
    }
    beyond = admit | {"call_id": "req_2", "admitted_at_ms": 2**63}
    return {
        "worker": "w1",
        "commands": [
            {"command": "admitSpend", "payload": admit},
            {"command": "confirmSpend", "payload": confirm},
            {"command": "admitSpend", "payload": beyond},
            {"command": "confirmSpend", "payload": confirm},
        ],
    }


@pytest.mark.usefixtures("sqlite_db")
def test_refuses_batches_of_no_or_too_many_records(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    assert post(made, "/spend-commands", {"worker": "w", "commands": []}).status_code == 400
    many = {"worker": "w", "commands": [{}] * 2001}
    assert post(made, "/spend-commands", many).status_code == 400
    assert post(made, "/spend-commands", b"[]").status_code == 400


@pytest.mark.usefixtures("db")
def test_a_bundle_names_the_routing_policy_and_its_tag_changes_with_it(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    org, key = made.org, key_of(made)
    assert resolve(made).json["config"]["routing_policy"] is None
    path = f"/config/{key.id}"
    tag = get(made, path).headers["ETag"]
    new = NewRoutingPolicy(
        "coding",
        "project",
        org.project.id,
        (org.anthropic.id,),
        strategy="cost",
        models_allowed=("claude-*",),
        model_aliases={"fast": "anthropic/claude-haiku-4-5"},
        is_default=True,
    )
    row = routing_policies.create(org.actor, new, utcnow())
    answer = get(made, path, **{"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json["routing_policy"] == {
        "id": row.id,
        "name": "coding",
        "strategy": "cost",
        "provider_ids": [org.anthropic.id],
        "models_allowed": ["claude-*"],
        "model_aliases": {"fast": "anthropic/claude-haiku-4-5"},
    }
    tag = answer.headers["ETag"]
    assert get(made, path, **{"If-None-Match": tag}).status_code == 304
    routing_policies.archive(org.actor, row.id, utcnow())
    assert get(made, path, **{"If-None-Match": tag}).json["routing_policy"] is None
