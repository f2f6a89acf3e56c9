"""Streams of each dialect around one text, cut where a test wants, and guards to send them through."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from core.fault import Refused
from proxy.checks import Check
from proxy.guarding.answers import StreamGuard
from proxy.guarding.events import reader_for
from proxy.guarding.judge import Judge
from rules.guardrails.types import STREAM_CHUNK, guard_of

SECRET = "sk-proj-" + "Ab3dEf6hIj9kLm2n" * 2
MARK = "[REDACTED:API_KEY]"
NO_POOL: Any = None
"""Nothing here is asked over HTTP."""


def check(type_: str = "secrets", action: str = "redact", **more: Any) -> Check:
    on_failure = more.pop("on_failure", "fail_closed")
    settings = {"window_characters": 96, "overlap_characters": 64} | more
    row = {"id": "guardrail_1", "name": "no secrets", "type": type_, "settings": settings}
    return Check(guard_of(row | {"action": action, "on_failure": on_failure}))


def guarded(dialect: str, *checks: Check) -> tuple[StreamGuard, Judge]:
    judge = Judge(STREAM_CHUNK, checks, NO_POOL, {})
    return StreamGuard(judge, reader_for(dialect)), judge


def passed(guard: StreamGuard, pieces: Sequence[bytes]) -> tuple[bytes, Refused | None]:
    """What got out, and what ended it."""
    out = b""
    try:
        for piece in pieces:
            out += b"".join(guard.take([piece]))
        out += b"".join(guard.finish())
    except Refused as refused:
        return out, refused
    return out, None


def event(data: Any, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"


def chat(parts: Sequence[str]) -> list[bytes]:
    def chunk(delta: Any, end: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        return event({"id": "c", "choices": [choice]})

    events = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": p}) for p in parts)]
    return [*events, chunk({}, "stop"), b"data: [DONE]\n\n"]


def chat_thoughts(parts: Sequence[str]) -> list[bytes]:
    """Thoughts, told twice as some providers do, and then an answer."""

    def chunk(delta: Any, end: str | None = None) -> bytes:
        return event({"choices": [{"index": 0, "delta": delta, "finish_reason": end}]})

    def thought(part: str) -> bytes:
        details = [{"type": "reasoning.text", "text": part, "index": 0}]
        return chunk({"content": "", "reasoning": part, "reasoning_details": details})

    answer = chunk({"content": "So it is."})
    return [*map(thought, parts), answer, chunk({}, "stop"), b"data: [DONE]\n\n"]


def chat_tool(parts: Sequence[str]) -> list[bytes]:
    def chunk(call: Any, end: str | None = None) -> bytes:
        choice = {"index": 0, "delta": {"tool_calls": [call]} if call else {}, "finish_reason": end}
        return event({"id": "c", "choices": [choice]})

    first = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": part}} for part in parts]
    return [*map(chunk, [first, *rest]), chunk(None, "tool_calls"), b"data: [DONE]\n\n"]


def messages(parts: Sequence[str], kind: str = "text", name: str = "text_delta") -> list[bytes]:
    field = {"text_delta": "text", "input_json_delta": "partial_json"}.get(name, "thinking")
    block = {"type": kind, "text": ""} if kind == "text" else {"type": kind, "id": "t", "input": {}}
    rest = {"type": "content_block_delta", "index": 0}
    return [
        event({"type": "message_start", "message": {"content": []}}, "message_start"),
        event({"type": "content_block_start", "index": 0, "content_block": block}),
        *(event(rest | {"delta": {"type": name, field: part}}) for part in parts),
        event({"type": "content_block_stop", "index": 0}),
        event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        event({"type": "message_stop"}, "message_stop"),
    ]


def messages_tool(parts: Sequence[str]) -> list[bytes]:
    return messages(parts, "tool_use", "input_json_delta")


def responses(parts: Sequence[str]) -> list[bytes]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = "".join(parts)
    part = {"type": "output_text", "text": text}
    item = {"id": "msg_1", "type": "message", "content": [part]}
    told: list[dict[str, Any]] = [
        {
            "type": "response.created",
            "response": {"id": "r", "instructions": "be kind", "output": []},
        },
        {"type": "response.output_item.added", "item": {"id": "msg_1", "content": []}},
        *({"type": "response.output_text.delta", **at, "delta": part} for part in parts),
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "r", "output": [item]}},
    ]
    return [event(data, data["type"]) for data in told]


def responses_tool(parts: Sequence[str]) -> list[bytes]:
    at = {"item_id": "fc_1", "output_index": 0}
    text = "".join(parts)
    item = {"id": "fc_1", "type": "function_call", "name": "f", "arguments": text}
    kind = "response.function_call_arguments"
    told: list[dict[str, Any]] = [
        *({"type": f"{kind}.delta", **at, "delta": part} for part in parts),
        {"type": f"{kind}.done", **at, "arguments": text},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "r", "output": [item]}},
    ]
    return [event(data, data["type"]) for data in told]


def gemini(parts: Sequence[str]) -> list[bytes]:
    def chunk(part: str, **more: Any) -> bytes:
        content = {"role": "model", "parts": [{"text": part, "thoughtSignature": "c2ln"}]}
        return event({"candidates": [{"content": content, **more}], "modelVersion": "g"})

    return [*map(chunk, parts), chunk("", finishReason="STOP")]


def gemini_tool(parts: Sequence[str]) -> list[bytes]:
    call = {"functionCall": {"name": "f", "args": {"name": "".join(parts)}}}
    candidate = {"content": {"parts": [call]}, "finishReason": "STOP"}
    return [event({"candidates": [candidate]})]


Stream = Callable[[Sequence[str]], list[bytes]]
STREAMS: dict[str, tuple[str, Stream]] = {
    "chat": ("openai_chat", chat),
    "chat thoughts": ("openai_chat", chat_thoughts),
    "chat tool": ("openai_chat", chat_tool),
    "messages": ("anthropic_messages", messages),
    "messages tool": ("anthropic_messages", messages_tool),
    "responses": ("openai_responses", responses),
    "responses tool": ("openai_responses", responses_tool),
    "gemini": ("gemini", gemini),
    "gemini tool": ("gemini", gemini_tool),
}
