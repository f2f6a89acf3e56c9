"""How each API words a failure: its own kinds of error, the body of a refusal, the event within a stream.

Knows no refusal and decides nothing; ``proxy.responses`` says what happened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

Error = dict[str, Any]
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """One API's way to say that something failed."""

    types: Mapping[int, str]
    """``error.type`` by status; a status that is not here has ``other_type``, or the code itself."""
    other_type: str
    body: Callable[[int, Error, str], dict[str, Any]]
    """From status, error object and request id to the body of a refusal."""
    event: Callable[[int, Error, str], bytes]
    """From status, error object and the answer's id to the event that ends a broken stream."""

    def kind(self, status: int, code: str) -> str:
        """Return ``error.type`` for a failure of ours."""
        return self.types.get(status, self.other_type) or code


def _flat_body(_: int, error: Error, request_id: str) -> dict[str, Any]:
    # Both families of SDKs parse it: ``type`` on top for Anthropic's, ``error.code`` for OpenAI's.
    return {"type": "error", "error": error, "request_id": request_id}


def _chat_event(_: int, error: Error, __: str) -> bytes:
    return b"data: %b\n\n" % _encode({"error": error})


def _responses_event(_: int, error: Error, answer_id: str) -> bytes:
    """Return the two events in which OpenAI's Responses API fails: the error, then the failed response."""
    told = {"type": "error", "code": error["code"], "message": error["message"], "param": None}
    # The SDKs raise on a member ``error``; the number tells them that nothing came before or after it.
    first = told | {"sequence_number": 0, "error": error}
    failed: Error = {
        "id": answer_id,
        "object": "response",
        "status": "failed",
        "error": {"code": error["code"], "message": error["message"]},
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    second = {"type": "response.failed", "sequence_number": 1, "response": failed}
    return b"event: error\ndata: %b\n\nevent: response.failed\ndata: %b\n\n" % (
        _encode(first),
        _encode(second),
    )


def _anthropic_event(_: int, error: Error, __: str) -> bytes:
    return b"event: error\ndata: %b\n\n" % _encode({"type": "error", "error": error})


_CANONICAL = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    426: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def _google_error(status: int, error: Error) -> Error:
    code = str(error["code"])
    info = {
        "@type": _ERROR_INFO,
        "reason": code.upper(),
        "domain": "langwatch",
        "metadata": {name: str(value) for name, value in (error.get("meta") or {}).items()},
    }
    # Google's clients read a number in ``code``; ours is the reason, and stays in ``type``.
    return error | {
        "code": status,
        "status": _CANONICAL.get(status, "UNKNOWN"),
        "type": code,
        "details": [info],
    }


def _google_body(status: int, error: Error, _: str) -> dict[str, Any]:
    return {"error": _google_error(status, error)}


def _google_event(status: int, error: Error, _: str) -> bytes:
    return b"data: %b\n\n" % _encode({"error": _google_error(status, error)})


OPENAI_ERRORS = ErrorForm({}, "", _flat_body, _chat_event)
RESPONSES_ERRORS = ErrorForm({}, "", _flat_body, _responses_event)
ANTHROPIC_ERRORS = ErrorForm(
    {
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
    },
    "api_error",
    _flat_body,
    _anthropic_event,
)
GOOGLE_ERRORS = ErrorForm({}, "", _google_body, _google_event)
