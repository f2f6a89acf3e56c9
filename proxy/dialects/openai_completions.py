"""OpenAI's legacy text completions on the wire: a prompt instead of messages, chat's usage and stream."""

from typing import Any

import msgspec

from proxy.dialects.dialect import UNREADABLE, Ask, Dialect, text_bytes, token_count
from proxy.dialects.openai_choices import asks_usage, body_reader, counts, event_reader
from proxy.dialects.request_fields import check_model, refused_json

_DEFAULT_MAX_TOKENS = 16
"""What the API stops at when a request does not say."""


class _Request(msgspec.Struct, gc=False):
    model: str = ""
    stream: Any = None
    stream_options: Any = None
    max_tokens: Any = None
    n: Any = None
    best_of: Any = None


_request = msgspec.json.Decoder(_Request)


def read_request(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request or missing_model."""
    try:
        request = _request.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_model(request.model, "completions")
    limit = token_count(request.max_tokens)
    answers = max(token_count(request.n) or 1, token_count(request.best_of) or 1)
    return Ask(
        request.model,
        request.stream is True,
        _DEFAULT_MAX_TOKENS if limit is None else limit,
        asks_usage(request.stream_options),
        answers=answers,
    )


def _text(choice: dict[str, Any]) -> int:
    return text_bytes(choice.get("text"))


OPENAI_COMPLETIONS = Dialect(
    "openai_completions", read_request, event_reader(_text), body_reader(_text), counts
)
