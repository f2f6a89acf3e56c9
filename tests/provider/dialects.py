"""How the dialects of the fake provider differ: where their answers are kept, their ids, their errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import orjson

from tests.provider.behaviour import Behaviour
from tests.provider.request import Request


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where one provider's answers are kept and how its ids and errors look."""

    provider: str
    asks: tuple[str, ...]  # one of these fields must be there
    answer_prefix: str
    request_prefix: str
    call_prefix: str
    plain: str
    stream: str
    first_tool_index: int
    thinks: bool
    error_kinds: Mapping[int, tuple[str, str, str]]  # status -> type, code as JSON, message
    error_event: bytes
    values: Callable[[Behaviour, Request], dict[bytes, bytes]]


def no_values(_: Behaviour, __: Request) -> dict[bytes, bytes]:
    """Nothing beyond what every dialect has."""
    return {}


def _openai_values(behaviour: Behaviour, request: Request) -> dict[bytes, bytes]:
    asked = request.json if isinstance(request.json, dict) else {}
    told = (asked.get("stream_options") or {}).get("include_usage") is True
    return {b"usage_null": b',"usage":null' if told and not behaviour.no_usage else b""}


def _anthropic_values(behaviour: Behaviour, _request: Request) -> dict[bytes, bytes]:
    hour = behaviour.cache_write_1h
    return {
        b"cache_write": b"%d" % behaviour.cache_write,
        b"cache_write_1h": b"%d" % hour,
        b"cache_write_5m": b"%d" % (behaviour.cache_write - hour),
    }


_SERVER = "The server had an error while processing your request. Sorry about that!"
OPENAI = Dialect(
    provider="openai",
    asks=("messages",),
    answer_prefix="chatcmpl-",
    request_prefix="req_",
    call_prefix="call_",
    plain="chat",
    stream="chat_stream",
    first_tool_index=0,
    thinks=False,
    error_kinds={
        400: ("invalid_request_error", "null", "Unrecognized request argument supplied: flavour"),
        401: ("invalid_request_error", '"invalid_api_key"', "Incorrect API key provided."),
        402: ("insufficient_quota", '"insufficient_quota"', "This account is out of credit."),
        403: ("invalid_request_error", '"unsupported_country_region_territory"', "Not supported."),
        404: ("invalid_request_error", '"model_not_found"', "The model does not exist."),
        429: ("requests", '"rate_limit_exceeded"', "Rate limit reached. Please try again in 7s."),
        503: ("server_error", "null", "The engine is currently overloaded."),
        0: ("server_error", "null", _SERVER),
    },
    error_event=orjson.dumps(
        {"error": {"message": _SERVER, "type": "server_error", "param": None, "code": None}}
    ).join((b"data: ", b"\n\n")),
    values=_openai_values,
)
ANTHROPIC = Dialect(
    provider="anthropic",
    asks=("messages",),
    answer_prefix="msg_",
    request_prefix="req_",
    call_prefix="toolu_",
    plain="message",
    stream="message_stream",
    first_tool_index=1,
    thinks=True,
    error_kinds={
        400: ("invalid_request_error", "", "messages: at least one message is required"),
        401: ("authentication_error", "", "invalid x-api-key"),
        402: ("billing_error", "", "Your credit balance is too low."),
        403: ("permission_error", "", "Your API key does not have permission."),
        404: ("not_found_error", "", "model: no such model"),
        413: ("request_too_large", "", "Request exceeds the maximum size"),
        429: ("rate_limit_error", "", "This request would exceed your rate limit."),
        503: ("overloaded_error", "", "Overloaded"),
        529: ("overloaded_error", "", "Overloaded"),
        0: ("api_error", "", "Internal server error"),
    },
    error_event=b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    b'"message":"Overloaded"}}\n\n',
    values=_anthropic_values,
)
_FAILED = {
    "id": "resp_failed",
    "object": "response",
    "status": "failed",
    "error": {"code": "server_error", "message": _SERVER},
    "output": [],
    "usage": None,
}
RESPONSES = replace(
    OPENAI,
    asks=("input", "prompt", "previous_response_id"),
    answer_prefix="resp_",
    plain="response",
    stream="response_stream",
    thinks=True,
    error_event=b"event: response.failed\ndata: "
    + orjson.dumps({"type": "response.failed", "sequence_number": 99, "response": _FAILED})
    + b"\n\n",
    values=no_values,
)
COMPACT = replace(RESPONSES, plain="response_compacted", thinks=False)
COMPLETIONS = replace(
    OPENAI,
    asks=("prompt",),
    answer_prefix="cmpl-",
    plain="completion",
    stream="completion_stream",
)
GEMINI = Dialect(
    provider="gemini",
    asks=("contents",),
    answer_prefix="",
    request_prefix="",
    call_prefix="",
    plain="content",
    stream="content_stream",
    first_tool_index=0,
    thinks=True,
    error_kinds={
        400: ("INVALID_ARGUMENT", "", "Invalid value at 'contents'."),
        401: ("UNAUTHENTICATED", "", "API key not valid. Please pass a valid API key."),
        402: ("FAILED_PRECONDITION", "", "Billing is not enabled."),
        403: ("PERMISSION_DENIED", "", "The caller does not have permission."),
        404: ("NOT_FOUND", "", "The model is not found."),
        429: ("RESOURCE_EXHAUSTED", "", "You exceeded your current quota."),
        503: ("UNAVAILABLE", "", "The model is overloaded. Please try again later."),
        0: ("INTERNAL", "", "An internal error has occurred."),
    },
    error_event=b'data: {"error": {"code": 503,"message": "The model is overloaded.",'
    b'"status": "UNAVAILABLE"}}\r\n\r\n',
    values=no_values,
)


def dialect_of(request: Request) -> Dialect:
    """The dialect of a request, by its path; on other paths by its headers."""
    for start, dialect in _BY_PATH:
        if request.path.startswith(start):
            return dialect
    if request.action or b"x-goog-api-key" in request.headers:
        return GEMINI
    return ANTHROPIC if b"anthropic-version" in request.headers else OPENAI


_BY_PATH = (
    ("/v1/messages", ANTHROPIC),
    ("/v1/responses", RESPONSES),
    ("/v1/completions", COMPLETIONS),
    ("/v1beta/", GEMINI),
)
