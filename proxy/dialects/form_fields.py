"""What every form of OpenAI's says: the model, and whether a stream is asked for. Reads no file in it."""

from collections.abc import Mapping

from core.fault import Fault, Refused
from proxy.dialects.dialect import Ask
from proxy.dialects.form_data import Part, fields, replaced_at
from proxy.dialects.request_fields import MAX_MODEL_CHARACTERS, check_model

_WHERE = "put one in the field `model` of the form"
_YES = (b"true", b"1")


def read_json(_: bytes) -> Ask:
    """Refuse a request that is not a form. Raises Refused."""
    raise Refused(Fault.BAD_REQUEST, "The request body must be multipart/form-data.")


def form_of(
    body: bytes, content_type: bytes, noun: str, repeated: frozenset[bytes] = frozenset()
) -> tuple[Ask, Mapping[bytes, Part]]:
    """Return what a form asks for, and its fields. Raises Refused: bad_request or missing_model.

    ``noun`` is what a sentence calls the request; ``repeated`` are fields of which there may be several.
    """
    found = fields(body, content_type, repeated)
    part = found.get(b"model")
    if part is None or part.end - part.start > MAX_MODEL_CHARACTERS * 4:
        check_model("" if part is None else "x" * (MAX_MODEL_CHARACTERS + 1), noun, _WHERE)
        raise Refused(Fault.BAD_REQUEST, "The form names no model.")
    try:
        model = body[part.start : part.end].decode()
    except UnicodeDecodeError:
        raise Refused(Fault.BAD_REQUEST, "The field `model` is not UTF-8.") from None
    check_model(model, noun, _WHERE)
    is_streamed = value_of(body, found, b"stream").lower() in _YES
    return Ask(model, is_streamed, asks_usage=True, model_span=(part.start, part.end)), found


def value_of(body: bytes, found: Mapping[bytes, Part], name: bytes) -> bytes:
    """Return the value of a field; empty when the form does not have it."""
    part = found.get(name)
    return b"" if part is None else body[part.start : part.end]


def renamed_form(body: bytes, ask: Ask, model: str) -> bytes:
    """Return the form with another model's name in it."""
    return body if ask.model_span is None else replaced_at(body, ask.model_span, model.encode())
