"""The built-in sandbox: answers in both dialects without an account or a network, clearly labelled.

It runs no model. What it says is made from a few sentences; what it counts is what it says.
"""

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.dialect import Ask
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.providers.provider import Provider

MODELS = ("sandbox-small", "sandbox-large")
LABEL = "[sandbox]"
_SENTENCES = (
    "No model was asked and nothing left this machine.",
    "The request passed the same checks as any other: key, limits, budget.",
    "Its tokens are counted and priced, so it shows on the governance home.",
    "Bind a real provider to this key to get real answers.",
    "The text is the same for the same question, which makes it handy in tests.",
    "Streams arrive word by word, at about the pace of a hosted model.",
)
_QUOTED_CHARACTERS = 80
_BYTES_PER_TOKEN = 4
_WORDS_PER_EVENT = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the sandbox answers, in seconds."""

    first_seconds: float = 0.15
    between_seconds: float = 0.02


def _no_credential(_: object) -> list[tuple[bytes, bytes]]:
    return []


SANDBOX = Provider(
    "sandbox",
    frozenset({OPENAI_CHAT.name, ANTHROPIC_MESSAGES.name}),
    lambda _binding, wanted: wanted.upstream_path,
    _no_credential,
)


class SandboxAnswer:
    """An answer that is made while it is read; to the relay it looks like one from upstream."""

    reused = False

    def __init__(self, headers: list[tuple[bytes, bytes]], events: list[bytes], pace: Pace) -> None:
        self.status = 200
        self.headers = headers
        self._events = iter(events)
        self._left = len(events)
        self._pace = pace
        self._is_first = True

    @property
    def is_whole(self) -> bool:
        """The last piece has been handed out."""
        return self._left == 0

    async def next_chunks(self) -> list[bytes] | None:
        """Return the next piece after its pause, or None after the last."""
        if not self._left:
            return None
        pace = self._pace
        await trio.sleep(pace.first_seconds if self._is_first else pace.between_seconds)
        if not self._left:
            return None
        self._is_first = False
        self._left -= 1
        return [next(self._events)]

    def abort(self) -> None:
        """Say no more."""
        self._left = 0


@dataclass(frozen=True, slots=True)
class _Script:
    answer_id: str
    model: str
    words: list[str]
    input_tokens: int
    is_cut: bool
    created_s: int

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def pieces(self) -> Iterator[str]:
        for start in range(0, len(self.words), _WORDS_PER_EVENT):
            yield "".join(self.words[start : start + _WORDS_PER_EVENT])


def answer(request_type: str, ask: Ask, body: bytes, pace: Pace) -> SandboxAnswer:
    """Return the answer to a request of any route that the sandbox serves."""
    script = _script(ask, body)
    if request_type == "count_tokens":
        return _whole({"input_tokens": script.input_tokens}, pace)
    if request_type == "messages":
        message = _message(script)
        return (
            _stream(_message_events(script, message), pace)
            if ask.is_streamed
            else _whole(message, pace)
        )
    if ask.is_streamed:
        return _stream(_chat_events(script, ask.asks_usage is True), pace)
    return _whole(_completion(script), pace)


def _script(ask: Ask, body: bytes) -> _Script:
    seed = zlib.crc32(body)
    asked = _last_question(body)
    opening = f"{LABEL} This is a practice answer"
    opening += f' to "{asked}". ' if asked else ". "
    first = seed % len(_SENTENCES)
    chosen = [_SENTENCES[(first + step) % len(_SENTENCES)] for step in range(2 + seed % 3)]
    words = [word + " " for word in (opening + " ".join(chosen)).split(" ") if word]
    words[-1] = words[-1].rstrip()
    is_cut = ask.max_tokens is not None and 0 < ask.max_tokens < len(words)
    return _Script(
        f"sandbox{seed:08x}",
        ask.model,
        words[: ask.max_tokens] if is_cut else words,
        max(1, len(body) // _BYTES_PER_TOKEN),
        is_cut,
        int(time.time()),
    )


def _last_question(body: bytes) -> str:
    messages = msgspec.json.decode(body).get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = next((text for text in reversed(texts) if isinstance(text, str)), "")
    text = " ".join(content.split()) if isinstance(content, str) else ""
    return text if len(text) <= _QUOTED_CHARACTERS else text[: _QUOTED_CHARACTERS - 1] + "…"


def _whole(value: dict[str, Any], pace: Pace) -> SandboxAnswer:
    body = msgspec.json.encode(value)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    return SandboxAnswer(headers, [body], pace)


def _stream(events: list[bytes], pace: Pace) -> SandboxAnswer:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
    ]
    return SandboxAnswer(headers, events, pace)


def _event(value: dict[str, Any], name: str = "") -> bytes:
    start = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (start, msgspec.json.encode(value))


# OpenAI chat


def _chat_usage(script: _Script) -> dict[str, Any]:
    output = len(script.words)
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": output,
        "total_tokens": script.input_tokens + output,
    }


def _completion(script: _Script) -> dict[str, Any]:
    message = {"role": "assistant", "content": script.text, "refusal": None}
    finish = "length" if script.is_cut else "stop"
    return {
        "id": f"chatcmpl-{script.answer_id}",
        "object": "chat.completion",
        "created": script.created_s,
        "model": script.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _chat_usage(script),
    }


def _chat_events(script: _Script, tells_usage: bool) -> list[bytes]:
    head = {
        "id": f"chatcmpl-{script.answer_id}",
        "object": "chat.completion.chunk",
        "created": script.created_s,
        "model": script.model,
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**head, "choices": [choice]})

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": piece}) for piece in script.pieces]
    events.append(chunk({}, "length" if script.is_cut else "stop"))
    if tells_usage:
        events.append(_event({**head, "choices": [], "usage": _chat_usage(script)}))
    return [*events, b"data: [DONE]\n\n"]


# Anthropic Messages


def _message_usage(script: _Script, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": script.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def _message(script: _Script) -> dict[str, Any]:
    return {
        "id": f"msg_{script.answer_id}",
        "type": "message",
        "role": "assistant",
        "model": script.model,
        "content": [{"type": "text", "text": script.text}],
        "stop_reason": "max_tokens" if script.is_cut else "end_turn",
        "stop_sequence": None,
        "usage": _message_usage(script, len(script.words)),
    }


def _message_events(script: _Script, message: dict[str, Any]) -> list[bytes]:
    start = {**message, "content": [], "stop_reason": None, "usage": _message_usage(script, 1)}
    values: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    values += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        for piece in script.pieces
    ]
    values += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": len(script.words)},
        },
        {"type": "message_stop"},
    ]
    return [_event(value, value["type"]) for value in values]
