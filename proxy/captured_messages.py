"""Turns a request and its answer into messages in OpenTelemetry's form, redacted and cut to size. Pure.

The readers are those of the translations, so every dialect they know is kept part by part; of any other the
body is kept as one text. Images, documents and sounds are named and measured, never kept.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from core.fault import Refused
from proxy.dialects.dialect import UNREADABLE
from proxy.dialects.event_stream import EventSplitter, data_of
from proxy.translation.lane import CLIENT_SIDES, WIRE_SIDES
from proxy.translation.neutral import (
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from proxy.translation.rules import GEMINI, RESPONSES, Notes
from proxy.translation.sequence import Sequencer, fold
from rules.captured_parts import (
    TOOL_WORDS,
    UNSORTED,
    Message,
    dropped_message,
    dropped_part,
    without,
)
from rules.cleaning import IDLE, Cleaner
from rules.privacy import INPUT, OUTPUT, SYSTEM

MAX_SIDE_BYTES = 32 * 1024
"""What is kept of the question, and of the answer."""
_MAX_EVENT_BYTES = 8 * 1024 * 1024
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_CUT = "…"
_MOST_CHARACTERS, _NEAR_CUT_CHARACTERS = 64 * 1024, 8 * 1024
Redact = Callable[[str], str]


class Kept(NamedTuple):
    """JSON texts of what is kept; empty where there was nothing."""

    input: str = ""
    output: str = ""
    system: str = ""
    is_cut: bool = False


class Exchange(NamedTuple):
    """What passed between the client and the gateway, in the client's dialect."""

    dialect: str
    request: bytes
    answer: bytes
    is_streamed: bool


def kept(exchange: Exchange, redact: Redact, privacy: Cleaner = IDLE) -> Kept:
    """Return what is kept of an exchange. Raises whatever ``redact`` raises: what can't be made safe isn't kept."""
    drops = privacy.drops
    if drops >= {INPUT, SYSTEM}:
        system, asked = [dropped_part()], [dropped_message("user")]
    else:
        system, asked = _asked(exchange)
    answered = [] if OUTPUT in drops else _answered(exchange)
    if drops:
        system = [dropped_part()] if system and SYSTEM in drops else system
        asked = [dropped_message("user")] if INPUT in drops else without(asked, drops)
        answered = [dropped_message("assistant")] if OUTPUT in drops else without(answered, drops)
    room = _Room(redact, privacy)
    system_text = room.written(system)
    # The newest messages tell the most, and an agent's oldest ones were kept with earlier calls.
    input_text = room.written(asked, is_newest_first=True)
    output_text = room.written(answered)
    return Kept(input_text, output_text, system_text, room.is_cut)


class _Room:
    """Redacts and cuts to size."""

    def __init__(self, redact: Redact, privacy: Cleaner) -> None:
        self.is_cut = False
        self._redact = redact if privacy.is_idle else lambda text: redact(privacy.text(text))
        self._privacy = privacy

    def written(self, messages: list[Message], is_newest_first: bool = False) -> str:
        """Return messages as JSON within the limit; those that no longer fit are left out, or cut short."""
        found: list[Message] = []
        left_bytes = MAX_SIDE_BYTES
        for message in reversed(messages) if is_newest_first else messages:
            safe = self._safe(self._with_dropped_fields(message))
            size = len(msgspec.json.encode(safe))
            if size > left_bytes:
                self.is_cut = True
                safe = _shortened(safe, left_bytes)
                size = len(msgspec.json.encode(safe))
                if size > left_bytes:
                    break
            found.append(safe)
            left_bytes -= size + 1
        if is_newest_first:
            found.reverse()
        return msgspec.json.encode(found).decode() if found else ""

    def _with_dropped_fields(self, message: Message) -> Message:
        """Replace the fields that privacy names, wherever a part of a message is a text of JSON or an object."""
        if self._privacy.is_idle or "parts" not in message:
            return message
        return message | {"parts": [self._part(part) for part in message["parts"]]}

    def _part(self, part: Message) -> Message:
        found = {}
        for name in (*TOOL_WORDS, "content"):
            value = part.get(name)
            if isinstance(value, str):
                found[name] = self._privacy.json_text(value)
            elif value is not None:
                found[name] = self._privacy.value(value)
        return part | found

    def _safe(self, value: Any) -> Any:
        if isinstance(value, str):
            if len(value) <= _MOST_CHARACTERS:
                return self._redact(value)
            # Most of it would be cut off anyway. A secret that this cut halves may not be known as one, so
            # what is near the cut goes as well.
            self.is_cut = True
            return self._redact(value[:_MOST_CHARACTERS])[:-_NEAR_CUT_CHARACTERS] + _CUT
        if isinstance(value, list):
            return [self._safe(entry) for entry in value]
        if isinstance(value, dict):
            return {str(self._redact(str(k))): self._safe(v) for k, v in value.items()}
        return value


def _shortened(message: Message, left_bytes: int) -> Message:
    """Return a message with its texts cut, each to an equal share of what is left."""
    parts = message.get("parts")
    if not isinstance(parts, list):
        return _short(message, left_bytes // 8)
    share = left_bytes // (6 * max(1, len(parts)))
    return message | {"parts": [_short(part, share) for part in parts]}


def _short(part: Message, most_characters: int) -> Message:
    return {
        name: value[:most_characters] + _CUT
        if isinstance(value, str) and len(value) > max(most_characters, 64)
        else (value if isinstance(value, str | int | float | bool | None) else _CUT)
        for name, value in part.items()
    }


def _asked(exchange: Exchange) -> tuple[list[Message], list[Message]]:
    side = CLIENT_SIDES.get(exchange.dialect)
    if side is not None:
        try:
            body = msgspec.json.decode(exchange.request)
            talk = side.read(body, Notes(exchange.dialect, GEMINI))
        except (*UNREADABLE, Refused, TypeError, ValueError, AttributeError, KeyError):
            # A form that only the provider knows; it is kept as a text.
            pass
        else:
            system = [_part(text) for text in talk.system]
            messages = [{"role": m.role, "parts": _parts(m.parts)} for m in talk.messages]
            return system, messages
    return [], _whole("user", exchange.request)


def _answered(exchange: Exchange) -> list[Message]:
    if not exchange.answer:
        return []
    try:
        found = _responses(exchange) if exchange.dialect == RESPONSES else _folded(exchange)
    except (*UNREADABLE, TypeError, ValueError, AttributeError, KeyError):
        found = []
    return found or _whole("assistant", exchange.answer)


def _folded(exchange: Exchange) -> list[Message]:
    side = WIRE_SIDES.get(exchange.dialect)
    if side is None:
        return []
    sequencer = Sequencer()
    if exchange.is_streamed:
        reader = side.reader()
        events = [e for n, data in _events(exchange.answer) for e in reader.event(n, data)]
        told = sequencer.take([*events, *reader.end()])
    else:
        told = sequencer.take(side.read_whole(msgspec.json.decode(exchange.answer)))
    answer = fold(told)
    if not answer.parts:
        return []
    message = {"role": "assistant", "parts": _parts(answer.parts)}
    return [message | {"finish_reason": str(answer.stop.reason)}]


def _responses(exchange: Exchange) -> list[Message]:
    """OpenAI's responses tell the whole answer once more at their end."""
    answer: Any = None
    if exchange.is_streamed:
        for _, data in _events(exchange.answer):
            event = msgspec.json.decode(data)
            if event.get("type") in _ENDS:
                answer = event.get("response")
    else:
        answer = msgspec.json.decode(exchange.answer)
    parts: list[Message] = []
    for item in (answer or {}).get("output") or ():
        kind = item.get("type")
        if kind == "message":
            texts = (c.get("text") or c.get("refusal") or "" for c in item.get("content") or ())
            parts += [{"type": "text", "content": text} for text in texts]
        elif kind == "reasoning":
            texts = (s.get("text") or "" for s in item.get("summary") or ())
            parts += [{"type": "reasoning", "content": text} for text in texts]
        elif kind in ("function_call", "custom_tool_call"):
            called = {"id": item.get("call_id"), "name": item.get("name")}
            arguments = item.get("arguments") or item.get("input")
            parts.append({"type": "tool_call", **called, "arguments": arguments})
        else:
            parts.append({"type": str(kind)})
    if not parts:
        return []
    return [{"role": "assistant", "parts": parts, "finish_reason": str(answer.get("status"))}]


def _events(stream: bytes) -> Iterable[tuple[str, bytes]]:
    splitter = EventSplitter(_MAX_EVENT_BYTES)
    for event in (*splitter.feed(stream), splitter.tail):
        data = data_of(event)
        if data is None or not data.strip():
            continue
        names = [line[6:].strip() for line in event.splitlines() if line.startswith(b"event:")]
        yield names[0].decode("utf-8", "replace") if names else "", data


def _whole(role: str, body: bytes) -> list[Message]:
    text = body[: 4 * MAX_SIDE_BYTES].decode("utf-8", "replace")
    return [{"role": role, "parts": [{"type": "text", "content": text, UNSORTED: True}]}]


def _parts(parts: Iterable[Part]) -> list[Message]:
    return [_part(part) for part in parts]


def _part(part: Part) -> Message:
    if isinstance(part, Text | Refusal):
        return {"type": "text", "content": part.text}
    if isinstance(part, Thinking):
        return {"type": "reasoning", "content": part.text}
    if isinstance(part, ToolUse):
        called = {"type": "tool_call", "id": part.id, "name": part.name}
        return called | {"arguments": part.arguments}
    if isinstance(part, ToolResult):
        return {"type": "tool_call_response", "id": part.id, "result": _parts(part.parts)}
    return _media(part)


def _media(part: Media) -> Message:
    if part.text:
        return {"type": "text", "content": part.text}
    found: Message = {"type": "uri" if part.url else "blob", "modality": part.kind}
    if part.media_type:
        found["mime_type"] = part.media_type
    if part.url:
        # An address may carry a signature that opens what it points at.
        return found | {"uri": part.url.partition("?")[0][:500]}
    return found | {"base64_characters": len(part.data)}
