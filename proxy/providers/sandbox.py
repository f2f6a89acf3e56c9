"""The built-in sandbox: answers in the APIs' own forms without an account or a network, clearly labelled.

It runs no model. What it says is made from a few sentences; what it counts is what it says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.dialect import Ask
from proxy.dialects.gemini import GEMINI, GEMINI_COUNT, GEMINI_EMBEDDINGS
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.dialects.openai_completions import OPENAI_COMPLETIONS
from proxy.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.dialects.openai_responses import OPENAI_RESPONSES
from proxy.providers import (
    sandbox_anthropic,
    sandbox_gemini,
    sandbox_openai,
    sandbox_responses,
)
from proxy.providers.provider import Provider
from proxy.providers.sandbox_script import Script, script_of
from rules.provider_types import SANDBOX_MODELS

MODELS = SANDBOX_MODELS
_WHOLE: dict[str, Callable[[Script], dict[str, Any]]] = {
    "chat": sandbox_openai.chat,
    "completions": sandbox_openai.completion,
    "embeddings": sandbox_openai.embeddings,
    "responses": sandbox_responses.response,
    "responses_compact": sandbox_responses.compacted,
    "responses_input_tokens": sandbox_responses.count,
    "messages": sandbox_anthropic.message,
    "count_tokens": sandbox_anthropic.count,
    "generate_content": sandbox_gemini.content,
    "count_gemini_tokens": sandbox_gemini.count,
    "embed_content": sandbox_gemini.embedding,
    "batch_embed_contents": sandbox_gemini.embeddings,
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the sandbox answers, in seconds."""

    first_seconds: float = 0.15
    between_seconds: float = 0.02


def _no_credential(_: object) -> list[tuple[bytes, bytes]]:
    return []


SANDBOX = Provider(
    "sandbox",
    frozenset(
        row.name
        for row in (
            OPENAI_CHAT,
            OPENAI_COMPLETIONS,
            OPENAI_EMBEDDINGS,
            OPENAI_RESPONSES,
            ANTHROPIC_MESSAGES,
            GEMINI,
            GEMINI_COUNT,
            GEMINI_EMBEDDINGS,
        )
    ),
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


def answer(
    request_type: str, ask: Ask, body: bytes, pace: Pace, query: bytes = b""
) -> SandboxAnswer:
    """Return the answer to a request of any route that the sandbox serves."""
    script = script_of(ask, body)
    if not ask.is_streamed:
        return _whole(_WHOLE[request_type](script), pace)
    if request_type == "messages":
        return _stream(sandbox_anthropic.message_events(script), pace)
    if request_type == "responses":
        return _stream(sandbox_responses.response_events(script), pace)
    if request_type == "completions":
        return _stream(sandbox_openai.completion_events(script, ask.asks_usage is True), pace)
    if request_type == "stream_generate_content":
        if b"alt=sse" in query.split(b"&"):
            return _stream(sandbox_gemini.content_events(script), pace)
        return SandboxAnswer([_JSON], sandbox_gemini.content_elements(script), pace)
    if request_type == "chat":
        return _stream(sandbox_openai.chat_events(script, ask.asks_usage is True), pace)
    return _whole(_WHOLE[request_type](script), pace)


_JSON = (b"content-type", b"application/json; charset=UTF-8")


def _whole(value: dict[str, Any], pace: Pace) -> SandboxAnswer:
    body = msgspec.json.encode(value)
    return SandboxAnswer([_JSON, (b"content-length", b"%d" % len(body))], [body], pace)


def _stream(events: list[bytes], pace: Pace) -> SandboxAnswer:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
    ]
    return SandboxAnswer(headers, events, pace)
