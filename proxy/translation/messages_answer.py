"""Anthropic Messages answers, streamed and whole: read into events, and written from them."""

from typing import Any

from proxy.dialects.anthropic_messages import counts
from proxy.dialects.dialect import merged
from proxy.translation.ends import FROM_MESSAGES, TO_MESSAGES
from proxy.translation.errors import failure_in
from proxy.translation.neutral import (
    Answer,
    ArgumentsDelta,
    BlockEnd,
    Context,
    Done,
    Event,
    Part,
    Refusal,
    RefusalDelta,
    Seal,
    Sealed,
    Start,
    Stop,
    StopReason,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tokens,
    ToolStart,
    ToolUse,
)
from proxy.translation.shapes import (
    count_in,
    dict_in,
    dumps,
    json_text,
    list_in,
    loads,
    object_from,
    text_in,
)
from proxy.translation.thinking import ANTHROPIC_FAMILY, packed


class Reader:
    """Reads the events of a stream."""

    def __init__(self) -> None:
        self._usage: dict[str, Any] | None = None
        self._skips = False

    def event(self, _name: str, data: bytes) -> list[Event]:
        """Return what an event says. Raises msgspec.DecodeError when it is not JSON."""
        event = dict_in(loads(data))
        kind = event.get("type")
        if kind == "content_block_delta":
            return [] if self._skips else _delta(dict_in(event.get("delta")))
        if kind == "content_block_start":
            block = dict_in(event.get("content_block"))
            self._skips = block.get("type") not in _READ
            return [BlockEnd(), *_block(block, is_start=True)]
        if kind == "content_block_stop":
            self._skips = False
            return [BlockEnd()]
        if kind == "message_start":
            message = dict_in(event.get("message"))
            start = Start(text_in(message.get("id")), text_in(message.get("model")))
            return [start, *self._tokens(message.get("usage"))]
        if kind == "message_delta":
            delta = dict_in(event.get("delta"))
            return [*self._tokens(event.get("usage")), *_stop(delta)]
        if kind == "message_stop":
            return [Done()]
        return [failure_in(event)] if kind == "error" else []

    def end(self) -> list[Event]:
        """Return what the end of the body says."""
        return [Done()]

    def _tokens(self, usage: object) -> list[Event]:
        self._usage = merged(self._usage, usage)
        return [tokens_of(self._usage)] if self._usage else []


_READ = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})


def _delta(delta: dict[str, Any]) -> list[Event]:
    kind = delta.get("type")
    if kind == "text_delta":
        return [TextDelta(text_in(delta.get("text")))]
    if kind == "input_json_delta":
        return [ArgumentsDelta(text_in(delta.get("partial_json")))]
    if kind == "thinking_delta":
        return [ThinkingDelta(text_in(delta.get("thinking")))]
    if kind == "signature_delta":
        return _signed(delta)
    return []


def _signed(value: dict[str, Any]) -> list[Event]:
    signature = text_in(value.get("signature"))
    return [Sealed(Seal(ANTHROPIC_FAMILY, signature))] if signature else []


def _block(block: dict[str, Any], is_start: bool) -> list[Event]:
    kind = block.get("type")
    if kind == "text":
        return [TextDelta(text_in(block.get("text")))]
    if kind == "thinking":
        return [ThinkingDelta(text_in(block.get("thinking"))), *_signed(block)]
    if kind == "redacted_thinking":
        return [Sealed(Seal(ANTHROPIC_FAMILY, text_in(block.get("data")), True))]
    if kind != "tool_use":
        return []
    start = ToolStart(text_in(block.get("id")), text_in(block.get("name")))
    arguments = block.get("input")
    if is_start and not arguments:
        return [start]
    return [start, ArgumentsDelta(json_text(dict_in(arguments)))]


def _stop(delta: dict[str, Any]) -> list[Event]:
    reason = delta.get("stop_reason")
    if not isinstance(reason, str):
        return []
    return [Stop(FROM_MESSAGES.get(reason, StopReason.END), text_in(delta.get("stop_sequence")))]


def tokens_of(usage: dict[str, Any]) -> Tokens:
    """Return the counts of a usage object."""
    told = counts(usage)
    return Tokens(
        told.input_tokens or 0,
        told.output_tokens or 0,
        told.cache_read_tokens,
        told.cache_write_tokens,
        told.cache_write_1h_tokens,
        count_in(dict_in(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def read_whole(body: dict[str, Any]) -> list[Event]:
    """Return the events of a whole answer."""
    events: list[Event] = [Start(text_in(body.get("id")), text_in(body.get("model")))]
    for block in list_in(body.get("content")):
        events += [*_block(dict_in(block), is_start=False), BlockEnd()]
    if isinstance(body.get("usage"), dict):
        events.append(tokens_of(body["usage"]))
    return [*events, *_stop(body), Done()]


class Writer:
    """Writes the events of a stream from ordered events.

    One ``message_start`` opens it; blocks are numbered without gaps and no delta is outside of one; one
    ``message_delta`` and ``message_stop`` end it, an error alone does not.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._start: Start | None = None
        self._has_begun = False
        self._index = -1
        self._is_open = False
        self._hides = False
        self._stop = Stop(StopReason.END)
        self._tokens = Tokens()

    def write(self, event: Event) -> bytes:
        """Return the bytes that say an event."""
        if isinstance(event, Start):
            self._start = event
            return b""
        if isinstance(event, Tokens):
            self._tokens = event
            return b""
        begun = self._begun()
        if isinstance(event, TextDelta | RefusalDelta):
            return begun + self._delta("text", {"type": "text_delta", "text": event.text})
        if isinstance(event, ThinkingDelta):
            if not self._context.shows_thinking:
                return begun
            return begun + self._delta(
                "thinking", {"type": "thinking_delta", "thinking": event.text}
            )
        if isinstance(event, Sealed):
            return begun + self._sealed(event.seal)
        if isinstance(event, ToolStart):
            return begun + self._tool(event)
        if isinstance(event, ArgumentsDelta):
            delta = {"type": "input_json_delta", "partial_json": event.text}
            return begun + self._delta("tool_use", delta)
        if isinstance(event, BlockEnd):
            return begun + self._closed()
        if isinstance(event, Stop):
            self._stop = event
        elif isinstance(event, Done):
            return begun + self._ended()
        return begun

    def error(self, code: str, message: str, kind: str = "api_error") -> bytes:
        """Return the events that end a broken stream: the open block is closed, the message is not."""
        error = {"type": kind, "code": code, "message": message, "param": None}
        return self._closed() + _framed("error", {"error": error})

    def _begun(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        start = self._start or Start()
        message = {
            **_message(start.id, self._context),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": written_usage(self._tokens),
        }
        return _framed("message_start", {"message": message})

    def _opened(self, block: dict[str, Any]) -> bytes:
        self._index += 1
        self._is_open = True
        return _framed("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, kind: str, delta: dict[str, Any]) -> bytes:
        opened = b"" if self._is_open else self._opened(_EMPTY[kind])
        return opened + _framed("content_block_delta", {"index": self._index, "delta": delta})

    def _closed(self) -> bytes:
        if not self._is_open:
            return b""
        self._is_open = False
        return _framed("content_block_stop", {"index": self._index})

    def _sealed(self, seal: Seal) -> bytes:
        value = packed(seal, ANTHROPIC_FAMILY)
        if seal.is_whole:
            return self._opened({"type": "redacted_thinking", "data": value})
        return self._delta("thinking", {"type": "signature_delta", "signature": value})

    def _tool(self, event: ToolStart) -> bytes:
        before = b""
        if event.seal is not None:
            # A call can't be signed here; the thinking before it can, and clients send it back unaltered.
            before = self._sealed(event.seal) + self._closed()
        context = self._context
        block = {
            "type": "tool_use",
            "id": event.id or f"toolu_{context.answer_id}_{self._index + 1}",
            "name": context.names.get(event.name, event.name),
            "input": {},
        }
        return before + self._opened(block)

    def _ended(self) -> bytes:
        delta = {
            "stop_reason": TO_MESSAGES[self._stop.reason],
            "stop_sequence": self._stop.sequence or None,
        }
        members: dict[str, Any] = {"delta": delta, "usage": written_usage(self._tokens)}
        if self._context.dropped:
            members["extra_fields"] = {"params_dropped": list(self._context.dropped)}
        return _framed("message_delta", members) + _framed("message_stop", {})


_EMPTY: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
    "tool_use": {"type": "tool_use", "id": "", "name": "", "input": {}},
}


def _framed(kind: str, members: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), dumps({"type": kind, **members}))


def _message(answer_id: str, context: Context) -> dict[str, Any]:
    return {
        "id": answer_id or f"msg_{context.answer_id}",
        "type": "message",
        "role": "assistant",
        "model": context.model,
    }


def written_usage(tokens: Tokens) -> dict[str, Any]:
    """Return a usage object; its input tokens exclude the cached ones."""
    usage: dict[str, Any] = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write + tokens.cache_write_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "output_tokens": tokens.output,
    }
    if tokens.cache_write_1h:
        usage["cache_creation"] = {
            "ephemeral_5m_input_tokens": tokens.cache_write,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        }
    return usage


def write_whole(answer: Answer, context: Context) -> dict[str, Any]:
    """Return the body of a whole answer."""
    content: list[dict[str, Any]] = []
    for part in answer.parts:
        content += _blocks(part, len(content), context)
    body = {
        **_message(answer.id, context),
        "content": content,
        "stop_reason": TO_MESSAGES[answer.stop.reason],
        "stop_sequence": answer.stop.sequence or None,
        "usage": written_usage(answer.tokens or Tokens()),
    }
    if context.dropped:
        body["extra_fields"] = {"params_dropped": list(context.dropped)}
    return body


def _blocks(part: Part, number: int, context: Context) -> list[dict[str, Any]]:
    if isinstance(part, Text | Refusal):
        return [{"type": "text", "text": part.text}]
    if isinstance(part, Thinking):
        return _thought(part.text if context.shows_thinking else "", part.seal)
    if not isinstance(part, ToolUse):
        return []
    signed = [] if part.seal is None else _thought("", part.seal)
    call = {
        "type": "tool_use",
        "id": part.id or f"toolu_{context.answer_id}_{number + len(signed)}",
        "name": context.names.get(part.name, part.name),
        "input": object_from(part.arguments),
    }
    return [*signed, call]


def _thought(text: str, seal: Seal | None) -> list[dict[str, Any]]:
    value = "" if seal is None else packed(seal, ANTHROPIC_FAMILY)
    if seal is not None and seal.is_whole:
        return [{"type": "redacted_thinking", "data": value}]
    return [{"type": "thinking", "thinking": text, "signature": value}] if text or value else []
