"""What the dialects check alike in a request body, and how they say what is wrong with it."""

import msgspec

from core.fault import Fault, Refused

MAX_MODEL_CHARACTERS = 256
_EMPTY_LIST_BYTES = 64
"""A list this short may be empty; a longer one that is nothing but blanks is the provider's to refuse."""


def refused_json(error: Exception) -> Refused:
    """Return the refusal for a body that is not the JSON object a route expects."""
    if isinstance(error, RecursionError):
        return Refused(Fault.BAD_REQUEST, "The request body is nested too deeply.")
    if isinstance(error, msgspec.ValidationError):
        return Refused(Fault.BAD_REQUEST, f"The request body has an unexpected form: {error}.")
    return Refused(Fault.BAD_REQUEST, f"The request body is not valid JSON: {error}.")


def check_request(model: str, messages: msgspec.Raw, request_type: str) -> None:
    """Raise Refused unless a request names a model and holds at least one message."""
    if not model.strip() or len(model) > MAX_MODEL_CHARACTERS or not model.isprintable():
        raise _bad_model(model, request_type)
    if memoryview(messages).nbytes < _EMPTY_LIST_BYTES:
        _check_short_messages(bytes(messages))


def _bad_model(model: str, request_type: str) -> Refused:
    if not model.strip():
        return Refused(
            Fault.MISSING_MODEL,
            "The request names no model: put one in the top-level field `model` of the body.",
            request_type=request_type,
        )
    return Refused(Fault.BAD_REQUEST, "The field `model` is too long or holds control characters.")


def _check_short_messages(messages: bytes) -> None:
    if not messages:
        raise Refused(Fault.BAD_REQUEST, "The field `messages` is missing.")
    if messages[:1] != b"[":
        raise Refused(Fault.BAD_REQUEST, "The field `messages` must be a list.")
    if not messages[1:-1].strip():
        raise Refused(Fault.BAD_REQUEST, "The field `messages` is empty.")
