"""OpenAI moderations on the wire: a free call, of which only the model is read."""

from typing import Any

import msgspec

from proxy.dialects.dialect import UNREADABLE, Ask, Counts, Dialect, Reading
from proxy.dialects.request_fields import check_model, check_present, refused_json

DEFAULT_MODEL = "omni-moderation-latest"
"""What the API takes when a request names none."""


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None


_request = msgspec.json.Decoder(_Request)
_answer = msgspec.json.Decoder(_Answer)


def read_request(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request."""
    try:
        request = _request.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_present(request.input, "input")
    model = DEFAULT_MODEL if request.model is None else request.model
    check_model(model, "moderations")
    return Ask(model, max_tokens=0)


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event; the API streams none."""
    read_body(data, reading)


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON."""
    answer = _answer.decode(data)
    reading.model = answer.model if isinstance(answer.model, str) else reading.model
    reading.answer_id = answer.id if isinstance(answer.id, str) else reading.answer_id


def counts(_: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object, of which this API has none."""
    return Counts(0, 0)


OPENAI_MODERATIONS = Dialect(
    "openai_moderations", read_request, read_event, read_body, counts, answers_text=False
)
