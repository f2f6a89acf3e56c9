"""A provider's error in the words of another dialect: its status and its message stay what they are."""

from typing import Any

from proxy.dialects.dialect import UNREADABLE
from proxy.translation.neutral import Failure
from proxy.translation.rules import GEMINI, MESSAGES
from proxy.translation.shapes import dict_in, dumps, loads, text_in

GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_MAX_MESSAGE_CHARACTERS = 4000
_UNSAID = "The provider refused the request and did not say why."


def failure_in(body: dict[str, Any]) -> Failure:
    """Return the error that a provider's JSON tells, in whichever of the five forms."""
    error = body.get("error")
    if isinstance(error, str):
        return Failure("", "", error)
    inner = dict_in(error) or body
    kind = text_in(inner.get("type")) or text_in(inner.get("__type"))
    code = inner.get("code")
    code = code if isinstance(code, str) else text_in(inner.get("status")) or kind
    message = text_in(inner.get("message")) or text_in(inner.get("Message"))
    return Failure(kind if kind != "error" else "", code, message)


def read_error(body: bytes) -> Failure:
    """Return the error of a whole answer; one that is not JSON is its own message."""
    try:
        value = loads(body)
    except UNREADABLE:
        text = body[:_MAX_MESSAGE_CHARACTERS].decode("utf-8", "replace").strip()
        return Failure("", "", "" if text.startswith("<") else text)
    if isinstance(value, list) and value:
        value = value[0]
    return failure_in(dict_in(value))


def write_error(client: str, status: int, failure: Failure) -> bytes:
    """Return the body of an error in a client's dialect."""
    message = (failure.message or _UNSAID)[:_MAX_MESSAGE_CHARACTERS]
    if client == MESSAGES:
        kind = _ANTHROPIC_TYPES.get(status, "api_error")
        error: dict[str, Any] = {"type": kind, "message": message}
        return dumps({"type": "error", "error": error, "request_id": None})
    if client == GEMINI:
        word = GOOGLE_STATUSES.get(status, "UNKNOWN" if status >= 500 else "INVALID_ARGUMENT")
        return dumps({"error": {"code": status, "message": message, "status": word}})
    usual = "server_error" if status >= 500 else "invalid_request_error"
    kind = _OPENAI_TYPES.get(status, usual)
    return dumps(
        {"error": {"message": message, "type": kind, "param": None, "code": failure.code or None}}
    )
