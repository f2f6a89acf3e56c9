"""Ways around the counting and the checking that a request or a provider might try, one by one."""

import gzip
from copy import copy

import orjson
import pytest

from tests.component.proxy.pipeline.site import KEY, binding, chat, message, request, site
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


FORMS = (
    "application/x-www-form-urlencoded",
    "Multipart/form-data; boundary=b",
    "application/json; charset=utf-7",
    "application/json;charset=UTF-16",
)


async def test_a_body_that_is_judged_as_json_goes_by_no_other_name() -> None:
    async with site() as here:
        for told in (*FORMS, "application/json; Charset=UTF-8", "text/plain"):
            got = await (await here.post("/v1/messages", message(), content_type=told)).read()
            assert got.status == 200
            sent = [v for n, v in here.fake.record.calls[-1].headers if n == "content-type"]
            assert sent == ["application/json" if told in FORMS else told]
        client = await here.front.connect()
        twice = "application/json\r\ncontent-type: multipart/form-data; boundary=b"
        await client.send(request("/v1/messages", message(), content_type=twice))
        assert (await client.answer())[0] == 400


async def test_half_a_character_in_an_answer_is_no_reason_to_break_it_off() -> None:
    said = b'{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}'
    done = b'{"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}'
    stream = b"data: %b\n\ndata: %b\n\ndata: [DONE]\n\n" % (said, done)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    whole = said.replace(b"delta", b"message")[:-1] + done[9:].replace(b'"choices":[]', b'"x":1')
    for media, body in ((b"text/event-stream", stream), (b"application/json", whole)):
        async with before(head % (media, len(body)) + body) as here:
            asked = chat(
                stream=media != b"application/json", stream_options={"include_usage": True}
            )
            got = await (await here.post("/v1/chat/completions", asked)).read()
            assert (got.status, got.body) == (200, body)
            row = await here.the_settlement()
            assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == (
                "completed",
                5,
                6,
            )


async def test_both_secrets_of_a_key_in_rotation_keep_what_was_worked_out_for_them() -> None:
    async with site() as here:
        new, old = here.keyring.bundle, copy(here.keyring.bundle)
        plans = here.gateway.plans
        first = [plans.of(new), plans.of(old)]
        assert [plans.of(new), plans.of(old), plans.of(new)] == [*first, first[0]]
        assert plans.of(copy(new)) not in first


async def test_of_several_keys_the_first_place_counts_and_none_goes_on() -> None:
    other = "lw_vk_live_01ARZ3NDEKTSV4RRFFQ69G5FAX"
    spare = dict.fromkeys(("x_api_key", "x_goog_api_key", "api_key", "xi_api_key"), other)
    async with site() as here:
        for path, body in (("/v1/messages", message()), ("/v1/chat/completions", chat())):
            got = await (await here.post(f"{path}?key={other}&%6Bey={KEY}", body, **spare)).read()
            assert got.status == 200
            call = here.fake.record.calls[-1]
            assert not any(
                key in str((call.target, call.headers, call.body)) for key in (KEY, other)
            )
            swapped = {"authorization": f"bearer {other}", "x_api_key": KEY}
            got = await (await here.post(f"{path}?key={KEY}", body, **swapped)).read()
            assert got.status == 401
            assert other.encode() not in got.body
            basic = {"authorization": "Basic eDp5", "x_api_key": KEY}
            assert (await (await here.post(path, body, **basic)).read()).status == 200
        assert other not in str(here.lines)
