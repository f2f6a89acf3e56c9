"""Decides one call without a socket: what the bench measures as decision time. Not used while serving."""

from typing import NamedTuple

from proxy.gateway import Gateway
from proxy.pipeline.call import Outcome, new_call
from proxy.pipeline.dispatch import outgoing
from proxy.pipeline.incoming import Headers, read_headers
from proxy.pipeline.settle import settle
from proxy.pipeline.stages import DECIDE
from proxy.routes import find
from proxy.transport.asgi import Message


class RawRequest(NamedTuple):
    """A request as the server hands it over: header names in lower case, the body whole."""

    path: str
    headers: Headers
    body: bytes
    query: bytes = b""


async def _send_nothing(_: Message) -> None:
    return


def decide_once(gateway: Gateway, request: RawRequest) -> tuple[bytes, bytes]:
    """Return head and body as the provider would get them; the call is admitted, recorded and settled.

    Raises Refused as the pipeline does, and RuntimeError when a stage would have to wait: the key
    must be known and every limit must have a slice.
    """
    route = find(request.path)
    if route is None:
        raise RuntimeError(f"no route serves {request.path}")
    incoming = read_headers(request.headers)
    identity = gateway.identities.mint(incoming.trace)
    scope = {"query_string": request.query}
    call = new_call(scope, _send_nothing, route, identity)
    call.incoming, call.body = incoming, request.body
    for stage in DECIDE:
        if stage(gateway, call) is not None:
            raise RuntimeError(f"{stage.__name__} would wait")
    sent = outgoing(gateway, call, call.required_lane())
    call.end(Outcome.COMPLETED)
    settle(gateway, call)
    return sent
