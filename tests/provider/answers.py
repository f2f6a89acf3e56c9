"""What the fake provider answers: a request and a behaviour in, the exact bytes and counts out.

Pure: no socket, no clock. The dialects differ only in the tables and small functions below.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from tests.provider.behaviour import Behaviour
from tests.provider.exchanges import Exchange, Template, Variant, read

# Non-ASCII, an escape and an emoji on purpose: a relay that decodes or re-encodes is found out.
WORDS = [
    w.encode()
    for w in ("Grüezi", " –", " a", " calm", " 日本", " line", "\\n", "and", " 🦉", " more")
]
PADS = [b"", b"q", b"Z3", b"f0K", b"xx9a", b"Lm2p7"]
CREATED = b"1795219200"


@dataclass(slots=True)
class Request:
    """A request as received; `raw_headers` keep the case and order of the wire."""

    method: str
    target: str
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    json: Any = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


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


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where one provider's answers are kept and how its ids and errors look."""

    provider: str
    answer_prefix: str
    request_prefix: str
    call_prefix: str
    plain: str
    stream: str
    first_tool_index: int
    thinks: bool
    error_kinds: Mapping[int, tuple[str, str, str]]  # status -> type, code as JSON, message
    error_event: bytes
    values: Callable[[Behaviour, Request], dict[bytes, bytes]]


def _openai_values(behaviour: Behaviour, request: Request) -> dict[bytes, bytes]:
    told = (request.json.get("stream_options") or {}).get("include_usage") is True
    return {b"usage_null": b',"usage":null' if told and not behaviour.no_usage else b""}


def _anthropic_values(behaviour: Behaviour, _request: Request) -> dict[bytes, bytes]:
    hour = behaviour.cache_write_1h
    return {
        b"cache_write": b"%d" % behaviour.cache_write,
        b"cache_write_1h": b"%d" % hour,
        b"cache_write_5m": b"%d" % (behaviour.cache_write - hour),
    }


_SERVER = "The server had an error while processing your request. Sorry about that!"
OPENAI = Dialect(
    provider="openai",
    answer_prefix="chatcmpl-",
    request_prefix="req_",
    call_prefix="call_",
    plain="chat",
    stream="chat_stream",
    first_tool_index=0,
    thinks=False,
    error_kinds={
        400: ("invalid_request_error", "null", "Unrecognized request argument supplied: flavour"),
        401: ("invalid_request_error", '"invalid_api_key"', "Incorrect API key provided."),
        402: ("insufficient_quota", '"insufficient_quota"', "This account is out of credit."),
        403: ("invalid_request_error", '"unsupported_country_region_territory"', "Not supported."),
        404: ("invalid_request_error", '"model_not_found"', "The model does not exist."),
        429: ("requests", '"rate_limit_exceeded"', "Rate limit reached. Please try again in 7s."),
        503: ("server_error", "null", "The engine is currently overloaded."),
        0: ("server_error", "null", _SERVER),
    },
    error_event=orjson.dumps(
        {"error": {"message": _SERVER, "type": "server_error", "param": None, "code": None}}
    ).join((b"data: ", b"\n\n")),
    values=_openai_values,
)
ANTHROPIC = Dialect(
    provider="anthropic",
    answer_prefix="msg_",
    request_prefix="req_",
    call_prefix="toolu_",
    plain="message",
    stream="message_stream",
    first_tool_index=1,
    thinks=True,
    error_kinds={
        400: ("invalid_request_error", "", "messages: at least one message is required"),
        401: ("authentication_error", "", "invalid x-api-key"),
        402: ("billing_error", "", "Your credit balance is too low."),
        403: ("permission_error", "", "Your API key does not have permission."),
        404: ("not_found_error", "", "model: no such model"),
        413: ("request_too_large", "", "Request exceeds the maximum size"),
        429: ("rate_limit_error", "", "This request would exceed your rate limit."),
        503: ("overloaded_error", "", "Overloaded"),
        529: ("overloaded_error", "", "Overloaded"),
        0: ("api_error", "", "Internal server error"),
    },
    error_event=b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    b'"message":"Overloaded"}}\n\n',
    values=_anthropic_values,
)


def answer(dialect: Dialect, request: Request, behaviour: Behaviour) -> Answer:
    """The answer to a generation request, streamed if it asks for a stream."""
    if behaviour.status != 200:
        return error(dialect, behaviour)
    asked = request.json
    if not isinstance(asked, dict) or not asked.get("messages"):
        return error(dialect, Behaviour(status=400))
    streamed = asked.get("stream") is True
    tools = behaviour.tool_calls or int(_forces_a_tool(asked))
    exchange = read(
        dialect.provider,
        (dialect.stream if streamed else dialect.plain)
        + ("_tools" if tools else "_thinking" if behaviour.thinking and dialect.thinks else ""),
        Variant(tools, dialect.first_tool_index, not behaviour.no_usage),
    )
    counted = _count(request, behaviour)
    values = _values(dialect, request, behaviour, counted)
    answer_id = values[b"id"].decode()
    if not streamed:
        values[b"text"] = _text(behaviour)
        body = exchange.body.render(values)
        return Answer(200, exchange.head.render(values), body, None, answer_id, counted)
    return _streamed(dialect, exchange, values, (behaviour, counted))


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
            values[b"pad"] = PADS[len(events) % len(PADS)]
            events.append(event.render(values))
            continue
        lead, texts = len(events), behaviour.chunks
        events += _repeated(event, values, texts)
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


def _repeated(event: Template, values: dict[bytes, bytes], times: int) -> list[bytes]:
    made = []
    for number in range(times):
        values[b"text"] = WORDS[number % len(WORDS)]
        values[b"pad"] = PADS[number % len(PADS)]
        made.append(event.render(values))
    return made


def count_tokens(request: Request, behaviour: Behaviour) -> Answer:
    """Anthropic's answer to count_tokens."""
    if behaviour.status != 200:
        return error(ANTHROPIC, behaviour)
    prompt = _count(request, behaviour)["prompt"]
    return _plain(ANTHROPIC, "count_tokens", {b"prompt": b"%d" % prompt})


def models(dialect: Dialect, behaviour: Behaviour) -> Answer:
    """The provider's list of models."""
    return error(dialect, behaviour) if behaviour.status != 200 else _plain(dialect, "models", {})


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
    made = _plain(dialect, "error", values)
    made.status = status
    for name, value in (
        (b"retry-after", behaviour.retry_after),
        (b"x-should-retry", behaviour.should_retry),
    ):
        if value:
            made.head += name + b": " + value.encode() + b"\r\n"
    return made


def _plain(dialect: Dialect, name: str, values: dict[bytes, bytes]) -> Answer:
    exchange = read(dialect.provider, name, Variant())
    values[b"request_id"] = dialect.request_prefix.encode() + _unique()
    return Answer(200, exchange.head.render(values), exchange.body.render(values))


def _values(
    dialect: Dialect, request: Request, behaviour: Behaviour, counted: dict[str, int]
) -> dict[bytes, bytes]:
    unique = _unique()
    names = _tool_names(request.json)
    values = {
        b"id": dialect.answer_prefix.encode() + unique,
        b"request_id": dialect.request_prefix.encode() + unique,
        b"created": CREATED,
        b"model": str(request.json.get("model", "")).partition("#")[0].encode(),
        b"prompt": b"%d" % counted["prompt"],
        b"completion": b"%d" % counted["completion"],
        b"total": b"%d" % (counted["prompt"] + counted["completion"]),
        b"cached": b"%d" % counted["cached"],
        b"reasoning": b"%d" % counted["reasoning"],
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


def _count(request: Request, behaviour: Behaviour) -> dict[str, int]:
    """Deterministic counts: four bytes a prompt token, one token a chunk, unless scripted."""
    prompt, completion = behaviour.prompt, behaviour.completion
    return {
        "prompt": prompt if prompt >= 0 else max(1, len(request.body) // 4),
        "completion": completion if completion >= 0 else behaviour.chunks,
        "cached": behaviour.cached,
        "cache_write": behaviour.cache_write,
        "reasoning": behaviour.reasoning,
    }


def _text(behaviour: Behaviour) -> bytes:
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
    return bool(asked.get("tools")) and choice in ("required", "any", "tool", "function")


def _tool_names(asked: dict[str, Any]) -> list[bytes]:
    tools = asked.get("tools") or []
    names = [(tool.get("function") or tool).get("name", "tool").encode() for tool in tools]
    return names or [b"get_weather"]


def _unique() -> bytes:
    return b"%029x" % random.getrandbits(116)


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Overloaded" if status == 529 else b"Unknown"
