"""What the gateway answers itself: greetings, probes, model lists, the sandbox, and what it does not have."""

import time

import pytest

from tests.component.proxy.pipeline.site import (
    KEY,
    STANDING,
    TRACE,
    Exchange,
    ask,
    binding,
    chat,
    message,
    request,
    site,
)

pytestmark = pytest.mark.trio

DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(
    "target", ["/nope", "/v1/nope", "/v1/chat/completions/", "/api/v1/x", "/v1"]
)
async def test_a_path_outside_the_table_is_404(target) -> None:
    async with site() as here:
        got = await ask(here, "GET", target, authorization=f"Bearer {KEY}")
        assert (got.status, got.json["error"]["code"]) == (404, "not_found")
        assert set(got.headers) >= STANDING


async def test_a_wrong_method_is_405_and_names_the_right_one() -> None:
    async with site() as here:
        got = await ask(here, "GET", "/v1/chat/completions")
        assert (got.status, got.headers["allow"]) == (405, "POST")
        got = await ask(here, "DELETE", "/healthz")
        assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")


async def test_a_websocket_handshake_is_sent_to_http() -> None:
    async with site() as here:
        got = await ask(here, "GET", "/v1/responses", connection="Upgrade", upgrade="websocket")
        assert got.status == 426


@pytest.mark.parametrize("target", ["/", "/api/hello"])
async def test_a_greeting_needs_no_key(target) -> None:
    async with site() as here:
        for method in ("HEAD", "GET"):
            got = await ask(here, method, target)
            assert got.status == 200
            assert set(got.headers) >= STANDING


async def test_the_alias_prefix_is_the_same_route() -> None:
    async with site() as here:
        got = await (await here.post("/api/v1/chat/completions", chat())).read()
        assert got.status == 200
        assert here.fake.record.calls[-1].target == "/v1/chat/completions"


async def test_probes_tell_start_and_drain_apart() -> None:
    async with site() as here:
        ready = here.gateway.readiness
        ready.started = False
        got = await ask(here, "GET", "/startupz")
        assert got.status == 503
        assert got.json == {"status": "degraded", "checks": {"control_plane_reachable": "ok"}}
        assert (await ask(here, "GET", "/healthz")).status == 200
        assert (await ask(here, "GET", "/readyz")).json["status"] == "starting"
        ready.started = True
        for target in ("/startupz", "/readyz", "/healthz", "/health"):
            got = await ask(here, "GET", target)
            assert (got.status, got.json["status"]) == (200, "ok")
            assert set(got.headers) >= STANDING
        ready.draining = True
        assert (await ask(here, "GET", "/readyz")).status == 503
        assert (await ask(here, "GET", "/healthz")).status == 200
        ready.answered_s = lambda: time.monotonic() - 90
        got = await ask(here, "GET", "/health")
        assert (got.status, got.json["checks"]["control_plane"]) == (503, "unreachable for 90s")


async def test_model_lists_speak_the_callers_dialect() -> None:
    def three(port: int) -> list:
        return [binding("openai", port, "/v1"), binding("anthropic", port), binding("sandbox", 0)]

    async with site(providers=three) as here:
        key = f"Bearer {KEY}"
        got = await ask(here, "GET", "/v1/models", authorization=key)
        names = [row["id"] for row in got.json["data"]]
        assert names == sorted(set(names))
        assert {"openai/*", "anthropic/*", "sandbox/*", "sandbox-small", "gpt-4o"} <= set(names)
        assert got.json["object"] == "list"
        assert set(got.headers) >= TRACE
        one = await ask(here, "GET", "/v1/models/gpt-4o", authorization=key)
        assert one.json == {"id": "gpt-4o", "object": "model", "created": 0, "owned_by": "openai"}
        gone = await ask(here, "GET", "/v1/models/nope", authorization=key)
        assert gone.status == 404
        page = await ask(
            here, "GET", "/v1/models?limit=3", authorization=key, anthropic_version="2023-06-01"
        )
        assert [row["id"] for row in page.json["data"]] == names[:3]
        assert page.json["has_more"] is True
        after = page.json["last_id"].replace("*", "%2A").replace("/", "%2F")
        rest = await ask(
            here,
            "GET",
            f"/v1/models?limit=1000&after_id={after}",
            authorization=key,
            anthropic_version="2023-06-01",
        )
        assert [row["id"] for row in rest.json["data"]] == names[3:]
        assert (await ask(here, "GET", "/v1/models")).status == 401
        assert here.lines == []


async def test_the_sandbox_answers_in_both_dialects(dialect) -> None:
    path, body = DIALECTS[dialect]
    async with site(providers=lambda _: [binding("sandbox", 0)]) as here:
        plain = await (await here.post(path, body(model="sandbox-small"))).read()
        assert b"[sandbox]" in plain.body
        client = await here.front.connect()
        await client.send(request(path, body(model="sandbox-small", stream=True)))
        streamed = await Exchange(client).read()
        assert b"[sandbox]" in streamed.body
        assert streamed.headers["x-langwatch-provider"] == "sandbox"
        await here.at_rest()
        first, second = here.settled
        assert first["outcome"] == second["outcome"] == "completed"
        assert first["output_tokens"] > 0
        assert first["cost_nanousd"] > 0
        assert first["price_source"] == "sandbox"
        if dialect == "anthropic":
            counted = await (await here.post("/v1/messages/count_tokens", body())).read()
            assert counted.json["input_tokens"] > 0
