"""The headers of an answer: those that every answer of the gateway has, and those that pass from a provider."""

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


def standing_headers(version: str, identity: Identity) -> Headers:
    """Return the headers that every answer has, probes and refusals too."""
    request_id = identity.request_id.encode()
    return [
        (b"x-langwatch-request-id", request_id),
        (b"x-langwatch-gateway-request-id", request_id),
        (_REQUEST_ID, request_id),
        (b"x-langwatch-gateway-version", version.encode()),
    ]


def trace_headers(identity: Identity, tracestate: bytes = b"") -> Headers:
    """Return the headers that name the call's span; ``tracestate`` goes back as it came."""
    headers = [
        (b"x-langwatch-trace-id", identity.trace_id.encode()),
        (b"x-langwatch-span-id", identity.span_id.encode()),
        (b"traceparent", identity.traceparent.encode()),
    ]
    if tracestate:
        headers.append((b"tracestate", tracestate))
    return headers


def answer_headers(gateway: Gateway, call: Call) -> Headers:
    """Return the headers of a provider's answer to the client."""
    lane, upstream = call.required_lane(), call.upstream
    headers = standing_headers(gateway.version, call.identity)
    headers += trace_headers(call.identity, call.incoming.get(b"tracestate"))
    headers += (
        (b"x-langwatch-provider", lane.label),
        (b"x-langwatch-model", call.model.encode("ascii", "backslashreplace")),
        (b"x-langwatch-cache", b"hit" if _was_cached(call) else b"miss"),
        (b"x-langwatch-cache-mode", b"respect"),
        (b"x-langwatch-fallback-count", b"0"),
    )
    if upstream is None:
        return headers
    if upstream.status < 300:
        for warning in gateway.holds.warnings(call.required_plan().bundle.limits):
            headers.append((b"x-langwatch-budget-warning", warning.encode()))
    headers += passed(upstream.headers, keeps_length=not isinstance(call.meter, HidingMeter))
    return headers


def _was_cached(call: Call) -> bool:
    """Whether the provider has already told of cache reads: known early in some dialects, late in others."""
    usage = None if call.meter is None else call.meter.reading.usage
    return usage is not None and call.dialect.counts(usage).cache_read_tokens > 0


def passed(headers: Headers, keeps_length: bool) -> Headers:
    """Return what passes of a provider's headers; its request id goes by a name of its own."""
    result: Headers = []
    named: frozenset[bytes] = frozenset()
    for header in headers:
        name = header[0]
        if name == b"connection":
            named = frozenset(option.strip().lower() for option in header[1].split(b","))
        elif name == _REQUEST_ID:
            result.append((PROVIDER_REQUEST_ID, header[1]))
        elif name == b"content-length":
            if keeps_length:
                result.append(header)
        elif name not in _NOT_PASSED and not name.startswith(_OURS):
            result.append(header)
    if named - {b"close", b"keep-alive"}:
        result = [header for header in result if header[0] not in named]
    return result
