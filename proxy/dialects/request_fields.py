"""What the dialects check alike in a request body, and how they say what is wrong with it."""

import msgspec

from core.fault import Fault, Refused

MAX_MODEL_CHARACTERS = 256
_EMPTY_LIST_BYTES = 64
"""A list this short may be empty; a longer one that is nothing but blanks is the provider's to refuse."""
_IN_BODY = "put one in the top-level field `model` of the body"


def refused_json(error: Exception) -> Refused:
    """Return the refusal for a body that is not the JSON object a route expects."""
    if isinstance(error, RecursionError):
        return Refused(Fault.BAD_REQUEST, "The request body is nested too deeply.")
    if isinstance(error, msgspec.ValidationError):
        return Refused(Fault.BAD_REQUEST, f"The request body has an unexpected form: {error}.")
    return Refused(Fault.BAD_REQUEST, f"The request body is not valid JSON: {error}.")


def check_request(
    model: str, items: msgspec.Raw, request_type: str, name: str = "messages"
) -> None:
    """Raise Refused unless a request names a model and the list ``name`` holds at least one item."""
    if not model.isprintable() or not 0 < len(model) <= MAX_MODEL_CHARACTERS or model.isspace():
        check_model(model, request_type)
    if memoryview(items).nbytes < _EMPTY_LIST_BYTES:
        check_short_list(bytes(items), name)


def check_model(model: str, request_type: str, where: str = _IN_BODY) -> None:
    """Raise Refused unless a request names a model that may be one."""
    if model.strip() and len(model) <= MAX_MODEL_CHARACTERS and model.isprintable():
        return
    if not model.strip():
        raise Refused(
            Fault.MISSING_MODEL,
            f"The request names no model: {where}.",
            request_type=request_type,
        )
    raise Refused(Fault.BAD_REQUEST, "The field `model` is too long or holds control characters.")


def check_present(value: msgspec.Raw, name: str) -> None:
    """Raise Refused when a field is missing, null, or an empty text, list or object."""
    if memoryview(value).nbytes >= _EMPTY_LIST_BYTES:
        return
    text = bytes(value)
    if not text:
        raise Refused(Fault.BAD_REQUEST, f"The field `{name}` is missing.")
    if text == b"null" or (text[:1] in b'"[{' and not text[1:-1].strip()):
        raise Refused(Fault.BAD_REQUEST, f"The field `{name}` is empty.")


def check_short_list(items: bytes, name: str) -> None:
    """Raise Refused unless the JSON text is a list with something in it."""
    if not items:
        raise Refused(Fault.BAD_REQUEST, f"The field `{name}` is missing.")
    if items[:1] != b"[":
        raise Refused(Fault.BAD_REQUEST, f"The field `{name}` must be a list.")
    if not items[1:-1].strip():
        raise Refused(Fault.BAD_REQUEST, f"The field `{name}` is empty.")
