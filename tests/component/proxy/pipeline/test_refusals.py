"""Every refusal of the gateway's own: status, code, headers, and a row in the ledger when we know whose it is."""

import re
import time

import orjson
import pytest
import trio

from core.fault import Fault, Refused
from tests.component.proxy.pipeline.site import (
    KEY,
    STANDING,
    TRACE,
    Exchange,
    chat,
    message,
    site,
)
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio

DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}
REQUEST_ID = re.compile(r"req_[0-9a-f]{30}")


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_a_missing_key_is_refused_in_the_products_words(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:
        got = await (await here.post(path, body(), authorization="")).read()
        assert got.status == 401
        error = got.json["error"]
        assert got.json["type"] == "error"
        assert (error["type"], error["code"]) == ("invalid_api_key", "missing_api_key")
        assert "Authorization: Bearer" in error["message"]
        assert "x-api-key" in error["message"]
        assert got.headers["x-should-retry"] == "false"
        assert got.headers["x-langwatch-handled-error"] == "missing_api_key"
        assert set(got.headers) >= STANDING | TRACE
        assert REQUEST_ID.fullmatch(got.headers["x-langwatch-request-id"])
        assert len({got.headers[name] for name in STANDING if name.endswith("id")}) == 1
        assert here.lines == []


async def test_an_unknown_key_is_refused_and_leaves_no_row(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:
        got = await (await here.post(path, body(), authorization="Bearer nonsense")).read()
        assert (got.status, got.json["error"]["code"]) == (401, "invalid_api_key")
        wanted = {"openai": "invalid_api_key", "anthropic": "authentication_error"}[dialect]
        assert got.json["error"]["type"] == wanted
        assert set(got.headers) >= TRACE
        assert here.lines == []


@pytest.mark.parametrize(
    "header", ["authorization", "x-api-key", "x-goog-api-key", "xi-api-key", "api-key"]
)
async def test_the_key_is_taken_from_each_header(dialect, header) -> None:
    path, body = DIALECTS[dialect]
    value = f"bearer {KEY}" if header == "authorization" else KEY
    async with site() as here:
        given = {"authorization": ""} | {header: value}
        got = await (await here.post(path, body(), **given)).read()
        assert got.status == 200


async def test_the_first_header_that_holds_a_key_counts() -> None:
    async with site() as here:
        got = await (
            await here.post(
                "/v1/messages", message(), authorization="Basic abc", **{"x-api-key": KEY}
            )
        ).read()
        assert got.status == 200
        got = await (
            await here.post(
                "/v1/messages", message(), authorization="Bearer nonsense", **{"x-api-key": KEY}
            )
        ).read()
        assert got.status == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"[]", "bad_request"),
        (b'{"model":"m"', "bad_request"),
        (b'{"model":"m","messages":[]}', "bad_request"),
        (b'{"model":"m"}', "bad_request"),
        (b'{"model":"m","messages":"x"}', "bad_request"),
        (b'{"model":7,"messages":[{}]}', "bad_request"),
        (b'{"messages":[{"role":"user","content":"hi"}]}', "missing_model"),
        (b'{"model":" ","messages":[{"role":"user","content":"hi"}]}', "missing_model"),
        (b'{"model":"m","messages":' + b"[" * 100_000, "bad_request"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_and_booked(dialect, body, code) -> None:
    path, _ = DIALECTS[dialect]
    async with site() as here:
        got = await (await here.post(path, body)).read()
        assert (got.status, got.json["error"]["code"]) == (400, code)
        assert got.headers["x-should-retry"] == "false"
        assert here.fake.record.total == 0
        line = here.lines[0]
        assert line["command"] == "failSpend"
        told = line["payload"]
        assert (told["outcome"], told["code"], told["status"]) == ("refused", code, 400)
        assert (told["cost_nanousd"], told["charges"]) == (0, [])
        assert told["admission"]["virtual_key_id"] == "vk_1"
        assert told["call_id"] == got.headers["x-langwatch-request-id"]


async def test_a_spent_budget_is_a_402_that_names_it(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site(limit_nanousd=10**9, leased_nanousd=0) as here:
        here.limit.current.settled = 10**9
        got = await (await here.post(path, body())).read()
        assert got.status == 402
        error = got.json["error"]
        assert error["code"] == "budget_exceeded"
        assert error["type"] == {"openai": "budget_exceeded", "anthropic": "billing_error"}[dialect]
        assert "project:month" in error["message"]
        assert error["meta"]["budget_id"] == "bud_1"
        assert error["meta"]["budget_scope"] == "project"
        assert error["meta"]["budget_window"] == "month"
        assert error["meta"]["limit_usd"] == "1"
        assert error["tips"]
        assert error["fault"] == "customer"
        assert got.headers["x-should-retry"] == "false"
        assert got.headers["x-langwatch-budget-blocked-by"] == "project"
        assert 0 < int(got.headers["retry-after"]) <= 31 * 86_400
        assert here.fake.record.total == 0
        assert here.settled[0]["outcome"] == "refused"
        assert here.settled[0]["code"] == "budget_exceeded"


async def test_each_of_the_answers_that_a_call_asks_for_is_held_for() -> None:
    path, body = DIALECTS["openai"]
    async with site() as here:
        for more in ({}, {"n": 100}, {"n": 100, "max_tokens": 10}):
            await (await here.post(path, body(**more))).read()
        held = [n["payload"] for n in here.lines if n["command"] == "admitSpend"]
        one, hundred, short = (each["estimate_nanousd"] for each in held)
        assert 95 * one < hundred < 101 * one
        assert short < one


async def test_a_nearly_spent_budget_warns(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site(limit_nanousd=10**12) as here:
        here.limit.current.settled = 95 * 10**10
        got = await (await here.post(path, body())).read()
        assert got.status == 200
        assert got.headers["x-langwatch-budget-warning"] == "project:95"


async def test_an_unpriced_model_follows_the_budgets_choice() -> None:
    for choice, status, charges in (("flat", 200, 1), ("allow", 200, 0), ("refuse", 402, 0)):
        async with site(on_unpriced=choice) as here:
            body = chat(model="no-such-model-anywhere")
            got = await (await here.post("/v1/chat/completions", body)).read()
            assert got.status == status
            told = await here.the_settlement()
            assert len(told["charges"]) == charges


async def test_a_model_of_an_unbound_provider_is_refused_with_what_is_reachable(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:
        for model in ("bedrock/x", "gemini/x"):
            got = await (await here.post(path, body(model=model))).read()
            assert (got.status, got.json["error"]["code"]) == (400, "model_provider_not_bound")
            assert f"{dialect}/" in got.json["error"]["message"]


async def test_a_slash_that_names_no_provider_belongs_to_the_model() -> None:
    async with site() as here:
        body = chat(model="meta-llama/Llama-4")
        assert (await (await here.post("/v1/chat/completions", body)).read()).status == 200
        assert here.fake.record.calls[-1].model == "meta-llama/Llama-4"


async def test_a_key_without_a_provider_is_told_so(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site(providers=lambda _: []) as here:
        got = await (await here.post(path, body())).read()
        assert (got.status, got.json["error"]["code"]) == (400, "no_provider_configured")


async def test_a_full_ledger_stops_the_call_before_the_provider(dialect, monkeypatch) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:
        here.gateway.spool._max_bytes = 0
        got = await (await here.post(path, body())).read()
        assert (got.status, got.json["error"]["code"]) == (503, "ledger_full")
        assert got.headers["retry-after"] == "1"
        assert "x-should-retry" not in got.headers
        assert here.fake.record.total == 0
        await here.at_rest()
        assert here.limit.current.unacked == 0


async def test_a_cold_key_waits_for_the_control_plane(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:
        here.keyring.is_cold, here.keyring.opened = True, trio.Event()
        sent = await here.post(path, body())
        await trio.testing.wait_all_tasks_blocked(0.02)
        here.keyring.opened.set()
        assert (await sent.read()).status == 200


async def test_a_revoked_key_is_refused_with_its_trace(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:
        here.keyring.is_cold = True

        async def resolve(_: str) -> None:
            raise Refused(Fault.VIRTUAL_KEY_REVOKED)

        here.keyring.resolve = resolve  # type: ignore[method-assign,assignment]
        got = await (await here.post(path, body())).read()
        assert (got.status, got.json["error"]["code"]) == (403, "virtual_key_revoked")
        assert set(got.headers) >= STANDING | TRACE


async def test_a_short_slice_is_waited_for() -> None:
    async with site(leased_nanousd=0) as here:
        sent = await here.post("/v1/chat/completions", chat())
        await until(lambda: here.limit.waiting == 1)
        here.limit.current.available = 10**15
        here.gateway.holds.serve(time.time())
        assert (await sent.read()).status == 200


async def test_a_body_over_the_cap_is_413_in_our_words() -> None:
    async with site() as here:
        client = await here.front.connect()
        size = here.gateway.settings.max_body_bytes + 1
        await client.send(
            f"POST /v1/messages HTTP/1.1\r\nhost: g\r\ncontent-length: {size}\r\n\r\n".encode()
        )
        got = await Exchange(client).read()
        assert (got.status, got.json["error"]["code"]) == (413, "payload_too_large")
        assert got.json["error"]["type"] == "request_too_large"
        assert set(got.headers) >= STANDING


async def test_a_bomb_in_a_coded_body_is_413() -> None:
    import gzip

    async with site() as here:
        bomb = gzip.compress(b" " * (here.gateway.settings.max_body_bytes + 1))
        got = await (await here.post("/v1/messages", bomb, content_encoding="gzip")).read()
        assert got.status == 413
        got = await (await here.post("/v1/messages", b"x", content_encoding="zstd")).read()
        assert got.status == 400


async def test_a_mistake_of_ours_is_a_500_that_is_booked(dialect, caplog) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:

        async def explode(*_: object) -> None:
            raise ZeroDivisionError

        here.gateway.pool.send = explode  # type: ignore[method-assign]
        got = await (await here.post(path, body())).read()
        assert (got.status, got.json["error"]["code"]) == (500, "internal_error")
        assert orjson.loads(got.body)["request_id"] == got.headers["x-request-id"]
        told = await here.the_settlement()
        assert (told["outcome"], told["code"]) == ("failed", "internal_error")
        await here.at_rest()
