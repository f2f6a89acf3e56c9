"""Ways around the counting and the checking that a request or a provider might try, one by one."""

import gzip

import orjson
import pytest

from tests.component.proxy.pipeline.site import KEY, binding, chat, request, site
from tests.component.proxy.pipeline.test_injection import before

pytestmark = pytest.mark.trio
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
ASKED = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


async def test_a_providers_refusal_does_not_tell_the_callers_its_key() -> None:
    said = b'{"error":{"message":"Incorrect API key provided: sk-provider-openai","type":"x"}}'
    answer = b"HTTP/1.1 401 U\r\ncontent-type: application/json\r\nx-echo: Bearer %b\r\n"
    answer = answer % b"sk-provider-openai" + b"content-length: %d\r\n\r\n" % len(said) + said
    async with before(answer) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.headers["x-echo"]) == (401, "Bearer " + "*" * 18)
        assert got.body == said.replace(b"sk-provider-openai", b"*" * 18)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("fields=candidates", ""),
        ("%24fields=candidates&alt=sse", "?alt=sse"),
        ("alt=proto", ""),
        ("$alt=json;enum-encoding=int&callback=x", "?$alt=json;enum-encoding=int"),
        ("access_token=t&prettyPrint=false", "?prettyPrint=false"),
    ],
)
async def test_google_is_not_asked_for_less_than_what_is_counted(query, sent) -> None:
    async with site(providers=lambda port: [binding("gemini", port)]) as here:
        hiding = {"x_goog_fieldmask": "candidates", "x_http_method_override": "DELETE"}
        await (await here.post(f"{GENERATE}?{query}", ASKED, **hiding)).read()
        call = here.fake.record.calls[-1]
        assert call.target == GENERATE + sent
        assert not {"x-goog-fieldmask", "x-http-method-override"} & {n for n, _ in call.headers}
        assert (await here.the_settlement())["is_estimated"] is False


async def test_nothing_is_unpacked_for_whoever_has_no_key() -> None:
    async with site() as here:
        for key in ("", f"Bearer {KEY[:-1]}W"):
            sent = await here.post(
                "/v1/chat/completions", b"no gzip", content_encoding="gzip", authorization=key
            )
            assert (await sent.read()).status == 401
        got = await (
            await here.post("/v1/chat/completions", b"no gzip", content_encoding="gzip")
        ).read()
        assert (got.status, got.json["error"]["code"]) == (400, "bad_request")
        assert (await here.the_settlement())["outcome"] == "refused"


async def test_a_long_body_is_taken_from_whoever_has_a_key_only() -> None:
    async with site() as here:
        body = orjson.dumps(chat(messages=[{"role": "user", "content": "x" * 3_000_000}]))
        for path in ("/v1/chat/completions", "/v1/messages"):
            client = await here.front.connect()
            whole = request(path, body, authorization="")
            await client.send(whole[:200_000])
            status, headers, _ = await client.answer()
            assert (status, headers[b"connection"]) == (401, b"close")
            assert b"traceparent" in headers
        packed = gzip.compress(body)
        for sent in (body, packed):
            coding = {"content_encoding": "gzip"} if sent is packed else {}
            got = await (await here.post("/v1/chat/completions", sent, **coding)).read()
            assert got.status == 200
            assert here.fake.record.calls[-1].body_bytes == len(body)
