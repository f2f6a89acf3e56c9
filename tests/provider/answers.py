"""What the fake provider answers: a request and a behaviour in, the exact bytes and counts out.

Pure: no socket, no clock. What generates nothing is in `other_answers.py`.
"""

import random
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tests.provider.behaviour import Behaviour
from tests.provider.dialects import GEMINI, Dialect
from tests.provider.exchanges import Exchange, Template, Variant, read
from tests.provider.request import Request

# Non-ASCII, an escape and an emoji on purpose: a relay that decodes or re-encodes is found out.
WORDS = [
    w.encode()
    for w in ("Grüezi", " –", " a", " calm", " 日本", " line", "\\n", "and", " 🦉", " more")
]
PADS = [b"", b"q", b"Z3", b"f0K", b"xx9a", b"Lm2p7"]
CREATED = b"1795219200"


@dataclass(slots=True)
class Answer:
    """What to write: a body, or the events of a stream."""

    status: int
    head: bytes  # status line and headers, without framing and without the empty line
    body: bytes = b""
    events: list[bytes] | None = None
    answer_id: str = ""
    counted: dict[str, int] = field(default_factory=dict)
    lead_events: int = 0  # events before the first with text
    text_events: int = 0
    error_event: bytes = b""

    def counted_after(self, events: int) -> dict[str, int]:
        """What the provider bills when only the first `events` events were sent."""
        if not self.counted or not self.text_events:
            return self.counted
        told = min(max(events - self.lead_events, 0), self.text_events)
        completion = self.counted["completion"] * told // self.text_events
        return {**self.counted, "completion": completion}


def answer(dialect: Dialect, request: Request, behaviour: Behaviour) -> Answer:
    """The answer to a generation request, streamed if it asks for a stream."""
    if behaviour.status != 200:
        return error(dialect, behaviour)
    asked = request.json
    if not isinstance(asked, dict) or not any(asked.get(name) for name in dialect.asks):
        return error(dialect, Behaviour(status=400))
    streamed = request.streams
    tools = behaviour.tool_calls or int(_forces_a_tool(asked))
    exchange = read(
        dialect.provider,
        (dialect.stream if streamed else dialect.plain)
        + ("_tools" if tools else "_thinking" if behaviour.thinking and dialect.thinks else ""),
        Variant(tools, dialect.first_tool_index, not behaviour.no_usage),
    )
    counted = count(request, behaviour)
    values = values_of(dialect, request, behaviour, counted)
    answer_id = values[b"id"].decode()
    if not streamed:
        values[b"text"] = text_of(behaviour)
        body = exchange.body.render(values)
        return Answer(200, exchange.head.render(values), body, None, answer_id, counted)
    made = _streamed(dialect, exchange, values, (behaviour, counted))
    return google_framed(made, request) if dialect is GEMINI else made


def _streamed(
    dialect: Dialect,
    exchange: Exchange,
    values: dict[bytes, bytes],
    script: tuple[Behaviour, dict[str, int]],
) -> Answer:
    behaviour, counted = script
    events: list[bytes] = []
    lead, texts = 0, 0
    for event in exchange.events:
        if event.asks_for(b"prompt") and values.get(b"usage_null") == b"":
            continue  # OpenAI sends the usage event only to those who asked
        if not event.asks_for(b"text"):
            _number(values, len(events))
            events.append(event.render(values))
            continue
        lead, texts = len(events), behaviour.chunks
        events += _repeated(event, values, texts, lead)
    return Answer(
        status=200,
        head=exchange.head.render(values),
        events=events,
        answer_id=values[b"id"].decode(),
        counted=counted,
        lead_events=lead,
        text_events=texts,
        error_event=dialect.error_event,
    )


def google_framed(made: Answer, request: Request) -> Answer:
    """The stream as Google frames it: events with CRLF, or one array without `alt=sse`."""
    events = made.events or []
    if request.query.get("alt") == "sse":
        made.events = [event.replace(b"\n\n", b"\r\n\r\n") for event in events]
        return made
    made.head = made.head.replace(b"text/event-stream", b"application/json; charset=UTF-8")
    elements = [event.removeprefix(b"data: ").rstrip() for event in events]
    made.events = [b"[" + elements[0], *(b"\n,\r\n" + element for element in elements[1:])]
    made.events[-1] += b"\n]\n"
    failed = made.error_event.removeprefix(b"data: ").rstrip()
    made.error_event = b",\r\n" + failed + b"]"
    return made


def _number(values: dict[bytes, bytes], number: int) -> None:
    values[b"seq"] = b"%d" % number
    values[b"pad"] = PADS[number % len(PADS)]


def _repeated(event: Template, values: dict[bytes, bytes], times: int, first: int) -> list[bytes]:
    made = []
    for number in range(times):
        values[b"text"] = WORDS[number % len(WORDS)]
        _number(values, first + number)
        made.append(event.render(values))
    return made


def count_tokens(dialect: Dialect, name: str, request: Request, behaviour: Behaviour) -> Answer:
    """An answer that counts a request and generates nothing."""
    if behaviour.status != 200:
        return error(dialect, behaviour)
    prompt = count(request, behaviour)["prompt"]
    return plain(dialect, name, {b"prompt": b"%d" % prompt})


def models(dialect: Dialect, behaviour: Behaviour) -> Answer:
    """The provider's list of models."""
    return error(dialect, behaviour) if behaviour.status != 200 else plain(dialect, "models", {})


def error(dialect: Dialect, behaviour: Behaviour) -> Answer:
    """The provider's own error body and headers for `behaviour.status`."""
    status = behaviour.status
    kind, code, message = dialect.error_kinds.get(status) or dialect.error_kinds[0]
    values = {
        b"status": b"%d" % status,
        b"reason": _reason(status),
        b"type": kind.encode(),
        b"code": code.encode(),
        b"message": message.encode(),
    }
    made = plain(dialect, "error", values)
    made.status = status
    for name, value in (
        (b"retry-after", behaviour.retry_after),
        (b"x-should-retry", behaviour.should_retry),
    ):
        if value:
            made.head += name + b": " + value.encode() + b"\r\n"
    return made


def plain(dialect: Dialect, name: str, values: dict[bytes, bytes], usage: bool = True) -> Answer:
    """The exchange of that name with these values in it."""
    exchange = read(dialect.provider, name, Variant(usage=usage))
    values[b"request_id"] = dialect.request_prefix.encode() + unique_id()
    return Answer(200, exchange.head.render(values), exchange.body.render(values))


def values_of(
    dialect: Dialect, request: Request, behaviour: Behaviour, counted: dict[str, int]
) -> dict[bytes, bytes]:
    """What stands in the gaps of an exchange."""
    unique = unique_id()
    names = _tool_names(request.json if isinstance(request.json, dict) else {})
    values = {
        b"id": dialect.answer_prefix.encode() + unique,
        b"unique": unique,
        b"full_text": text_of(behaviour),
        b"request_id": dialect.request_prefix.encode() + unique,
        b"created": CREATED,
        b"model": request.model.partition("#")[0].encode(),
        b"prompt": b"%d" % counted["prompt"],
        b"completion": b"%d" % counted["completion"],
        b"total": b"%d" % (counted["prompt"] + counted["completion"]),
        b"cached": b"%d" % counted["cached"],
        b"cache_write": b"%d" % behaviour.cache_write,
        b"reasoning": b"%d" % counted["reasoning"],
        b"answered": b"%d" % max(0, counted["completion"] - counted["reasoning"]),
    }
    for number in range(behaviour.tool_calls or 1):
        values[b"tool_name_%d" % number] = names[number % len(names)]
        values[b"call_id_%d" % number] = b"%b%b%02d" % (
            dialect.call_prefix.encode(),
            unique[:20],
            number,
        )
    values.update(dialect.values(behaviour, request))
    return values


def count(request: Request, behaviour: Behaviour) -> dict[str, int]:
    """Deterministic counts: four bytes a prompt token, one token a chunk, unless scripted."""
    prompt, completion = behaviour.prompt, behaviour.completion
    return {
        "prompt": prompt if prompt >= 0 else max(1, len(request.body) // 4),
        "completion": completion if completion >= 0 else behaviour.chunks,
        "cached": behaviour.cached,
        "cache_write": behaviour.cache_write,
        "reasoning": behaviour.reasoning,
    }


def text_of(behaviour: Behaviour) -> bytes:
    """The text of an unstreamed answer."""
    text = b"".join(WORDS[number % len(WORDS)] for number in range(behaviour.chunks))
    return (
        text + b" lorem" * max(0, (behaviour.body_bytes - len(text)) // 6 + 1)
        if (behaviour.body_bytes)
        else text
    )


def _forces_a_tool(asked: dict[str, Any]) -> bool:
    choice = asked.get("tool_choice")
    if isinstance(choice, dict):
        choice = choice.get("type")
    config = asked.get("toolConfig") or asked.get("tool_config") or {}
    mode = (config.get("functionCallingConfig") or {}).get("mode", "")
    is_forced = choice in ("required", "any", "tool", "function") or mode.upper() == "ANY"
    return bool(asked.get("tools")) and is_forced


def _tool_names(asked: dict[str, Any]) -> list[bytes]:
    names = []
    for tool in asked.get("tools") or []:
        declared = tool.get("functionDeclarations") or tool.get("function_declarations")
        names += [
            one["name"] for one in declared or [tool.get("function") or tool] if "name" in one
        ]
    return [name.encode() for name in names] or [b"get_weather"]


def unique_id() -> bytes:
    """Random hex that no other answer has."""
    return b"%029x" % random.getrandbits(116)


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Overloaded" if status == 529 else b"Unknown"
