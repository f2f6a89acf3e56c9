"""Calls to providers that speak another dialect: through a real socket, streamed and whole, to every kind of end."""

from typing import Any

import orjson
import pytest

from proxy.bundle import ProviderBinding
from tests.component.proxy.pipeline.chains import account, called, outcomes, script
from tests.component.proxy.pipeline.site import Exchange, Site, chat, message, settings_for, site
from tests.component.proxy.pipeline.test_clouds import bedrock
from tests.component.proxy.transport.peers import until
from tests.unit.proxy.translation.strict import (
    check_chat,
    check_gemini,
    check_messages,
    check_responses,
    frames,
)

pytestmark = pytest.mark.trio

CLAUDE = "anthropic/claude-haiku-4-5"
GPT = "openai/gpt-4o-mini"
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": n, "parameters": TOOL}} for n in ("a", "b")]
MESSAGE_TOOLS = [{"name": name, "input_schema": TOOL} for name in ("a", "b")]


def responses(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "input": "hello", **more}


def gemini(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


def three(port: int) -> list[ProviderBinding]:
    return [account(type_, port, type_) for type_ in ("openai", "anthropic", "gemini")]


async def asked(here: Site, path: str, body: Any, **headers: str) -> Exchange:
    return await (await here.post(path, body, **headers)).read()


def sent_body(here: Site) -> Any:
    return orjson.loads(here.fake.record.calls[-1].body or b"")


async def test_a_chat_client_is_answered_by_claude() -> None:
    async with site() as here:
        script(here, "prompt=100,cached=40,completion=7")
        answer = await asked(here, "/v1/chat/completions", chat(CLAUDE, seed=3, temperature=1.5))
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-langwatch-params-dropped"] == "seed"
        assert answer.headers["x-langwatch-provider"] == "anthropic"
        made = answer.json
        assert made["object"] == "chat.completion"
        assert made["model"] == "claude-haiku-4-5"
        assert made["choices"][0]["message"]["content"].startswith("Grüezi")
        assert made["usage"]["prompt_tokens"] == 140
        assert made["usage"]["prompt_tokens_details"]["cached_tokens"] == 40
        assert made["extra_fields"] == {"params_dropped": ["seed"]}
        told = await here.the_settlement()
        assert told["input_tokens"] == 100
        assert told["cache_read_tokens"] == 40
        assert told["facts"]["dropped"] == ["seed"]
        await here.at_rest()
        call = here.fake.record.calls[-1]
        assert call.target == "/v1/messages"
        assert dict(call.headers)["anthropic-version"]
        assert sent_body(here)["temperature"] == 1
        assert sent_body(here)["max_tokens"] == 64_000, "the most of this model"


async def test_a_chat_stream_from_claude_is_one_of_openais() -> None:
    async with site() as here:
        body = chat(CLAUDE, stream=True, stream_options={"include_usage": True}, tools=CHAT_TOOLS)
        script(here, "tool_calls=2,split_every=7")
        answer = await asked(here, "/v1/chat/completions", body)
        assert answer.headers["content-type"] == "text/event-stream"
        check_chat(answer.body, asks_usage=True)
        chunks = [orjson.loads(data) for _, data in frames(answer.body)[:-1]]
        names = [
            call["function"]["name"]
            for chunk in chunks
            for choice in chunk["choices"]
            for call in choice["delta"].get("tool_calls", ())
            if "id" in call
        ]
        assert names == ["a", "b"]
        assert (await here.the_settlement())["outcome"] == "completed"


async def test_a_messages_stream_from_gpt_is_one_of_anthropics() -> None:
    async with site() as here:
        script(here, "tool_calls=2,prompt=9,completion=5,split_every=11")
        body = message(GPT, stream=True, tools=MESSAGE_TOOLS, thinking={"type": "adaptive"})
        answer = await asked(
            here, "/v1/messages", body, anthropic_version="2023-06-01", anthropic_beta="x"
        )
        check_messages(answer.body)
        assert sent_body(here)["stream_options"] == {"include_usage": True}
        assert not [
            n for n, _ in here.fake.record.calls[-1].headers if n.lower().startswith("anthropic")
        ]
        told = await here.the_settlement()
        assert (told["input_tokens"], told["output_tokens"]) == (9, 5)
        assert told["outcome"] == "completed"


@pytest.mark.parametrize("model", [CLAUDE])
async def test_a_responses_stream_from_claude_is_one_of_openais(model: str) -> None:
    async with site() as here:
        script(here, "thinking")
        body = responses(
            model,
            stream=True,
            store=False,
            include=["reasoning.encrypted_content"],
            reasoning={"effort": "low", "summary": "auto"},
            max_output_tokens=9000,
        )
        answer = await asked(here, "/v1/responses", body)
        check_responses(answer.body)
        done = orjson.loads(frames(answer.body)[-1][1])["response"]
        assert [item["type"] for item in done["output"]] == ["reasoning", "message"]
        assert done["output"][0]["encrypted_content"]
        assert sent_body(here)["thinking"]["type"] == "enabled"


async def test_a_client_that_closes_after_the_terminal_event_has_completed() -> None:
    async with site() as here:
        sent = await here.post("/v1/responses", responses(CLAUDE, stream=True))
        await sent.client.until(b"event: response.completed")
        await sent.client.until(b"\n\n")
        await sent.client.stream.aclose()
        assert (await here.the_settlement())["outcome"] == "completed"


async def test_a_client_that_leaves_early_cancels_the_provider() -> None:
    async with site() as here:
        script(here, "chunks=500,delay_ms=5")
        sent = await here.post("/v1/messages", message(GPT, stream=True))
        while b"text_delta" not in sent.client.buffer:
            await sent.client.more()
        await sent.client.stream.aclose()
        told = await here.the_settlement()
        assert told["outcome"] == "cancelled"
        await until(lambda: here.fake.record.calls[-1].outcome == "client_closed")
        await here.at_rest()


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/chat/completions", chat(CLAUDE), "invalid_request_error"),
        ("/v1/responses", responses(CLAUDE), "invalid_request_error"),
        ("/v1/messages", message(GPT), "invalid_request_error"),
    ],
)
async def test_a_providers_refusal_keeps_its_status_and_its_words(
    path: str, body: dict[str, Any], kind: str
) -> None:
    async with site() as here:
        script(here, "status=400")
        answer = await asked(here, path, body)
        assert answer.status == 400
        words = "flavour" if path == "/v1/messages" else "at least one message"
        assert words in answer.json["error"]["message"]
        assert answer.json["error"]["type"] == kind
        assert (await here.the_settlement())["outcome"] == "failed"


async def test_a_rate_limit_of_the_providers_keeps_its_headers() -> None:
    async with site() as here:
        script(here, "status=429,retry_after=7")
        answer = await asked(here, "/v1/messages", message(GPT))
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        assert answer.json["error"]["type"] == "rate_limit_error"


async def test_a_parameter_that_can_not_be_said_is_refused_before_anybody_is_asked() -> None:
    async with site() as here:
        answer = await asked(here, "/v1/chat/completions", chat(CLAUDE, logprobs=True))
        assert answer.status == 400
        error = answer.json["error"]
        assert (error["code"], error["param"]) == ("unsupported_parameter", "logprobs")
        assert error["meta"]["target"] == "anthropic_messages"
        strict = await asked(
            here, "/v1/chat/completions", chat(CLAUDE, seed=1, drop_tuning_params=False)
        )
        assert (strict.status, strict.json["error"]["param"]) == (400, "seed")
        assert not here.fake.record.calls
        await here.at_rest()


@pytest.mark.parametrize("damage", ["reset_after=4", "cut_after=4", "end_after=4"])
@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/messages", message(GPT, stream=True), b"event: error"),
        ("/v1/chat/completions", chat(CLAUDE, stream=True), b'data: {"error":'),
        ("/v1/responses", responses(CLAUDE, stream=True), b"event: response.failed"),
    ],
)
async def test_a_stream_that_breaks_ends_broken_in_the_clients_words(
    damage: str, path: str, body: dict[str, Any], words: bytes
) -> None:
    async with site() as here:
        script(here, damage)
        sent = await here.post(path, body)
        data = await sent.read_broken()
        assert words in data
        for end in (b"message_stop", b"[DONE]", b"response.completed"):
            assert end not in data
        assert (await here.the_settlement())["outcome"] == "truncated"


async def test_an_error_event_of_the_providers_is_told_in_the_clients_words() -> None:
    async with site() as here:
        script(here, "error_after=4")
        sent = await here.post("/v1/chat/completions", chat(CLAUDE, stream=True))
        data = await sent.read_broken()
        assert data.count(b"Overloaded") == 1
        assert b'data: {"error":' in data
        assert b"[DONE]" not in data


async def test_nonsense_in_a_stream_ends_it() -> None:
    async with site() as here:
        script(here, "bad_json_at=3")
        sent = await here.post("/v1/messages", message(GPT, stream=True))
        assert b"event: error" in await sent.read_broken()
        assert (await here.the_settlement())["code"] == "malformed_stream"


async def test_a_silent_provider_is_told_late_in_the_clients_words() -> None:
    settings = settings_for(LANGWATCH_UPSTREAM_IDLE_SECONDS="0.3")
    async with site(settings) as here:
        script(here, "hang_after=4")
        sent = await here.post("/v1/responses", responses(CLAUDE, stream=True))
        data = await sent.read_broken()
        assert b"upstream_timeout" in data
        assert b"event: response.failed" in data


async def test_a_provider_in_another_dialect_answers_for_one_that_fails() -> None:
    def both(port: int) -> list[Any]:
        return [account("anthropic", port, "second"), account("openai", port, "first")]

    async with site(providers=both) as here:
        here.keyring.bundle.config["model_aliases"] = {
            "best": {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
        }
        script(here, "status=500")
        answer = await asked(here, "/v1/chat/completions", chat("best"))
        assert answer.status == 200
        assert answer.json["object"] == "chat.completion"
        # Whoever speaks the client's dialect comes first, whatever the key's order.
        assert called(here) == ["first", "second"]
        told = await here.the_settlement()
        assert outcomes(told) == [
            ("first", "retryable_5xx", 500),
            ("second", "fallback_success", 200),
        ]


async def test_a_request_that_can_not_be_translated_is_not_sent_on_and_the_first_failure_stands() -> (
    None
):
    def both(port: int) -> list[Any]:
        return [account("openai", port, "first"), account("anthropic", port, "second")]

    async with site(providers=both) as here:
        here.keyring.bundle.config["model_aliases"] = {
            "best": {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
        }
        script(here, "status=500")
        answer = await asked(here, "/v1/chat/completions", chat("best", logprobs=True))
        assert answer.status == 500
        assert called(here) == ["first"]


async def test_counting_is_not_translated_but_estimated_and_rather_too_high() -> None:
    long = [{"role": "user", "content": "a word and another " * 400}]
    asks = {
        "/v1/messages/count_tokens": (message(GPT, messages=long), ("input_tokens",)),
        "/v1/responses/input_tokens": (
            {"model": CLAUDE, "input": "a word and another " * 400},
            ("input_tokens",),
        ),
        f"/v1beta/models/{CLAUDE}:countTokens": (
            {"contents": [{"parts": [{"text": "a word and another " * 400}]}]},
            ("totalTokens",),
        ),
    }
    async with site() as here:
        for number, (path, (body, names)) in enumerate(asks.items(), 1):
            answer = await asked(here, path, body)
            assert answer.status == 200, answer.json
            # 1,600 words are about as many tokens.
            assert 1600 < answer.json[names[0]] < 1600 * 2
            assert answer.headers["x-langwatch-token-count"] == "estimated"
            assert answer.headers["x-langwatch-cache"] == "miss"
            await until(lambda number=number: len(here.settled) == number)
        assert {(row["outcome"], row["cost_nanousd"]) for row in here.settled} == {("completed", 0)}
        assert here.fake.record.total == 0
        own = await asked(here, "/v1/messages/count_tokens", message(CLAUDE))
        assert "x-langwatch-token-count" not in own.headers
        lost = await asked(here, "/v1/messages/count_tokens", message("bedrock/none"))
        assert (lost.status, lost.json["error"]["code"]) == (400, "model_provider_not_bound")
        await here.at_rest()


FLASH = "gemini/gemini-2.5-flash"


@pytest.mark.parametrize("behaviour", ["completion=4", "tool_calls=2", "thinking", "split_every=9"])
@pytest.mark.parametrize(
    ("path", "body", "check"),
    [
        (
            "/v1/chat/completions",
            chat(FLASH, stream=True, stream_options={"include_usage": True}, tools=CHAT_TOOLS),
            lambda data: check_chat(data, True),
        ),
        ("/v1/messages", message(FLASH, stream=True, tools=MESSAGE_TOOLS), check_messages),
        ("/v1/responses", responses(FLASH, stream=True), check_responses),
    ],
    ids=["chat", "messages", "responses"],
)
async def test_gemini_answers_clients_of_all_dialects(
    path: str, body: dict[str, Any], check: Any, behaviour: str
) -> None:
    async with site(providers=three) as here:
        script(here, behaviour + ",prompt=31,cached=11")
        answer = await asked(here, path, body)
        assert answer.status == 200
        check(answer.body)
        call = here.fake.record.calls[-1]
        assert call.target == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
        told = await here.the_settlement()
        assert (told["input_tokens"], told["cache_read_tokens"]) == (20, 11)
        assert told["outcome"] == "completed"
        whole = await asked(
            here, path, {n: v for n, v in body.items() if not n.startswith("stream")}
        )
        assert whole.headers["content-type"] == "application/json"
        assert b"gemini-2.5-flash" in whole.body


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gpt-4o-mini"])
async def test_clients_of_gemini_are_answered_by_all_vendors(model: str) -> None:
    async with site(providers=three) as here:
        path = f"/v1beta/models/{model}"
        streamed = await asked(here, f"{path}:streamGenerateContent?alt=sse", gemini())
        assert streamed.headers["content-type"] == "text/event-stream"
        check_gemini(streamed.body)
        assert "alt" not in here.fake.record.calls[-1].target
        array = await asked(here, f"{path}:streamGenerateContent", gemini())
        assert array.headers["content-type"] == "application/json"
        assert array.json[-1]["candidates"][0]["finishReason"] == "STOP"
        whole = await asked(here, f"{path}:generateContent", gemini())
        assert whole.json["candidates"][0]["content"]["parts"][0]["text"].startswith("Grüezi")
        assert whole.json["modelVersion"] == model
        refused = await asked(
            here, f"{path}:generateContent", gemini(cachedContent="cachedContents/1")
        )
        assert refused.status == 400
        assert "cachedContent" in refused.json["error"]["message"]
        script(here, "error_after=4")
        broken = await here.post(f"{path}:streamGenerateContent?alt=sse", gemini())
        assert b'data: {"error":' in await broken.read_broken()
        script(here, "status=429")
        limited = await asked(here, f"{path}:generateContent", gemini())
        assert (limited.status, limited.json["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")


NOVA, CLAUDE_ON_BEDROCK = "amazon.nova-pro-v1:0", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.mark.parametrize("behaviour", ["completion=4", "tool_calls=2", "split_every=9"])
@pytest.mark.parametrize("model", [NOVA, CLAUDE_ON_BEDROCK])
@pytest.mark.parametrize(
    ("path", "ask", "check"),
    [
        ("/v1/chat/completions", chat, lambda data: check_chat(data, False)),
        ("/v1/messages", message, check_messages),
        ("/v1/responses", responses, check_responses),
    ],
    ids=["chat", "messages", "responses"],
)
async def test_bedrock_answers_clients_of_all_dialects(
    path: str, ask: Any, check: Any, model: str, behaviour: str
) -> None:
    if path == "/v1/messages" and model == CLAUDE_ON_BEDROCK:
        return
    async with site(providers=bedrock()) as here:
        script(here, behaviour + ",prompt=21")
        tools = {"/v1/chat/completions": CHAT_TOOLS, "/v1/messages": MESSAGE_TOOLS}.get(path)
        more = {"tools": tools} if tools else {}
        answer = await asked(here, path, ask(model, stream=True, **more))
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream"
        check(answer.body)
        action = "converse-stream" if model == NOVA else "invoke-with-response-stream"
        assert here.fake.record.calls[-1].target.endswith(f"/{action}")
        told = await here.the_settlement()
        assert (told["outcome"], told["input_tokens"]) == ("completed", 21)
        whole = await asked(here, path, ask(model, **more))
        assert (whole.status, whole.headers["content-type"]) == (200, "application/json")
        script(here, "status=429")
        limited = await asked(here, path, ask(model))
        assert limited.status == 429
        assert limited.json["error"]["message"]


async def test_an_exception_in_a_stream_of_bedrocks_is_an_error_of_the_clients() -> None:
    async with site(providers=bedrock()) as here:
        script(here, "error_after=3")
        sent = await here.post("/v1/messages", message(NOVA, stream=True))
        data = await sent.read_broken()
        assert data.count(b"Too many tokens") == 1
        assert b"event: error" in data
        assert b"message_stop" not in data
        assert (await here.the_settlement())["outcome"] == "truncated"


async def test_a_kept_answer_is_translated_again() -> None:
    async with site() as here:
        here.keyring.bundle.config = {"cache": {"responses": {"ttl_seconds": 60}}}
        body = chat(CLAUDE, temperature=0)
        first = await asked(here, "/v1/chat/completions", body)
        again = await asked(here, "/v1/chat/completions", body)
        assert again.headers["x-langwatch-response-cache"] == "hit"
        assert again.json["choices"] == first.json["choices"]
        assert len(here.fake.record.calls) == 1
