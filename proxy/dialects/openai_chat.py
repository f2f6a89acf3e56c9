"""OpenAI chat completions on the wire: request fields, and where text stands. Also spoken by custom endpoints."""

from typing import Any

import msgspec

from proxy.dialects.dialect import UNREADABLE, Ask, Dialect, text_bytes, token_count
from proxy.dialects.openai_choices import asks_usage, body_reader, counts, event_reader
from proxy.dialects.request_fields import check_request, refused_json
from rules.surcharges import PRIORITY


class _Request(msgspec.Struct, gc=False):
    model: str = ""
    messages: msgspec.Raw = msgspec.Raw()
    stream: Any = None
    stream_options: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    n: Any = None
    service_tier: Any = None


_request = msgspec.json.Decoder(_Request)


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
        answers=1 if request.n is None else token_count(request.n) or 1,
        tier=PRIORITY if request.service_tier == PRIORITY else "",
    )


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


OPENAI_CHAT = Dialect(
    "openai_chat",
    read_request,
    event_reader(lambda choice: _message_bytes(choice.get("delta"))),
    body_reader(lambda choice: _message_bytes(choice.get("message"))),
    counts,
)
