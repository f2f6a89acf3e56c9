"""OpenAI's legacy text completions on the wire: a prompt instead of messages, chat's usage and stream."""

from typing import Any

import msgspec

from proxy.dialects.dialect import (
    UNREADABLE,
    Ask,
    Dialect,
    Reading,
    merged,
    text_bytes,
    token_count,
)
from proxy.dialects.openai_chat import DONE, asks_usage, counts, error_code
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


class _Answer(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    choices: Any = None
    usage: Any = None
    error: Any = None


_request = msgspec.json.Decoder(_Request)
_answer = msgspec.json.Decoder(_Answer)


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
        (_DEFAULT_MAX_TOKENS if limit is None else limit) * answers,
        asks_usage(request.stream_options),
    )


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event. Raises one of UNREADABLE when it is not JSON."""
    if data.strip() == DONE:
        reading.is_terminal = reading.may_end = True
        return
    chunk = _answer.decode(data)
    if chunk.error is not None:
        reading.error_code = error_code(chunk.error)
    _note(chunk, reading)
    if isinstance(chunk.choices, list):
        for choice in chunk.choices:
            if isinstance(choice, dict):
                reading.visible_bytes += text_bytes(choice.get("text"))
                reading.may_end = reading.may_end or choice.get("finish_reason") is not None


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON."""
    answer = _answer.decode(data)
    _note(answer, reading)
    choices = answer.choices if isinstance(answer.choices, list) else []
    reading.visible_bytes = sum(
        text_bytes(choice.get("text")) for choice in choices if isinstance(choice, dict)
    )


def _note(answer: _Answer, reading: Reading) -> None:
    if isinstance(answer.model, str):
        reading.model = reading.model or answer.model
    if isinstance(answer.id, str):
        reading.answer_id = reading.answer_id or answer.id
    reading.usage = merged(reading.usage, answer.usage)


OPENAI_COMPLETIONS = Dialect("openai_completions", read_request, read_event, read_body, counts)
