"""OpenAI image generation on the wire: tokens where the model reports them, pictures counted beforehand."""

from typing import Any

import msgspec

from proxy.dialects.dialect import UNREADABLE, Ask, Counts, Dialect, Reading, merged, token_count
from proxy.dialects.openai_choices import error_code
from proxy.dialects.request_fields import check_model, check_present, refused_json
from rules.estimates import BYTES_PER_TOKEN
from rules.usage import Usage

DEFAULT_MODEL = "gpt-image-1"
"""What the API takes when a request names none."""
DEAREST_PICTURE_TOKENS = 6_240
"""A picture of the largest size in high quality, by OpenAI's price page."""
MAX_PICTURES = 10
_ENDS = ("image_generation.completed", "image_edit.completed")
MAX_EVENT_BYTES = 8 * 1024 * 1024
"""An event holds a whole picture, and behind it the usage."""


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    prompt: msgspec.Raw = msgspec.Raw()
    n: Any = None
    stream: Any = None


class _Answer(msgspec.Struct, gc=False):
    type: Any = None
    usage: Any = None
    error: Any = None


_request = msgspec.json.Decoder(_Request)
_answer = msgspec.json.Decoder(_Answer)


def read_request(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request."""
    try:
        request = _request.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_present(request.prompt, "prompt")
    model = DEFAULT_MODEL if request.model is None else request.model
    check_model(model, "images")
    pictures = min(token_count(request.n) or 1, MAX_PICTURES)
    return Ask(model, request.stream is True, asks_usage=True, units=pictures)


def estimate(ask: Ask, body_bytes: int, _: str) -> Usage:
    """Return what a request will probably consume."""
    return Usage(int(body_bytes / BYTES_PER_TOKEN) + 1, ask.units * DEAREST_PICTURE_TOKENS)


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event. Raises one of UNREADABLE when it is not JSON."""
    event = _answer.decode(data)
    if event.error is not None:
        reading.error_code = error_code(event.error)
    reading.usage = merged(reading.usage, event.usage)
    if event.type in _ENDS:
        reading.is_terminal = reading.may_end = True


def read_skipped(head: bytes, reading: Reading) -> None:
    """Take in the first bytes of an event too long to be read: whether it is the last one."""
    if any(end.encode() in head for end in _ENDS):
        reading.is_terminal = reading.may_end = True


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON."""
    reading.usage = merged(reading.usage, _answer.decode(data).usage)
    reading.visible_bytes = 0


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object."""
    return Counts(token_count(usage.get("input_tokens")), token_count(usage.get("output_tokens")))


OPENAI_IMAGES = Dialect(
    "openai_images",
    read_request,
    read_event,
    read_body,
    counts,
    read_skipped=read_skipped,
    estimate=estimate,
    max_event_bytes=MAX_EVENT_BYTES,
    answers_text=False,
)
