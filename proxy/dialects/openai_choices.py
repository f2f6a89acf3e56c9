"""Answers that consist of choices, as OpenAI's chat and text completions give them: chunks, whole ones, usage.

What differs between the two is where the generated text of a choice stands.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from core.fault import Fault, Refused
from proxy.dialects.dialect import (
    UNREADABLE,
    Counts,
    Reading,
    detail_count,
    merged,
    prompt_and_output,
    token_count,
)

DONE = b"[DONE]"
Generated = Callable[[dict[str, Any]], int]
"""Returns the size of what was generated in a choice, in UTF-8 bytes."""


class _Chunk(msgspec.Struct, gc=False):
    """A chunk of a stream."""

    id: Any = None
    model: Any = None
    choices: Any = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None


class _Whole(msgspec.Struct, gc=False):
    """A whole answer, of which the text is looked at only when the usage is missing."""

    id: Any = None
    model: Any = None
    usage: Any = None
    service_tier: Any = None
    choices: msgspec.Raw = msgspec.Raw()


class _Ended(msgspec.Struct, gc=False):
    finish_reason: Any = None


_chunk = msgspec.json.Decoder(_Chunk)
_whole = msgspec.json.Decoder(_Whole)
_ended = msgspec.json.Decoder(list[_Ended])


def asks_usage(options: object) -> bool | None:
    """Return what ``stream_options`` says of usage; None when it says nothing. Raises Refused."""
    if options is None:
        return None
    if not isinstance(options, dict):
        raise Refused(Fault.BAD_REQUEST, "`stream_options` must be an object.")
    asked = options.get("include_usage")
    return None if asked is None else asked is not False


def event_reader(generated: Generated) -> Callable[[bytes, Reading], None]:
    """Return what takes in the data of one event. It raises one of UNREADABLE when that is not JSON."""

    def read_event(data: bytes, reading: Reading) -> None:
        if data.strip() == DONE:
            reading.is_terminal = reading.may_end = True
            return
        chunk = _chunk.decode(data)
        if chunk.error is not None:
            reading.error_code = error_code(chunk.error)
        _note_names(chunk, reading)
        if chunk.usage is not None:
            reading.usage = merged(reading.usage, chunk.usage)
        if isinstance(chunk.choices, list):
            for choice in chunk.choices:
                if isinstance(choice, dict):
                    reading.visible_bytes += generated(choice)
                    reason = choice.get("finish_reason")
                    if reason is not None:
                        reading.may_end = True
                        reading.stopped(reason)

    return read_event


def body_reader(generated: Generated) -> Callable[[bytes, Reading], None]:
    """Return what takes in a whole answer. It raises one of UNREADABLE when that is not JSON."""

    def read_body(data: bytes, reading: Reading) -> None:
        answer = _whole.decode(data)
        _note_names(answer, reading)
        reading.unread_choices = answer.choices
        if isinstance(answer.usage, dict):
            reading.usage = answer.usage
            return
        choices = msgspec.json.decode(answer.choices) if bytes(answer.choices) else []
        if isinstance(choices, list):
            reading.visible_bytes = sum(map(generated, (c for c in choices if isinstance(c, dict))))

    return read_body


def finish_reasons(reading: Reading) -> tuple[str, ...]:
    """Return why generating stopped; of a whole answer its choices are read for this alone."""
    choices, reading.unread_choices = bytes(reading.unread_choices), b""
    if choices:
        try:
            for choice in _ended.decode(choices):
                reading.stopped(choice.finish_reason)
        except UNREADABLE:
            pass
    return reading.finish_reasons


def _note_names(answer: _Chunk | _Whole, reading: Reading) -> None:
    if not reading.model and isinstance(answer.model, str):
        reading.model = answer.model
    if not reading.answer_id and isinstance(answer.id, str):
        reading.answer_id = answer.id
    if answer.service_tier is not None and isinstance(answer.service_tier, str):
        reading.tier = answer.service_tier


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
