"""The `anthropic` package, sync and async: messages, streams, tools, thinking, counting, models."""

import asyncio
import hashlib
from typing import Any

from tests.event_loop import run_apart
from tests.sdk.targets import Target, headers_of

MODEL = "claude-haiku-4-5"
HELLO: Any = [{"role": "user", "content": "Say hello, grüezi or 你好."}]
TOOLS: Any = [
    {
        "name": name,
        "description": "Looks something up.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    for name in ("get_weather", "get_time")
]
ARGUMENTS = {"city": "Zürich", "unit": "celsius"}
CACHED = "prompt=21,completion=30,cached=1800,cache_write=250,cache_write_1h=50"


def behave(script: str) -> dict[str, str]:
    return {"x-fake-behaviour": script}


def test_a_plain_answer_has_text_id_and_usage(target: Target) -> None:
    with target.anthropic_client() as client:
        answer = client.messages.create(
            model=MODEL, max_tokens=64, messages=HELLO, extra_headers=behave(CACHED)
        )
    assert answer.id == target.provider.last_call()["answer_id"]
    assert answer.content[0].type == "text"
    assert answer.content[0].text.startswith("Grüezi")
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens) == (21, 30)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (1800, 250)
    assert usage.cache_creation
    assert usage.cache_creation.ephemeral_1h_input_tokens == 50


def test_a_request_body_and_its_headers_reach_the_provider_unaltered(target: Target) -> None:
    with target.anthropic_client() as client:
        client.messages.create(
            model=MODEL,
            max_tokens=64,
            messages=HELLO,
            system=[{"type": "text", "text": "Short.", "cache_control": {"type": "ephemeral"}}],
            extra_headers={"anthropic-beta": "context-management-2025-06-27,fine-grained"},
        )
    call = target.provider.last_call()
    assert call["body_sha256"] == hashlib.sha256(target.sent.bodies[0]).hexdigest()
    headers = headers_of(call)
    assert headers["anthropic-beta"] == "context-management-2025-06-27,fine-grained"
    assert headers["anthropic-version"]


def test_an_answer_reaches_the_client_byte_for_byte(target: Target) -> None:
    with target.anthropic_client() as client:
        raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=64, messages=HELLO)
    call = target.provider.last_call()
    assert hashlib.sha256(raw.http_response.content).hexdigest() == call["answer_sha256"]
    assert raw.headers["request-id"].startswith("req_")
    assert raw.headers["anthropic-ratelimit-requests-limit"] == "4000"


def test_a_stream_ends_with_the_message_the_provider_told(target: Target) -> None:
    with (
        target.anthropic_client() as client,
        client.messages.stream(
            model=MODEL, max_tokens=64, messages=HELLO, extra_headers=behave(CACHED)
        ) as stream,
    ):
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text.startswith("Grüezi – a calm 日本 line\nand")
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 30)
    assert message.usage.cache_read_input_tokens == 1800
    assert target.provider.last_call()["outcome"] == "completed"


def test_the_raw_events_keep_their_order_and_kind(target: Target) -> None:
    with target.anthropic_client() as client:
        stream = client.messages.create(
            model=MODEL,
            max_tokens=64,
            messages=HELLO,
            stream=True,
            extra_headers=behave("chunks=2,merge=3"),
        )
        kinds = [event.type for event in stream]
    assert [kind for kind in kinds if kind != "ping"] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_thinking_signature_survives(target: Target) -> None:
    with (
        target.anthropic_client() as client,
        client.messages.stream(
            model=MODEL,
            max_tokens=64,
            messages=HELLO,
            extra_headers=behave("thinking,split=50+51+52,gap_ms=1"),
        ) as stream,
    ):
        streamed = stream.get_final_message()
        plain = client.messages.create(
            model=MODEL, max_tokens=64, messages=HELLO, extra_headers=behave("thinking")
        )
    assert streamed.content[0].type == "thinking"
    assert plain.content[0].type == "thinking"
    assert streamed.content[0].signature == plain.content[0].signature
    assert len(plain.content[0].signature) > 100


def test_a_forced_tool_call_parses(target: Target) -> None:
    with target.anthropic_client() as client:
        answer = client.messages.create(
            model=MODEL,
            max_tokens=64,
            messages=HELLO,
            tools=TOOLS,
            tool_choice={"type": "tool", "name": "get_weather"},
        )
    made = answer.content[-1]
    assert answer.stop_reason == "tool_use"
    assert made.type == "tool_use"
    assert (made.name, made.input) == ("get_weather", ARGUMENTS)


def test_parallel_tool_calls_arrive_whole_on_a_stream(target: Target) -> None:
    with (
        target.anthropic_client() as client,
        client.messages.stream(
            model=MODEL,
            max_tokens=64,
            messages=HELLO,
            tools=TOOLS,
            extra_headers=behave("tool_calls=2,split_every=23"),
        ) as stream,
    ):
        message = stream.get_final_message()
    made = [block for block in message.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in made] == [
        ("get_weather", ARGUMENTS),
        ("get_time", ARGUMENTS),
    ]


def test_tokens_are_counted(target: Target) -> None:
    with target.anthropic_client() as client:
        counted = client.messages.count_tokens(
            model=MODEL, messages=HELLO, tools=TOOLS, extra_headers=behave("prompt=4321")
        )
    assert counted.input_tokens == 4321


def test_models_are_listed(target: Target) -> None:
    with target.anthropic_client() as client:
        names = [model.id for model in client.models.list(limit=1000)]
    assert "claude-opus-5-5" in names


def test_the_async_client_gets_a_plain_answer(target: Target) -> None:
    async def ask() -> str:
        async with target.async_anthropic_client() as client:
            answer = await client.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
            assert answer.content[0].type == "text"
            return answer.content[0].text

    assert run_apart(ask()).startswith("Grüezi")


def test_the_async_client_streams_and_counts_in_parallel(target: Target) -> None:
    """Claude Code counts tokens 27 times in parallel on one screen."""

    async def ask() -> tuple[str, list[int]]:
        async with target.async_anthropic_client() as client:
            counts = asyncio.gather(
                *(
                    client.messages.count_tokens(
                        model=MODEL, messages=HELLO, extra_headers=behave(f"prompt={number}")
                    )
                    for number in range(27)
                )
            )
            async with client.messages.stream(
                model=MODEL, max_tokens=64, messages=HELLO, extra_headers=behave("delay_ms=3")
            ) as stream:
                text = "".join([piece async for piece in stream.text_stream])
            return text, [counted.input_tokens for counted in await counts]

    text, counts = run_apart(ask())
    assert text.startswith("Grüezi")
    assert counts == list(range(27))
