"""Anthropic Messages on the wire: request fields, events, usage with its cache classes."""

from typing import Any

import msgspec

from proxy.dialects.dialect import (
    UNREADABLE,
    Ask,
    Counts,
    Dialect,
    Reading,
    merged,
    text_bytes,
    token_count,
)
from proxy.dialects.error_forms import ANTHROPIC_ERRORS
from proxy.dialects.request_fields import check_request, refused_json
from rules.surcharges import FAST

_GENERATED = ("text", "thinking", "partial_json")
"""The fields of a delta that hold generated text; signatures and citations are not billed as such."""


class _Request(msgspec.Struct, gc=False):
    model: str = ""
    messages: msgspec.Raw = msgspec.Raw()
    stream: Any = None
    max_tokens: Any = None
    speed: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    message: Any = None
    delta: Any = None
    usage: Any = None
    error: Any = None


class _Answer(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    content: msgspec.Raw = msgspec.Raw()
    stop_reason: Any = None
    usage: Any = None


_request = msgspec.json.Decoder(_Request)
_event = msgspec.json.Decoder(_Event)
_answer = msgspec.json.Decoder(_Answer)


def read_request(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request or missing_model."""
    try:
        request = _request.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_request(request.model, request.messages, "messages")
    limit = request.max_tokens
    return Ask(
        request.model,
        request.stream is True,
        None if limit is None else token_count(limit),
        asks_usage=True,
        tier=FAST if request.speed == FAST else "",
    )


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event. Raises one of UNREADABLE when it is not JSON."""
    event = _event.decode(data)
    kind = event.type
    if kind == "content_block_delta":
        reading.visible_bytes += _generated_bytes(event.delta)
    elif kind == "message_delta":
        reading.usage = merged(reading.usage, event.usage)
        if isinstance(event.delta, dict):
            reading.stopped(event.delta.get("stop_reason"))
    elif kind == "message_stop":
        reading.is_terminal = reading.may_end = True
    elif kind == "message_start" and isinstance(event.message, dict):
        _note_names(event.message.get("model"), event.message.get("id"), reading)
        reading.usage = merged(reading.usage, event.message.get("usage"))
    elif kind == "error":
        reading.error_code = _error_code(event.error)


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON."""
    answer = _answer.decode(data)
    _note_names(answer.model, answer.id, reading)
    reading.stopped(answer.stop_reason)
    if isinstance(answer.usage, dict):
        reading.usage = answer.usage
        return
    blocks = msgspec.json.decode(answer.content) if bytes(answer.content) else []
    if isinstance(blocks, list):
        reading.visible_bytes = sum(map(_generated_bytes, blocks))


def _note_names(model: object, answer_id: object, reading: Reading) -> None:
    reading.model = model if isinstance(model, str) else reading.model
    reading.answer_id = answer_id if isinstance(answer_id, str) else reading.answer_id


def _generated_bytes(part: object) -> int:
    if not isinstance(part, dict):
        return 0
    total = sum(text_bytes(part.get(name)) for name in _GENERATED)
    if part.get("input"):
        total += len(msgspec.json.encode(part["input"]))
    return total


def _error_code(error: object) -> str:
    kind = error.get("type") if isinstance(error, dict) else None
    return kind[:64] if isinstance(kind, str) and kind else "provider_error"


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object; its input excludes what was cached."""
    split = usage.get("cache_creation")
    split = split if isinstance(split, dict) else {}
    long = token_count(split.get("ephemeral_1h_input_tokens")) or 0
    short = token_count(split.get("ephemeral_5m_input_tokens"))
    total = token_count(usage.get("cache_creation_input_tokens"))
    if total is None:
        total = long + (short or 0)
    is_consistent = long <= total if short is None else long + short == total
    if short is None:
        short = max(total - long, 0)
    # What neither lifetime explains is billed at the dearer one.
    long += max(total - long - short, 0)
    return Counts(
        token_count(usage.get("input_tokens")),
        token_count(usage.get("output_tokens")),
        token_count(usage.get("cache_read_input_tokens")) or 0,
        short,
        long,
        is_consistent,
    )


ANTHROPIC_MESSAGES = Dialect(
    "anthropic_messages", read_request, read_event, read_body, counts, ANTHROPIC_ERRORS
)
