"""The headers of an answer: those that every answer of the gateway has, and those that pass from a provider."""

import enum

from proxy.dialects.meters import HidingMeter
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.identity import Identity
from proxy.pipeline.translate import translated_headers
from proxy.transport.answer import CONNECTION_HEADERS, BadAnswer, header_block
from rules.cache_mode import CacheMode

Headers = list[tuple[bytes, bytes]]

PROVIDER_REQUEST_ID = b"x-langwatch-provider-request-id"
_NOT_PASSED = CONNECTION_HEADERS | {
    # They speak of the provider's host and would be taken to speak of ours.
    b"alt-svc",
    b"set-cookie",
    b"strict-transport-security",
}
_OURS = b"x-langwatch-"
_REQUEST_ID = b"x-request-id"
_ANSWER_LINES = 12


class _Role(enum.Enum):
    PASS = 1
    DROP = 2
    LENGTH = 3
    RENAME = 4


_PASS, _DROP, _LENGTH, _RENAME = _Role
_ROLES: dict[bytes, _Role] = dict.fromkeys(_NOT_PASSED, _DROP) | {
    b"content-length": _LENGTH,
    _REQUEST_ID: _RENAME,
}
_MAX_ROLES = 4096
"""Names met are remembered with their role, so that most answers test no prefix."""


def standing_headers(version: bytes, identity: Identity) -> Headers:
    """Return the headers that every answer has, probes and refusals too."""
    request_id = identity.request_id.encode()
    return [
        (b"x-langwatch-request-id", request_id),
        (b"x-langwatch-gateway-request-id", request_id),
        (_REQUEST_ID, request_id),
        (b"x-langwatch-gateway-version", version),
    ]


def trace_headers(identity: Identity, tracestate: bytes = b"") -> Headers:
    """Return the headers that name the call's span; ``tracestate`` goes back as it came."""
    trace_id, span_id = identity.trace_id.encode(), identity.span_id.encode()
    headers = [
        (b"x-langwatch-trace-id", trace_id),
        (b"x-langwatch-span-id", span_id),
        (b"traceparent", b"00-%b-%b-01" % (trace_id, span_id)),
    ]
    if tracestate:
        headers.append((b"tracestate", tracestate))
    return headers


def answer_lines(gateway: Gateway, call: Call) -> bytes:
    """Return our own headers of a provider's answer, as lines: the ones most answers have, in one pass.

    Raises BadAnswer when a value would start a line of its own.
    """
    identity = call.identity
    request_id, trace_id, span_id = identity.request_id, identity.trace_id, identity.span_id
    # One text encoded once costs half of what as many pieces of bytes do.
    lines = (
        f"x-langwatch-request-id: {request_id}\r\n"
        f"x-langwatch-gateway-request-id: {request_id}\r\n"
        f"x-request-id: {request_id}\r\n"
        f"x-langwatch-gateway-version: {gateway.version}\r\n"
        f"x-langwatch-trace-id: {trace_id}\r\n"
        f"x-langwatch-span-id: {span_id}\r\n"
        f"traceparent: 00-{trace_id}-{span_id}-01\r\n"
        f"x-langwatch-provider: {call.required_lane().binding.type}\r\n"
        f"x-langwatch-model: {call.model}\r\n"
        f"x-langwatch-cache: {_cache_outcome(call)}\r\n"
        f"x-langwatch-cache-mode: {call.cache_mode}\r\n"
        f"x-langwatch-fallback-count: {call.fallback_count}\r\n"
    ).encode("ascii", "backslashreplace")
    more: Headers = [*call.own_headers]
    tracestate = call.incoming.get(b"tracestate")
    if tracestate:
        more.append((b"tracestate", tracestate))
    if call.status is not None and call.status < 300:
        warnings = gateway.holds.warnings(call.required_plan().bundle.budgets)
        if warnings:
            call.note("budget_warnings", warnings)
            more += [(b"x-langwatch-budget-warning", warning.encode()) for warning in warnings]
    ends = lines.count(b"\n"), lines.count(b"\r")
    if ends != (_ANSWER_LINES, _ANSWER_LINES) or b"\0" in lines:
        raise BadAnswer("a header of our own holds a line break or a NUL")
    return lines + header_block(more) if more else lines


_WITHOUT_READS = {
    CacheMode.RESPECT: "miss",
    CacheMode.DISABLE: "bypass",
    CacheMode.FORCE: "force",
}


def _cache_outcome(call: Call) -> str:
    # Cache reads are told early in some dialects and late in others; late ones count as none here.
    if (
        call.is_replayed and call.answer_key is not None
    ) or call.told_counts().cache_read_tokens > 0:
        return "hit"
    return _WITHOUT_READS[call.cache_mode]


def answer_headers(call: Call) -> Headers:
    """Return what passes of the headers of a provider's answer."""
    upstream = call.upstream
    if upstream is None:
        raise RuntimeError("there is no answer")
    keeps_length = not call.converters and not isinstance(call.meter, HidingMeter)
    headers = passed(upstream.headers, keeps_length)
    if call.translated is None or call.required_lane().way is None:
        return headers
    return translated_headers(headers, call.translated, upstream.status)


def passed(headers: Headers, keeps_length: bool) -> Headers:
    """Return what passes of a provider's headers; its request id goes by a name of its own."""
    roles = _ROLES
    result: Headers = []
    options = b""
    for header in headers:
        name = header[0]
        role = roles.get(name)
        if role is None:
            role = _learn(name)
        if role is _PASS or (role is _LENGTH and keeps_length):
            result.append(header)
        elif role is _RENAME:
            result.append((PROVIDER_REQUEST_ID, header[1]))
        elif name == b"connection":
            options = header[1].lower()
    if options and options not in (b"keep-alive", b"close"):
        named = {option.strip() for option in options.split(b",")}
        result = [header for header in result if header[0] not in named]
    return result


def _learn(name: bytes) -> _Role:
    role = _DROP if name.startswith(_OURS) else _PASS
    if len(_ROLES) < _MAX_ROLES:
        _ROLES[name] = role
    return role
