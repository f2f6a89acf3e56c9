"""Cache modes and kept answers through sockets: what the provider gets, what the client is told, what is booked."""

import hashlib

import orjson
import pytest

from tests.component.proxy.pipeline.site import binding, chat, message, site

pytestmark = pytest.mark.trio

MARKED = message(
    system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    messages=[
        {
            "role": "user",
            "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}],
        }
    ],
    tools=[
        {"name": "t", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
    ],
)
RULE = {"id": "cacherule_1", "priority": 100, "mode": "disable", "matchers": {"model": "claude-*"}}


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def sent_and_got(here, body: bytes, path: str = "/v1/messages", **headers: str):
    got = await (await here.post(path, body, **headers)).read()
    return here.fake.record.calls[-1].body_sha256 if here.fake.record.calls else "", got


@pytest.mark.parametrize("header", ["", "respect"])
async def test_respect_changes_no_byte(header) -> None:
    async with site() as here:
        body = orjson.dumps(MARKED)
        sent, got = await sent_and_got(here, body, x_langwatch_cache=header)
        assert sent == sha(body)
        assert got.headers["x-langwatch-cache-mode"] == "respect"
        assert got.headers["x-langwatch-cache"] == "miss"
        assert "facts" not in await here.the_settlement()


async def test_disable_takes_every_marker_out() -> None:
    async with site() as here:
        body = orjson.dumps(MARKED)
        sent, got = await sent_and_got(here, body, x_langwatch_cache="disable")
        assert sent == sha(body.replace(b',"cache_control":{"type":"ephemeral"}', b""))
        assert got.headers["x-langwatch-cache-mode"] == "disable"
        assert got.headers["x-langwatch-cache"] == "bypass"
        assert (await here.the_settlement())["facts"] == {"cache_mode": "disable"}


async def test_force_marks_the_prompt_of_a_caller_who_marked_nothing() -> None:
    async with site() as here:
        body = orjson.dumps(message(system="be kind"))
        sent, got = await sent_and_got(here, body, x_langwatch_cache="force")
        mark = b'"cache_control":{"type":"ephemeral"}'
        expected = body.replace(b'"be kind"', b'[{"type":"text","text":"be kind",%b}]' % mark)
        expected = expected.replace(b'"hello"', b'[{"type":"text","text":"hello",%b}]' % mark)
        assert sent == sha(expected)
        assert got.headers["x-langwatch-cache"] == "force"
        sent, got = await sent_and_got(here, orjson.dumps(MARKED), x_langwatch_cache="force")
        assert sent == sha(orjson.dumps(MARKED))


async def test_force_and_disable_change_nothing_in_openais_dialect_but_are_told() -> None:
    async with site() as here:
        for mode, outcome in (("force", "force"), ("disable", "bypass")):
            body = orjson.dumps(chat())
            path = "/v1/chat/completions"
            sent, got = await sent_and_got(here, body, path, x_langwatch_cache=mode)
            assert sent == sha(body)
            assert got.headers["x-langwatch-cache"] == outcome


async def test_force_marks_what_is_translated_for_anthropic() -> None:
    async with site(providers=lambda port: [binding("anthropic", port)]) as here:
        body = orjson.dumps(chat("claude-haiku-4-5"))
        for mode in ("respect", "force"):
            _, got = await sent_and_got(here, body, "/v1/chat/completions", x_langwatch_cache=mode)
            assert got.status == 200
        plain, marked = list(here.fake.record.calls)[-2:]
        assert plain.body_sha256 != marked.body_sha256
        sizes = [{n.lower(): v for n, v in c.headers}["content-length"] for c in (plain, marked)]
        grown = len('[{"type":"text","text":,"cache_control":{"type":"ephemeral"}}]')
        assert int(sizes[1]) > int(sizes[0])
        assert int(sizes[1]) - int(sizes[0]) <= grown


async def test_a_cache_read_is_a_hit_whatever_the_mode() -> None:
    async with site() as here:
        body = orjson.dumps(message())
        script = {"x_fake_behaviour": "prompt=40,completion=9,cached=25"}
        path_stream = orjson.dumps(message(stream=True))
        _, got = await sent_and_got(here, path_stream, x_langwatch_cache="force", **script)
        assert got.headers["x-langwatch-cache"] == "hit"
        assert body


async def test_a_rule_decides_where_the_caller_does_not_and_the_key_where_no_rule_does() -> None:
    async with site() as here:
        here.keyring.bundle.cache_rules = (RULE,)
        here.keyring.bundle.config = {"cache": {"mode": "force"}}
        _, got = await sent_and_got(here, orjson.dumps(MARKED))
        assert got.headers["x-langwatch-cache-mode"] == "disable"
        told = await here.the_settlement()
        assert told["facts"] == {
            "cache_mode": "disable",
            "cache_rule_id": "cacherule_1",
            "cache_rule_priority": 100,
        }
        _, got = await sent_and_got(here, orjson.dumps(MARKED), x_langwatch_cache="respect")
        assert got.headers["x-langwatch-cache-mode"] == "respect"
        _, got = await sent_and_got(here, orjson.dumps(chat()), "/v1/chat/completions")
        assert got.headers["x-langwatch-cache-mode"] == "force"


@pytest.mark.parametrize(
    ("value", "code"),
    [("ttl=60", "cache_override_not_implemented"), ("always", "cache_override_invalid")],
)
async def test_any_other_word_is_refused(value, code) -> None:
    async with site() as here:
        _, got = await sent_and_got(here, orjson.dumps(message()), x_langwatch_cache=value)
        assert (got.status, got.json["error"]["code"]) == (400, code)
        assert here.fake.record.total == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_kept_answer_is_given_again_and_costs_nothing(stream) -> None:
    async with site() as here:
        here.keyring.bundle.config = {"cache": {"responses": {"ttl_seconds": 60}}}
        body = orjson.dumps(message(stream=stream))
        _, first = await sent_and_got(here, body)
        await here.at_rest()
        _, second = await sent_and_got(here, body)
        assert here.fake.record.total == 1
        assert second.status == 200
        assert second.body == first.body
        assert first.headers["x-langwatch-cache"] == "miss"
        assert "x-langwatch-response-cache" not in first.headers
        assert second.headers["x-langwatch-cache"] == "hit"
        assert second.headers["x-langwatch-response-cache"] == "hit"
        assert first.headers["x-langwatch-request-id"] != second.headers["x-langwatch-request-id"]
        one, two = here.settled
        assert one["cost_nanousd"] > 0
        assert (two["outcome"], two["cost_nanousd"]) == ("completed", 0)
        assert two["facts"] == {"response_cache": "hit"}
        assert two["admission"]["model"] == "claude-haiku-4-5"
        assert here.limit.current.unacked == one["cost_nanousd"]


async def test_only_the_very_same_request_gets_a_kept_answer() -> None:
    async with site() as here:
        here.keyring.bundle.config = {"cache": {"responses": {"ttl_seconds": 60}}}
        body = orjson.dumps(message())
        await sent_and_got(here, body)
        await sent_and_got(here, body + b" ")
        await sent_and_got(here, body, anthropic_beta="new-thing")
        await sent_and_got(here, body, x_langwatch_cache="disable")
        await sent_and_got(here, body, "/v1/messages/count_tokens")
        here.keyring.bundle.vk_id = "vk_2"
        await sent_and_got(here, body)
        assert here.fake.record.total == 6


@pytest.mark.parametrize("script", ["status=503", "short", "status=400"])
async def test_what_failed_is_not_kept(script) -> None:
    async with site() as here:
        here.keyring.bundle.config = {"cache": {"responses": {"ttl_seconds": 60}}}
        for _ in range(2):
            sent = await here.post("/v1/messages", message(), x_fake_behaviour=script)
            if script == "short":
                await sent.read_broken()
            else:
                await sent.read()
        assert here.fake.record.total == 2


async def test_nothing_is_kept_unless_the_key_asks_for_it() -> None:
    async with site() as here:
        for _ in range(2):
            await sent_and_got(here, orjson.dumps(message()))
        assert here.fake.record.total == 2
        assert here.gateway.answers.size_bytes == 0
