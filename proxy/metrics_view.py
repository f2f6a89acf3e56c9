"""Answers ``/metrics``: to whoever has the token, or without one to the neighbourhood only. Counts nothing."""

import hmac
import ipaddress

from core.fault import Fault, Refused
from proxy.gateway import Gateway
from proxy.metrics import page
from proxy.pipeline.incoming import Incoming
from proxy.responses import Answer
from proxy.transport.asgi import Scope

_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_FORWARDED = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"}
)


def metrics_answer(gateway: Gateway, scope: Scope, incoming: Incoming) -> Answer:
    """Return the metrics of all workers of this machine. Raises Refused: PERMISSION_DENIED, UNAUTHENTICATED."""
    token = gateway.settings.metrics_token
    if token:
        scheme, _, presented = incoming.get(b"authorization").partition(b" ")
        is_same = hmac.compare_digest(presented.strip(), token.reveal().encode())
        if scheme.lower() != b"bearer" or not is_same:
            raise Refused(
                Fault.UNAUTHENTICATED, "Metrics are shown to whoever presents the metrics token."
            )
    elif not _is_near(scope):
        raise Refused(
            Fault.PERMISSION_DENIED,
            "Metrics are shown to private addresses only, until LW_GATEWAY_METRICS_TOKEN is set.",
        )
    read = gateway.metrics_page
    text = page([gateway.metrics.snapshot()]) if read is None else read()
    body = text.encode()
    headers = [
        (b"content-type", _TYPE),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    return Answer(200, headers, body)


def _is_near(scope: Scope) -> bool:
    """Say whether the caller is on this machine or in a private network, and nobody asks on another's behalf."""
    if any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        address = ipaddress.ip_address((scope["client"] or ("",))[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_private)
