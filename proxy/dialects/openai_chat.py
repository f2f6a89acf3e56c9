"""OpenAI chat completions on the wire: request fields, chunks, usage. Also spoken by custom endpoints."""

from typing import Any

import msgspec

from core.fault import Fault, Refused
from proxy.dialects.dialect import (
    UNREADABLE,
    Ask,
    Counts,
    Dialect,
    Reading,
    detail_count,
    merged,
    prompt_and_output,
    text_bytes,
    token_count,
)
from proxy.dialects.request_fields import check_request, refused_json

DONE = b"[DONE]"


class _Request(msgspec.Struct, gc=False):
    model: str = ""
    messages: msgspec.Raw = msgspec.Raw()
    stream: Any = None
    stream_options: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None


class _Answer(msgspec.Struct, gc=False):
    """A chunk of a stream."""

    id: Any = None
    model: Any = None
    choices: Any = None
    usage: Any = None
    error: Any = None


class _Whole(msgspec.Struct, gc=False):
    """A whole answer, of which the text is looked at only when the usage is missing."""

    id: Any = None
    model: Any = None
    usage: Any = None
    choices: msgspec.Raw = msgspec.Raw()


_request = msgspec.json.Decoder(_Request)
_answer = msgspec.json.Decoder(_Answer)
_whole = msgspec.json.Decoder(_Whole)


def read_request(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request or missing_model."""
    try:
        request = _request.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_request(request.model, request.messages, "chat")
    limit, options = request.max_completion_tokens, request.stream_options
    if limit is None:
        limit = request.max_tokens
    return Ask(
        request.model,
        request.stream is True,
        None if limit is None else token_count(limit),
        None if options is None else asks_usage(options),
    )


def asks_usage(options: object) -> bool | None:
    """Return what ``stream_options`` says of usage; None when it says nothing. Raises Refused."""
    if options is None:
        return None
    if not isinstance(options, dict):
        raise Refused(Fault.BAD_REQUEST, "`stream_options` must be an object.")
    asked = options.get("include_usage")
    return None if asked is None else asked is not False


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event. Raises one of UNREADABLE when it is not JSON."""
    if data.strip() == DONE:
        reading.is_terminal = reading.may_end = True
        return
    chunk = _answer.decode(data)
    if chunk.error is not None:
        reading.error_code = error_code(chunk.error)
    _note_names(chunk, reading)
    if chunk.usage is not None:
        reading.usage = merged(reading.usage, chunk.usage)
    if isinstance(chunk.choices, list):
        for choice in chunk.choices:
            if isinstance(choice, dict):
                reading.visible_bytes += _message_bytes(choice.get("delta"))
                reading.may_end = reading.may_end or choice.get("finish_reason") is not None


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON."""
    answer = _whole.decode(data)
    _note_names(answer, reading)
    if isinstance(answer.usage, dict):
        reading.usage = answer.usage
        return
    choices = msgspec.json.decode(answer.choices) if bytes(answer.choices) else []
    if isinstance(choices, list):
        reading.visible_bytes = sum(
            _message_bytes(choice.get("message")) for choice in choices if isinstance(choice, dict)
        )


def _note_names(answer: _Answer | _Whole, reading: Reading) -> None:
    if not reading.model and isinstance(answer.model, str):
        reading.model = answer.model
    if not reading.answer_id and isinstance(answer.id, str):
        reading.answer_id = answer.id


def _message_bytes(message: object) -> int:
    if not isinstance(message, dict):
        return 0
    total = 0
    for name, value in message.items():
        if name == "tool_calls" and isinstance(value, list):
            total += sum(map(_call_bytes, value))
        elif name != "role":
            total += text_bytes(value)
    return total


def _call_bytes(call: object) -> int:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return 0
    return text_bytes(function.get("name")) + text_bytes(function.get("arguments"))


def error_code(error: object) -> str:
    """Return the code of an error object of OpenAI's, or its type."""
    if isinstance(error, dict):
        for name in ("code", "type"):
            if isinstance(error.get(name), str) and error[name]:
                return str(error[name])[:64]
    return "provider_error"


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object; its prompt total includes cached tokens."""
    return prompt_and_output(
        token_count(usage.get("prompt_tokens")),
        token_count(usage.get("completion_tokens")),
        token_count(usage.get("total_tokens")),
        detail_count(usage, "prompt_tokens_details", "cached_tokens"),
        detail_count(usage, "prompt_tokens_details", "cache_write_tokens"),
    )


OPENAI_CHAT = Dialect("openai_chat", read_request, read_event, read_body, counts)
