"""Strict readers of streams, one a dialect: they accept what the vendors promise and nothing else."""

import json
from typing import Any

import anthropic.types
import openai.types.chat
import openai.types.responses
from google.genai import types as gemini_types
from pydantic import TypeAdapter

_MESSAGES: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)
_RESPONSES: TypeAdapter[Any] = TypeAdapter(openai.types.responses.ResponseStreamEvent)
_DELTAS = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "redacted_thinking": set(),
}


def frames(data: bytes) -> list[tuple[str, str]]:
    """The event names and the data of a stream whose every frame ends with an empty line."""
    assert data.endswith(b"\n\n") or not data
    found = []
    for block in data.decode().split("\n\n")[:-1]:
        lines = block.split("\n")
        name = lines[0].removeprefix("event: ") if lines[0].startswith("event: ") else ""
        assert lines[-1].startswith("data: ")
        found.append((name, lines[-1].removeprefix("data: ")))
    return found


def check_messages(data: bytes) -> None:
    """Anthropic: one start, numbered blocks, deltas of the block's kind, one end."""
    state, index, kind = "before", -1, ""
    for name, text in frames(data):
        event = json.loads(text)
        assert event["type"] == name
        _MESSAGES.validate_python(event)
        if name == "message_start":
            assert state == "before"
            state = "between"
        elif name == "content_block_start":
            assert state == "between"
            assert event["index"] == index + 1
            index, kind, state = index + 1, event["content_block"]["type"], "within"
        elif name == "content_block_delta":
            assert state == "within"
            assert event["index"] == index
            assert event["delta"]["type"] in _DELTAS[kind]
        elif name == "content_block_stop":
            assert state == "within"
            assert event["index"] == index
            state = "between"
        elif name == "message_delta":
            assert state == "between"
            assert event["delta"]["stop_reason"]
            state = "ended"
        else:
            assert name == "message_stop"
            assert state == "ended"
            state = "over"
    assert state == "over"


def check_chat(data: bytes, asks_usage: bool) -> None:
    """OpenAI chat: the role first, calls announced before their arguments, one finish, usage if asked, the end."""
    told = frames(data)
    assert told[-1] == ("", "[DONE]")
    chunks = [json.loads(text) for name, text in told[:-1] if not name]
    assert len(chunks) == len(told) - 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    has_finished, calls = False, 0
    for number, chunk in enumerate(chunks):
        openai.types.chat.ChatCompletionChunk.model_validate(chunk)
        if not chunk["choices"]:
            assert number == len(chunks) - 1
            assert asks_usage
            assert has_finished
            assert chunk["usage"]["total_tokens"] >= 0
            return
        (choice,) = chunk["choices"]
        assert not has_finished
        assert chunk.get("usage") is None
        for call in choice["delta"].get("tool_calls", ()):
            if "id" in call:
                assert call["index"] == calls
                assert call["type"] == "function"
                assert call["function"]["name"]
                calls += 1
            assert call["index"] == calls - 1
        has_finished = choice["finish_reason"] is not None
    assert has_finished
    assert not asks_usage


def check_gemini(data: bytes) -> None:
    """Gemini: whole parts, one finish in the last chunk, usage with it."""
    chunks = [json.loads(text) for _, text in frames(data)]
    for number, chunk in enumerate(chunks):
        gemini_types.GenerateContentResponse.model_validate(chunk)
        (candidate,) = chunk["candidates"]
        is_last = number == len(chunks) - 1
        assert ("finishReason" in candidate) == is_last
        assert ("usageMetadata" in chunk) == is_last


def check_responses(data: bytes) -> None:
    """Responses: numbers without gaps, items opened and closed in turn, texts that add up, one end."""
    told = [(name, json.loads(text)) for name, text in frames(data)]
    assert [event["sequence_number"] for _, event in told] == list(range(len(told)))
    assert [name for name, _ in told[:2]] == ["response.created", "response.in_progress"]
    assert told[-1][0] in ("response.completed", "response.incomplete")
    output: list[dict[str, Any]] = []
    opened: dict[str, Any] | None = None
    spoken = ""
    for name, event in told:
        assert event["type"] == name
        _RESPONSES.validate_python(event)
        if name == "response.output_item.added":
            assert opened is None
            assert event["output_index"] == len(output)
            opened, spoken = event["item"], ""
        elif name.endswith(".delta"):
            assert opened is not None
            assert event["item_id"] == opened["id"]
            spoken += event["delta"]
        elif name.endswith((".text.done", "output_text.done")):
            assert event["text"] == spoken
        elif name == "response.function_call_arguments.done":
            assert event["arguments"] == spoken
        elif name == "response.output_item.done":
            assert opened is not None
            assert event["item"]["id"] == opened["id"]
            assert event["item"]["type"] == opened["type"]
            output.append(event["item"])
            opened = None
    assert opened is None
    assert told[-1][1]["response"]["output"] == output
