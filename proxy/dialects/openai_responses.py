"""OpenAI Responses on the wire: request fields, typed events with three terminal ones, usage.

Its events name themselves in ``type``; there is no ``[DONE]``. A client may close right behind the terminal one.
"""

import re
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
from proxy.dialects.error_forms import RESPONSES_ERRORS
from proxy.dialects.openai_choices import error_code
from proxy.dialects.request_fields import check_model, refused_json
from rules.surcharges import PRIORITY

TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete"})
_MAX_EVENT_BYTES = 4 * 1024 * 1024
"""The first and the last event hold the whole response, instructions and tools of the request included."""
_TYPE = re.compile(rb'(?:^event: ?|"type": ?")(response\.(?:completed|failed|incomplete))\b', re.M)


class _Request(msgspec.Struct, gc=False):
    model: str = ""
    stream: Any = None
    background: Any = None
    max_output_tokens: Any = None
    service_tier: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    response: msgspec.Raw = msgspec.Raw()
    delta: Any = None
    code: Any = None
    error: Any = None


class _Answer(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    status: Any = None
    incomplete_details: Any = None
    output: msgspec.Raw = msgspec.Raw()
    usage: Any = None
    error: Any = None
    service_tier: Any = None


_request = msgspec.json.Decoder(_Request)
_event = msgspec.json.Decoder(_Event)
_answer = msgspec.json.Decoder(_Answer)


def read_request(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request or missing_model."""
    try:
        request = _request.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_model(request.model, "responses")
    if request.background is True:
        # Its answer is fetched later, past whoever accounts for it.
        raise Refused(
            Fault.BAD_REQUEST, "Background responses are not served: leave `background` out."
        )
    limit = request.max_output_tokens
    return Ask(
        request.model,
        request.stream is True,
        None if limit is None else token_count(limit),
        asks_usage=True,
        tier=PRIORITY if request.service_tier == PRIORITY else "",
    )


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event. Raises one of UNREADABLE when it is not JSON."""
    event = _event.decode(data)
    kind = event.type
    if not isinstance(kind, str):
        if event.error is not None:
            reading.error_code = error_code(event.error)
    elif kind.endswith(".delta"):
        reading.visible_bytes += text_bytes(event.delta)
    elif kind in TERMINAL:
        answer = _answer.decode(event.response or b"{}")
        _note(answer, reading)
        _note_end(answer, reading)
        _end(kind, reading)
    elif kind == "response.created":
        _note(_answer.decode(event.response or b"{}"), reading)
    elif kind == "error":
        told = event.error if event.error is not None else {"code": event.code}
        reading.error_code = error_code(told)


def read_skipped(head: bytes, reading: Reading) -> None:
    """Take in the first bytes of an event too long to be read: whether it is a terminal one."""
    found = _TYPE.search(head)
    if found is not None:
        _end(found[1].decode(), reading)


def _end(kind: str, reading: Reading) -> None:
    reading.is_terminal = reading.may_end = True
    if kind == "response.failed" and not reading.error_code:
        reading.error_code = "response_failed"


def _note_end(answer: _Answer, reading: Reading) -> None:
    """Note why the answer ended: what cut it short, or that it is complete."""
    details = answer.incomplete_details
    reason = details.get("reason") if isinstance(details, dict) else None
    reading.stopped(answer.status if reason is None else reason)


def _note(answer: _Answer, reading: Reading) -> None:
    if isinstance(answer.model, str):
        reading.model = answer.model
    if isinstance(answer.id, str):
        reading.answer_id = answer.id
    if isinstance(answer.service_tier, str) and answer.service_tier != "auto":
        reading.tier = answer.service_tier
    if answer.error is not None:
        reading.error_code = error_code(answer.error)
    reading.usage = merged(reading.usage, answer.usage)


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON."""
    answer = _answer.decode(data)
    _note(answer, reading)
    _note_end(answer, reading)
    reading.visible_bytes = 0 if reading.usage else len(bytes(answer.output))


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object; its input total includes cached tokens."""
    return prompt_and_output(
        token_count(usage.get("input_tokens")),
        token_count(usage.get("output_tokens")),
        token_count(usage.get("total_tokens")),
        detail_count(usage, "input_tokens_details", "cached_tokens"),
        detail_count(usage, "input_tokens_details", "cache_write_tokens"),
    )


OPENAI_RESPONSES = Dialect(
    "openai_responses",
    read_request,
    read_event,
    read_body,
    counts,
    RESPONSES_ERRORS,
    read_skipped=read_skipped,
    max_event_bytes=_MAX_EVENT_BYTES,
)
