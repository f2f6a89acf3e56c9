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


def checked_model(model: str | None, request_type: str) -> str:
    """Return the model that a request names. Raises Refused."""
    if not model or not model.strip():
        raise Refused(
            Fault.MISSING_MODEL,
            "The request names no model: put one in the top-level field `model` of the body.",
            request_type=request_type,
        )
    if len(model) > MAX_MODEL_CHARACTERS or not model.isprintable():
        raise Refused(
            Fault.BAD_REQUEST, "The field `model` is too long or holds control characters."
        )
    return model


def require_messages(messages: msgspec.Raw) -> None:
    """Raise Refused unless there is at least one message."""
    size = memoryview(messages).nbytes
    if size == 0:
        raise Refused(Fault.BAD_REQUEST, "The field `messages` is missing.")
    if size < _EMPTY_LIST_BYTES:
        text = bytes(messages)
        if text[:1] != b"[":
            raise Refused(Fault.BAD_REQUEST, "The field `messages` must be a list.")
        if not text[1:-1].strip():
            raise Refused(Fault.BAD_REQUEST, "The field `messages` is empty.")
