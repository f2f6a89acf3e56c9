"""Each vendor's SDK in front of the others' providers: plain, streamed, tools, pictures, thinking, errors, cancel."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as gemini_errors
from google.genai import types as gemini_types

from tests.event_loop import run_apart
from tests.sdk.targets import Target

CLAUDE, GPT, FLASH = "anthropic/claude-haiku-4-5", "openai/gpt-4o-mini", "gemini/gemini-2.5-flash"
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}}
NAMES = ("get_weather", "get_time")
ARGUMENTS = {"city": "Zürich", "unit": "celsius"}
HELLO: Any = [{"role": "user", "content": "Say hello, grüezi or 你好."}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CHAT_TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES
]
MESSAGE_TOOLS: Any = [{"name": name, "input_schema": SCHEMA} for name in NAMES]
RESPONSE_TOOLS: Any = [
    {"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in NAMES
]


def sent(target: Target) -> Any:
    """The body that the provider got last."""
    return json.loads(target.provider.last_call()["body"])


@contextlib.contextmanager
def google(target: Target) -> Iterator[genai.Client]:
    """A client whose connections are closed: it leaves those it was given to whoever gave them."""
    client = target.gemini_client()
    try:
        yield client
    finally:
        client.close()
        connections = client._api_client._httpx_client
        assert connections is not None
        connections.close()


# The openai package, chat.


@pytest.mark.parametrize("model", [CLAUDE, FLASH])
def test_chat_is_answered(gateway: Target, model: str) -> None:
    gateway.provider.behave("prompt=120,completion=30,cached=100")
    with gateway.openai_client() as client:
        answer = client.chat.completions.create(model=model, messages=HELLO, seed=7)
    assert (answer.choices[0].message.content or "").startswith("Grüezi")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.completion_tokens == 30
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cached_tokens == 100


@pytest.mark.parametrize("model", [CLAUDE, FLASH])
def test_chat_streams_with_parallel_tools(gateway: Target, model: str) -> None:
    gateway.provider.behave("tool_calls=2,split_every=13")
    with (
        gateway.openai_client() as client,
        client.chat.completions.stream(
            model=model,
            messages=HELLO,
            tools=CHAT_TOOLS,
            stream_options={"include_usage": True},
        ) as stream,
    ):
        for _ in stream:
            pass
        answer = stream.get_final_completion()
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == list(NAMES)
    assert [json.loads(call.function.arguments) for call in calls] == [ARGUMENTS] * 2
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.usage
    # The whole turn goes back, with its results.
    turn: Any = answer.choices[0].message.model_dump(exclude_none=True)
    results: Any = [{"role": "tool", "tool_call_id": c.id, "content": "18 °C"} for c in calls]
    with gateway.openai_client() as client:
        gateway.provider.behave("ok")
        after = client.chat.completions.create(
            model=model, messages=[*HELLO, turn, *results], tools=CHAT_TOOLS
        )
    assert after.choices[0].message.content
    assert "18 °C" in json.dumps(sent(gateway), ensure_ascii=False)


@pytest.mark.parametrize(("model", "place"), [(CLAUDE, "source"), (FLASH, "inlineData")])
def test_chat_shows_a_picture(gateway: Target, model: str, place: str) -> None:
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    with gateway.openai_client() as client:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
    text = json.dumps(sent(gateway))
    assert place in text
    assert PNG in text


def test_chat_hears_claude_think_and_sends_the_proof_back(gateway: Target) -> None:
    gateway.provider.behave("thinking")
    with gateway.openai_client() as client:
        answer = client.chat.completions.create(
            model=CLAUDE, messages=HELLO, reasoning_effort="high", max_completion_tokens=9000
        )
    message = answer.choices[0].message.model_dump(exclude_none=True)
    assert message["reasoning_content"]
    (block,) = message["thinking_blocks"]
    with gateway.openai_client() as client:
        client.chat.completions.create(model=CLAUDE, messages=[*HELLO, message, *HELLO])
    assert sent(gateway)["messages"][1]["content"][0]["signature"] == block["signature"]


@pytest.mark.parametrize("model", [CLAUDE, FLASH])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
def test_chat_raises_the_class_of_the_providers_status(
    gateway: Target, model: str, status: int, error: type[openai.APIStatusError]
) -> None:
    gateway.provider.behave(f"status={status}")
    with gateway.openai_client() as client, pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=HELLO)
    assert caught.value.status_code == status
    assert caught.value.type


def test_chat_names_the_parameter_that_is_refused(gateway: Target) -> None:
    with gateway.openai_client() as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=CLAUDE, messages=HELLO, logprobs=True)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "logprobs")


@pytest.mark.parametrize("model", [CLAUDE, FLASH])
def test_a_cut_chat_stream_raises(gateway: Target, model: str) -> None:
    gateway.provider.behave("cut_after=4,delay_ms=1")
    with gateway.openai_client() as client, pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            pass


# The openai package, responses.


@pytest.mark.parametrize("model", [CLAUDE, FLASH])
def test_responses_stream_with_tools(gateway: Target, model: str) -> None:
    gateway.provider.behave("tool_calls=2")
    with (
        gateway.openai_client() as client,
        client.responses.stream(model=model, input="Weather?", tools=RESPONSE_TOOLS) as stream,
    ):
        for _ in stream:
            pass
        answer = stream.get_final_response()
    calls: Any = [item for item in answer.output if item.type == "function_call"]
    assert [call.name for call in calls] == list(NAMES)
    assert [json.loads(call.arguments) for call in calls] == [ARGUMENTS] * 2
    assert answer.status == "completed"
    assert answer.usage


@pytest.mark.parametrize("model", [CLAUDE, FLASH])
def test_responses_are_answered_whole(gateway: Target, model: str) -> None:
    with gateway.openai_client() as client:
        answer = client.responses.create(model=model, input="Hello", instructions="Be brief.")
    assert answer.output_text.startswith("Grüezi")


# The anthropic package.


@pytest.mark.parametrize("model", [GPT, FLASH])
def test_messages_are_answered(gateway: Target, model: str) -> None:
    gateway.provider.behave("prompt=120,completion=30,cached=100")
    with gateway.anthropic_client() as client:
        answer = client.messages.create(
            model=model, max_tokens=100, messages=HELLO, service_tier="auto"
        )
    (block,) = answer.content
    assert block.type == "text"
    assert block.text.startswith("Grüezi")
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (20, 100)


@pytest.mark.parametrize("model", [GPT, FLASH])
def test_messages_stream_with_parallel_tools(gateway: Target, model: str) -> None:
    gateway.provider.behave("tool_calls=2,split_every=13")
    with (
        gateway.anthropic_client() as client,
        client.messages.stream(
            model=model, max_tokens=100, messages=HELLO, tools=MESSAGE_TOOLS
        ) as stream,
    ):
        answer = stream.get_final_message()
    calls: Any = [block for block in answer.content if block.type == "tool_use"]
    assert [call.name for call in calls] == list(NAMES)
    assert [call.input for call in calls] == [ARGUMENTS] * 2
    assert answer.stop_reason == "tool_use"
    results: Any = [
        {"type": "tool_result", "tool_use_id": call.id, "content": "18 °C"} for call in calls
    ]
    turns: Any = [
        *HELLO,
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": results},
    ]
    with gateway.anthropic_client() as client:
        gateway.provider.behave("ok")
        client.messages.create(model=model, max_tokens=100, messages=turns, tools=MESSAGE_TOOLS)
    assert "18 °C" in json.dumps(sent(gateway), ensure_ascii=False)


@pytest.mark.parametrize(("model", "place"), [(GPT, "image_url"), (FLASH, "inlineData")])
def test_messages_show_a_picture(gateway: Target, model: str, place: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    parts: Any = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    with gateway.anthropic_client() as client:
        client.messages.create(
            model=model, max_tokens=50, messages=[{"role": "user", "content": parts}]
        )
    assert place in json.dumps(sent(gateway))


def test_messages_hear_gemini_think_and_send_the_proof_back(gateway: Target) -> None:
    gateway.provider.behave("thinking")
    thinking: Any = {"type": "enabled", "budget_tokens": 2000}
    with (
        gateway.anthropic_client() as client,
        client.messages.stream(
            model=FLASH, max_tokens=9000, messages=HELLO, thinking=thinking
        ) as stream,
    ):
        answer = stream.get_final_message()
    assert "thinking" in [block.type for block in answer.content]
    assert sent(gateway)["generationConfig"]["thinkingConfig"]["includeThoughts"] is True


@pytest.mark.parametrize("model", [GPT, FLASH])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (503, anthropic.InternalServerError),
    ],
)
def test_messages_raise_the_class_of_the_providers_status(
    gateway: Target, model: str, status: int, error: type[anthropic.APIStatusError]
) -> None:
    gateway.provider.behave(f"status={status}")
    with gateway.anthropic_client() as client, pytest.raises(error) as caught:
        client.messages.create(model=model, max_tokens=10, messages=HELLO)
    assert caught.value.status_code == status


@pytest.mark.parametrize("model", [GPT, FLASH])
def test_a_cut_messages_stream_raises(gateway: Target, model: str) -> None:
    gateway.provider.behave("cut_after=4,delay_ms=1")
    with (
        gateway.anthropic_client() as client,
        pytest.raises(anthropic.APIError),
        client.messages.stream(model=model, max_tokens=10, messages=HELLO) as stream,
    ):
        stream.get_final_message()


# The google-genai package.

CONFIG = gemini_types.GenerateContentConfig(
    tools=[
        gemini_types.Tool(
            function_declarations=[
                gemini_types.FunctionDeclaration(name=name, parameters_json_schema=SCHEMA)
                for name in NAMES
            ]
        )
    ],
    automatic_function_calling=gemini_types.AutomaticFunctionCallingConfig(disable=True),
)


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gpt-4o-mini"])
def test_generate_content_is_answered(gateway: Target, model: str) -> None:
    gateway.provider.behave("completion=30")
    with google(gateway) as client:
        answer = client.models.generate_content(model=model, contents="Hello")
    assert (answer.text or "").startswith("Grüezi")
    assert answer.usage_metadata
    assert answer.usage_metadata.candidates_token_count == 30


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gpt-4o-mini"])
def test_generate_content_streams_with_parallel_tools(gateway: Target, model: str) -> None:
    gateway.provider.behave("tool_calls=2,split_every=13")
    with google(gateway) as client:
        stream = client.models.generate_content_stream(
            model=model, contents="Weather?", config=CONFIG
        )
        calls = [call for chunk in stream for call in chunk.function_calls or []]
    assert [call.name for call in calls] == list(NAMES)
    assert [call.args for call in calls] == [ARGUMENTS] * 2


@pytest.mark.parametrize(
    ("model", "place"), [("claude-haiku-4-5", "source"), ("gpt-4o-mini", "image_url")]
)
def test_generate_content_shows_a_picture(gateway: Target, model: str, place: str) -> None:
    picture = gemini_types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
    with google(gateway) as client:
        client.models.generate_content(model=model, contents=[picture, "What is this?"])
    assert place in json.dumps(sent(gateway))


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gpt-4o-mini"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, gemini_errors.ClientError),
        (429, gemini_errors.ClientError),
        (503, gemini_errors.ServerError),
    ],
)
def test_generate_content_raises_the_class_of_the_providers_status(
    gateway: Target, model: str, status: int, error: type[gemini_errors.APIError]
) -> None:
    gateway.provider.behave(f"status={status}")
    with google(gateway) as client, pytest.raises(error) as caught:
        client.models.generate_content(model=model, contents="Hello")
    assert caught.value.code == status
    assert caught.value.message


def test_a_cut_generate_content_stream_raises(gateway: Target) -> None:
    gateway.provider.behave("cut_after=4,delay_ms=1")
    with google(gateway) as client, pytest.raises(gemini_errors.APIError):
        list(client.models.generate_content_stream(model="gpt-4o-mini", contents="x"))


# All of them.


def test_a_client_that_cancels_cancels_the_provider(gateway: Target) -> None:
    gateway.provider.behave("chunks=2000,delay_ms=2")

    async def leave_early() -> None:
        async with gateway.async_anthropic_client() as client:
            stream = await client.messages.create(
                model=GPT, max_tokens=10, messages=HELLO, stream=True
            )
            async for event in stream:
                if event.type == "content_block_delta":
                    break
            await stream.close()
            await asyncio.sleep(0)

    run_apart(leave_early())
    gateway.provider.wait_for(lambda state: state["open_streams"] == 0)
    assert gateway.provider.last_call()["outcome"] == "client_closed"
