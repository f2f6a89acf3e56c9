"""The headers of an answer: those that every answer of the gateway has, and those that pass from a provider."""

import enum

from proxy.dialects.meters import HidingMeter
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.identity import Identity
from proxy.transport.answer import CONNECTION_HEADERS

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
_RESPECT = (b"x-langwatch-cache-mode", b"respect")
_NO_FALLBACK = (b"x-langwatch-fallback-count", b"0")


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


def answer_headers(gateway: Gateway, call: Call) -> Headers:
    """Return the headers of a provider's answer to the client."""
    upstream = call.upstream
    if upstream is None:
        raise RuntimeError("there is no answer")
    # Cache reads are told early in some dialects and late in others; late ones count as a miss here.
    was_cached = call.told_counts().cache_read_tokens > 0
    headers = standing_headers(gateway.version_bytes, call.identity)
    headers += trace_headers(call.identity, call.incoming.get(b"tracestate"))
    headers += (
        (b"x-langwatch-provider", call.required_lane().label),
        (b"x-langwatch-model", call.model.encode("ascii", "backslashreplace")),
        (b"x-langwatch-cache", b"hit" if was_cached else b"miss"),
        _RESPECT,
        _NO_FALLBACK,
    )
    if upstream.status < 300:
        for warning in gateway.holds.warnings(call.required_plan().bundle.limits):
            headers.append((b"x-langwatch-budget-warning", warning.encode()))
    headers += passed(upstream.headers, keeps_length=not isinstance(call.meter, HidingMeter))
    return headers


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
