"""Reads a request's headers once: what the gateway consumes, and what goes on to the provider.

The second is an open list: all that is not a credential, not of this connection and not ours.
"""

import msgspec

from proxy.transport.answer import CONNECTION_HEADERS

Headers = list[tuple[bytes, bytes]]

KEY_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"xi-api-key", b"api-key")
"""Where a virtual key may be, in this order; the first that is not empty counts."""
SESSION_HEADERS = (b"x-claude-code-session-id", b"x-session-affinity", b"session-id")

CACHE_HEADER = b"x-langwatch-cache"
"""Where a caller names the cache mode of one call."""

_TRACE_HEADERS = (
    b"traceparent",
    b"tracestate",
    b"x-langwatch-trace-id",
    b"x-langwatch-parent-span-id",
)
END_USER_HEADERS = (b"x-langwatch-end-user-id", b"x-litellm-end-user-id")
METADATA_HEADER, THREAD_HEADER = b"x-langwatch-metadata", b"x-langwatch-thread-id"
TRACE_METADATA_HEADER = b"x-langwatch-trace-metadata"
ATTRIBUTION_HEADERS = frozenset(
    {*END_USER_HEADERS, METADATA_HEADER, THREAD_HEADER, TRACE_METADATA_HEADER}
)
"""What a caller says of a call, for whoever looks at it later."""
_CONSUMED = frozenset(
    {
        *KEY_HEADERS,
        *_TRACE_HEADERS,
        *ATTRIBUTION_HEADERS,
        CACHE_HEADER,
        b"connection",
        b"upgrade",
        b"content-encoding",
    }
)
CONTENT_TYPE = b"content-type"
_NOTED = frozenset({*SESSION_HEADERS, b"anthropic-version", b"user-agent", CONTENT_TYPE})
_JSON_TYPES = frozenset(
    {
        b"",
        b"application/json",
        b"application/json; charset=utf-8",
        b"application/json;charset=utf-8",
    }
)
_TWICE = b"multipart/told-twice"
"""Stands for the type of a body that has two: our own door refuses it, others may not."""
_FORM_TYPES = (b"multipart/", b"application/x-www-form-urlencoded")
_DROPPED = frozenset(
    {
        *CONNECTION_HEADERS,
        b"host",
        b"content-length",
        b"expect",
        # Metering must be able to read the answer, and the provider is a data centre away from us:
        # what compression saves on that leg is less than decoding it would cost here.
        b"accept-encoding",
        b"cookie",
        b"forwarded",
        b"via",
        b"x-real-ip",
        # They make of a request another one than the one that was judged, or hide of an answer what it cost.
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-goog-fieldmask",
    }
) - {b"connection", b"upgrade"}
_DROPPED_PREFIXES = (b"x-langwatch-", b"x-litellm-", b"x-forwarded-")
_MAX_SESSION_CHARACTERS = 128
_DROP, _FORWARD, _CONSUME = 0, 1, 2
_ROLES = dict.fromkeys(_DROPPED, _DROP)
_ROLES |= dict.fromkeys(_CONSUMED, _CONSUME) | dict.fromkeys(_NOTED, _CONSUME | _FORWARD)
_MAX_ROLES = 4096
"""Names met are remembered with their role, so that most requests test no prefix."""


def _learn(name: bytes) -> int:
    role = _DROP if name.startswith(_DROPPED_PREFIXES) else _FORWARD
    if len(_ROLES) < _MAX_ROLES:
        _ROLES[name] = role
    return role


class Incoming(msgspec.Struct, frozen=True):
    """The headers of one request, sorted. ``forwarded`` keeps their order and their bytes."""

    consumed: dict[bytes, bytes]
    forwarded: Headers

    def get(self, name: bytes) -> bytes:
        """Return a header that the gateway reads; empty when it is absent."""
        return self.consumed.get(name, b"")

    @property
    def presented_key(self) -> str:
        """The virtual key as presented, in whichever header; empty when there is none."""
        consumed = self.consumed
        bearer = consumed.get(b"authorization", b"")
        if bearer[:7] == b"Bearer " and (key := bearer[7:].strip()):
            return key.decode("latin-1")
        for name in KEY_HEADERS:
            value = consumed.get(name)
            if not value:
                continue
            if name == b"authorization":
                scheme, _, value = value.partition(b" ")
                if scheme.lower() != b"bearer":
                    continue
            if value := value.strip():
                return value.decode("latin-1")
        return ""

    @property
    def content_type(self) -> bytes:
        """The media type of the body; empty when it is not told once."""
        told = [value for name, value in self.forwarded if name == CONTENT_TYPE]
        return told[0] if len(told) == 1 else b""

    def as_json(self) -> "Incoming":
        """Return these headers for a body that is JSON, which goes by no other name than that.

        A body may be JSON to us and, as a form or in another character set, something else to a provider.
        """
        told = self.consumed.get(CONTENT_TYPE, b"")
        if told in _JSON_TYPES:
            return self
        told = told.lower()
        has_set = b"charset" in told and b"utf-8" not in told and b"utf8" not in told
        if not (has_set or told.lstrip().startswith(_FORM_TYPES)):
            return self
        forwarded = [header for header in self.forwarded if header[0] != CONTENT_TYPE]
        return Incoming(self.consumed, [*forwarded, (CONTENT_TYPE, b"application/json")])

    @property
    def trace(self) -> tuple[bytes, bytes, bytes] | None:
        """The caller's trace: ``traceparent``, and our own two headers, which win over it; None without."""
        get = self.consumed.get
        if b"traceparent" not in self.consumed and b"x-langwatch-trace-id" not in self.consumed:
            return None
        return (
            get(b"traceparent", b""),
            get(b"x-langwatch-trace-id", b""),
            get(b"x-langwatch-parent-span-id", b""),
        )

    @property
    def session_id(self) -> str:
        """The conversation that a coding tool says this call belongs to."""
        for name in SESSION_HEADERS:
            if told := self.consumed.get(name):
                return told.decode("latin-1")[:_MAX_SESSION_CHARACTERS]
        return ""


def read_headers(headers: Headers) -> Incoming:
    """Return the headers of a request, sorted. Names are expected in lower case."""
    roles = _ROLES
    consumed: dict[bytes, bytes] = {}
    forwarded: Headers = []
    for header in headers:
        name = header[0]
        role = roles.get(name)
        if role is None:
            role = _learn(name)
        if role & _FORWARD:
            forwarded.append(header)
        if role & _CONSUME:
            if name not in consumed:
                consumed[name] = header[1]
            elif name == CONTENT_TYPE:
                consumed[name] = _TWICE
    if b"connection" in consumed:
        forwarded = _without_connection_options(consumed[b"connection"], forwarded)
    return Incoming(consumed, forwarded)


def _without_connection_options(connection: bytes, forwarded: Headers) -> Headers:
    if connection.lower() in (b"keep-alive", b"close"):
        return forwarded
    # RFC 9110, 7.6.1: what Connection names belongs to this connection and goes no further.
    named = {option.strip().lower() for option in connection.split(b",")}
    return [header for header in forwarded if header[0] not in named]
