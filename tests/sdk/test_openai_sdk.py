"""The `openai` package, sync and async: chat, streams, tools, models."""

import asyncio
import hashlib
import json
from typing import Any

from tests.event_loop import run_apart
from tests.sdk.targets import Target, headers_of

MODEL = "gpt-4o-mini"
HELLO: Any = [{"role": "user", "content": "Say hello, grüezi or 你好."}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Looks something up.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    for name in ("get_weather", "get_time")
]
ARGUMENTS = {"city": "Zürich", "unit": "celsius"}


def behave(script: str) -> dict[str, str]:
    return {"x-fake-behaviour": script}


def test_a_plain_answer_has_text_id_and_usage(target: Target) -> None:
    with target.openai_client() as client:
        answer = client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            extra_headers=behave("prompt=120,completion=30,cached=100,reasoning=5"),
        )
    call = target.provider.last_call()
    assert answer.id == call["answer_id"]
    assert answer.choices[0].message.content
    assert answer.choices[0].message.content.startswith("Grüezi")
    assert answer.usage
    assert answer.usage.prompt_tokens == 120
    assert answer.usage.completion_tokens == 30
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cached_tokens == 100


def test_a_request_body_reaches_the_provider_byte_for_byte(target: Target) -> None:
    with target.openai_client() as client:
        client.chat.completions.create(
            model=MODEL, messages=HELLO, tools=TOOLS, extra_body={"flavour": {"x": [1.0, 1e3]}}
        )
    call = target.provider.last_call()
    assert call["body_sha256"] == hashlib.sha256(target.sent.bodies[0]).hexdigest()
    assert headers_of(call)["x-stainless-lang"] == "python"


def test_an_answer_reaches_the_client_byte_for_byte(target: Target) -> None:
    with target.openai_client() as client:
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    call = target.provider.last_call()
    assert hashlib.sha256(raw.http_response.content).hexdigest() == call["answer_sha256"]
    assert raw.headers["openai-version"] == "2020-10-01"
    assert raw.headers["x-ratelimit-limit-requests"] == "10000"


def test_a_stream_carries_every_chunk_in_order(target: Target) -> None:
    with target.openai_client() as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, extra_headers=behave("chunks=12")
        )
        chunks = list(stream)
    told = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert len(told) == 12
    assert "".join(told).startswith("Grüezi – a calm 日本 line\nand 🦉")
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_reports_usage_when_the_client_asks(target: Target) -> None:
    with target.openai_client() as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=behave("prompt=77,completion=8,cached=64"),
        )
        chunks = list(stream)
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    usage = chunks[-1].usage
    assert usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (77, 8)
    assert target.provider.last_call()["outcome"] == "completed"


def test_a_forced_tool_call_parses(target: Target) -> None:
    with target.openai_client() as client:
        answer = client.chat.completions.create(
            model=MODEL, messages=HELLO, tools=TOOLS, tool_choice="required"
        )
    assert answer.choices[0].finish_reason == "tool_calls"
    (made,) = answer.choices[0].message.tool_calls or []
    assert made.type == "function"
    assert made.function.name == "get_weather"
    assert json.loads(made.function.arguments) == ARGUMENTS


def test_parallel_tool_calls_arrive_whole_on_a_stream(target: Target) -> None:
    with target.openai_client() as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            tools=TOOLS,
            stream=True,
            extra_headers=behave("tool_calls=2,split=30+61,gap_ms=1"),
        )
        calls: dict[int, dict[str, str]] = {}
        for chunk in stream:
            for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                call = calls.setdefault(delta.index, {"name": "", "arguments": ""})
                assert delta.function
                call["name"] += delta.function.name or ""
                call["arguments"] += delta.function.arguments or ""
    assert [call["name"] for call in calls.values()] == ["get_weather", "get_time"]
    assert [json.loads(call["arguments"]) for call in calls.values()] == [ARGUMENTS] * 2


def test_a_tool_result_goes_back_unaltered(target: Target) -> None:
    messages: Any = [
        *HELLO,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city": "Zürich"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "18 °C"},
    ]
    with target.openai_client() as client:
        answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
    assert answer.choices[0].finish_reason == "stop"
    call = target.provider.last_call()
    assert call["body_sha256"] == hashlib.sha256(target.sent.bodies[0]).hexdigest()


def test_models_are_listed(target: Target) -> None:
    with target.openai_client() as client:
        names = [model.id for model in client.models.list()]
    assert MODEL in names


def test_the_async_client_gets_a_plain_answer(target: Target) -> None:
    async def ask() -> str | None:
        async with target.async_openai_client() as client:
            answer = await client.chat.completions.create(model=MODEL, messages=HELLO)
            return answer.choices[0].message.content

    assert (run_apart(ask()) or "").startswith("Grüezi")


def test_the_async_client_streams_many_answers_at_once(target: Target) -> None:
    async def ask(number: int) -> str:
        async with target.async_openai_client() as client:
            stream = await client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"question {number}"}],
                stream=True,
                extra_headers=behave(f"chunks={number + 1},delay_ms=2"),
            )
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def ask_all() -> list[str]:
        return await asyncio.gather(*(ask(number) for number in range(8)))

    answers = run_apart(ask_all())
    assert sorted(answers, key=len) == answers
    assert answers[0] == "Grüezi"
    target.provider.wait_for(lambda state: state["open_streams"] == 0)
