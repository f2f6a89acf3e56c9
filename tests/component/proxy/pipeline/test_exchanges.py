"""Whole calls in both dialects: bytes pass, usage is booked, keys are swapped."""

import gzip
import hashlib
import zlib

import brotli
import pytest

from tests.component.proxy.pipeline.site import (
    ANTHROPIC_KEY,
    KEY,
    OPENAI_KEY,
    Exchange,
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


async def test_a_plain_call_passes_and_is_booked(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        sent = await here.post(path, ask(), x_fake_behaviour="prompt=40,completion=9")
        got = await sent.read()
        assert got.status == 200
        call = here.fake.record.calls[-1]
        assert hashlib.sha256(got.body).hexdigest() == call.answer_sha256
        seen = {name.lower(): value for name, value in call.headers}
        wanted = {"openai": f"Bearer {OPENAI_KEY}", "anthropic": ANTHROPIC_KEY}[dialect]
        assert seen["authorization" if dialect == "openai" else "x-api-key"] == wanted
        assert KEY not in str(call.headers)
        told = await here.the_settlement()
        assert told["outcome"] == "completed"
        assert (told["input_tokens"], told["output_tokens"]) == (40, 9)
        assert told["cost_nanousd"] > 0
        assert told["is_estimated"] is False
        await here.at_rest()
        assert here.limit.current.unacked == told["cost_nanousd"]


async def test_a_stream_passes_byte_for_byte_and_is_booked(dialect) -> None:
    path, ask = DIALECTS[dialect]
    options = {"stream_options": {"include_usage": True}} if dialect == "openai" else {}
    async with site() as here:
        script = "chunks=12,split=15+80,prompt=40,completion=9,cached=25"
        sent = await here.post(path, ask(stream=True, **options), x_fake_behaviour=script)
        got = await sent.read()
        call = here.fake.record.calls[-1]
        assert hashlib.sha256(got.body).hexdigest() == call.answer_sha256
        told = await here.the_settlement()
        assert told["outcome"] == "completed"
        assert told["output_tokens"] == 9
        assert told["cache_read_tokens"] == 25
        assert told["input_tokens"] == (15 if dialect == "openai" else 40)
        assert told["first_byte_ms"] is not None
        await here.at_rest()


async def test_the_body_and_query_reach_the_provider_as_sent(dialect) -> None:
    path, _ask = DIALECTS[dialect]
    body = b' {"messages" : [{"role":"user","content":"\\u00e4 \xc3\xa4"}],\n "model":"m-1", "new_field": [1.0e2]} '
    async with site() as here:
        got = await (await here.post(f"{path}?beta=true", body, anthropic_beta="a,b")).read()
        assert got.status == 200
        call = here.fake.record.calls[-1]
        assert call.target == f"{path}?beta=true"
        assert call.body_sha256 == hashlib.sha256(body).hexdigest()
        assert ["anthropic-beta", "a,b"] in call.headers


async def test_credentials_and_our_own_headers_stop_at_the_gateway(dialect) -> None:
    path, ask = DIALECTS[dialect]
    ours = {
        "x-api-key": KEY,
        "api-key": KEY,
        "x-goog-api-key": KEY,
        "xi-api-key": KEY,
        "x-langwatch-cache": "respect",
        "x-litellm-end-user-id": "u",
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "cookie": "a=b",
        "x-forwarded-for": "1.2.3.4",
        "accept-encoding": "gzip, br",
        "connection": "keep-alive, x-hop",
        "x-hop": "1",
        "x-kept": "yes",
    }
    async with site() as here:
        got = await (await here.post(path, ask(), **ours)).read()
        assert got.status == 200
        seen = {name.lower(): value for name, value in here.fake.record.calls[-1].headers}
        credential = {"authorization"} if dialect == "openai" else {"x-api-key"}
        expected = {"host", "content-length", "accept-encoding", "x-kept"} | credential
        if dialect == "anthropic":
            expected.add("anthropic-version")
        assert set(seen) == expected
        assert seen["accept-encoding"] == "identity"
        assert got.headers["traceparent"].startswith("00-" + "a" * 32)
        told = here.lines[0]["payload"]
        assert told["trace_id"] == "a" * 32
        assert told["parent_span_id"] == "b" * 16


async def test_usage_that_only_the_gateway_asked_for_stays_hidden() -> None:
    async with site() as here:
        script = "chunks=6,split=20,prompt=40,completion=9"
        sent = await here.post("/v1/chat/completions", chat(stream=True), x_fake_behaviour=script)
        got = await sent.read()
        assert (
            b'"stream_options":{"include_usage":true}' in here.fake.record.calls[-1].body.encode()
        )
        assert b'"usage"' not in got.body
        assert got.body.endswith(b"data: [DONE]\n\n")
        assert got.body.count(b"data: ") == 9
        told = await here.the_settlement()
        assert (told["input_tokens"], told["output_tokens"]) == (40, 9)
        assert told["is_estimated"] is False


async def test_an_explicit_no_to_usage_is_honoured_and_estimated() -> None:
    async with site() as here:
        body = chat(stream=True, stream_options={"include_usage": False})
        got = await (await here.post("/v1/chat/completions", body)).read()
        assert got.status == 200
        told = await here.the_settlement()
        assert told["outcome"] == "completed"
        assert told["is_estimated"] is True
        assert told["output_tokens"] > 0


async def test_a_named_provider_gets_the_models_own_name(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        for prefix in (dialect, f"{dialect}-main"):
            got = await (await here.post(path, ask(model=f"{prefix}/the-model"))).read()
            assert got.status == 200
            assert here.fake.record.calls[-1].model == "the-model"
            assert got.headers["x-langwatch-model"] == "the-model"
        assert here.lines[0]["payload"]["requested_model"] == f"{dialect}/the-model"


async def test_an_upstream_error_is_forwarded_word_for_word(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        script = "status=429,retry_after=7,should_retry=false"
        got = await (await here.post(path, ask(), x_fake_behaviour=script)).read()
        assert got.status == 429
        assert hashlib.sha256(got.body).hexdigest() == here.fake.record.calls[-1].answer_sha256
        assert got.headers["retry-after"] == "7"
        assert got.headers["x-should-retry"] == "false"
        assert got.headers["x-langwatch-provider"] == dialect
        assert "x-langwatch-handled-error" not in got.headers
        told = await here.the_settlement()
        assert (told["outcome"], told["code"], told["status"]) == ("failed", "429", 429)
        assert told["cost_nanousd"] == 0


async def test_a_compressed_answer_passes_and_is_still_read(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        script = "gzip=force,prompt=40,completion=9"
        for body in (ask(), ask(stream=True)):
            got = await (await here.post(path, body, x_fake_behaviour=script)).read()
            assert got.headers["content-encoding"] == "gzip"
            data = zlib.decompress(got.body, 31)
            assert hashlib.sha256(data).hexdigest() == here.fake.record.calls[-1].answer_sha256
        await here.at_rest()
        assert [told["output_tokens"] for told in here.settled] == [9, 9]


async def test_counting_tokens_costs_nothing_and_leaves_a_row() -> None:
    async with site() as here:
        got = await (await here.post("/v1/messages/count_tokens?beta=true", message())).read()
        assert got.status == 200
        assert "input_tokens" in got.json
        told = await here.the_settlement()
        assert told["outcome"] == "completed"
        assert told["cost_nanousd"] == 0
        assert told["charges"] == []
        assert here.lines[0]["payload"]["request_type"] == "count_tokens"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
async def test_a_coded_request_body_is_decoded_at_the_edge(coding) -> None:
    data = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    coded = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}[coding](data)
    async with site() as here:
        got = await (await here.post("/v1/chat/completions", coded, content_encoding=coding)).read()
        assert got.status == 200
        assert here.fake.record.calls[-1].body == data.decode()
        assert "content-encoding" not in dict(here.fake.record.calls[-1].headers)


async def test_the_first_event_is_not_held_for_the_second(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        sent = await here.post(path, ask(stream=True), x_fake_behaviour="chunks=3,hang_after=2")
        await sent.client.until(b"data: ")
        assert here.settled == []


async def test_requests_on_one_connection_are_served_in_turn(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        client = await here.front.connect()
        ids = set()
        for number in range(20):
            await client.send(request(path, ask(stream=number % 2 == 0)))
            got = await Exchange(client).read()
            assert got.status == 200
            ids.add(got.headers["x-langwatch-request-id"])
        await here.at_rest()
        assert len(ids) == 20
        assert {told["call_id"] for told in here.settled} == ids
        assert here.gateway.pool.open_count == 1
