"""OpenAI embeddings on the wire: usage of the prompt only, at the end of an answer that may be very long."""

from typing import Any

import msgspec

from proxy.dialects.dialect import UNREADABLE, Ask, Counts, Dialect, Reading, token_count
from proxy.dialects.request_fields import check_model, check_present, refused_json


class _Request(msgspec.Struct, gc=False):
    model: str = ""
    input: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct, gc=False):
    model: Any = None
    usage: Any = None


_request = msgspec.json.Decoder(_Request)
_answer = msgspec.json.Decoder(_Answer)


def read_request(body: bytes) -> Ask:
    """Return what a request asks for. Raises Refused: bad_request or missing_model."""
    try:
        request = _request.decode(body)
    except UNREADABLE as error:
        raise refused_json(error) from None
    check_model(request.model, "embeddings")
    check_present(request.input, "input")
    return Ask(request.model, max_tokens=0)


def read_event(data: bytes, reading: Reading) -> None:
    """Take in the data of one event, should a server stream what OpenAI does not."""
    read_body(data, reading)


def read_body(data: bytes, reading: Reading) -> None:
    """Take in a whole answer. Raises one of UNREADABLE when it is not JSON."""
    answer = _answer.decode(data)
    if isinstance(answer.model, str):
        reading.model = answer.model
    if isinstance(answer.usage, dict):
        reading.usage = answer.usage
    reading.visible_bytes = 0


def counts(usage: dict[str, Any]) -> Counts:
    """Return the token classes of a usage object: nothing is generated."""
    prompt = token_count(usage.get("prompt_tokens"))
    return Counts(token_count(usage.get("total_tokens")) if prompt is None else prompt, 0)


OPENAI_EMBEDDINGS = Dialect(
    "openai_embeddings", read_request, read_event, read_body, counts, answers_text=False
)
