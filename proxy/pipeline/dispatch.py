"""The stage that calls the provider: head, body, deadlines. The answer's body is the relay's."""

import time

from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.lanes import Lane
from proxy.providers import sandbox
from proxy.splice import with_usage_asked
from proxy.transport.leash import LeashReason


async def dispatch(gateway: Gateway, call: Call) -> None:
    """Send the request and wait for the head of the answer. Raises UpstreamLost."""
    lane = call.required_lane()
    if lane.binding.target is None:
        call.is_dispatched = True
        call.upstream = sandbox.answer(
            call.route.request_type,
            call.ask,
            call.body,
            gateway.sandbox_pace,
            call.scope["query_string"],
        )
        return
    if lane.token is not None and gateway.tokens.shown(lane.token) is None:
        await gateway.tokens.fetch(lane.token, lane.binding, call.leash)
    head, body = outgoing(gateway, call, lane)
    leash, settings = call.leash, gateway.settings
    leash.expiry_reason = LeashReason.FIRST_BYTE_TIMEOUT
    leash.expires_at = time.monotonic() + min(
        settings.first_byte_seconds, settings.whole_call_seconds
    )
    call.is_dispatched = True
    answer = await gateway.pool.send(lane.binding.target, head, body)
    call.upstream = answer if lane.provider.read is None else lane.provider.read(answer)


def outgoing(gateway: Gateway, call: Call, lane: Lane) -> tuple[bytes, bytes]:
    """Return head and body for the provider: the body as received, but for what must be spliced.

    Raises UpstreamLost when a token must be shown and there is none.
    """
    provider, body, incoming = lane.provider, call.body, call.incoming
    wanted = lane.wanted(call.model, call.ask.is_streamed)
    if wanted.model != call.ask.model:
        body = lane.wire.renamed(body, call.ask, wanted.model)
    if provider.edit is not None:
        body = provider.edit(body, wanted, incoming.forwarded)
    if call.hides_usage:
        body = with_usage_asked(body)
    query: bytes = call.scope["query_string"]
    if provider.query is not None:
        query = provider.query(query)
    headers = lane.headers(incoming.forwarded, incoming.consumed)
    target = lane.target(call.model, call.ask.is_streamed)
    if lane.token is not None:
        headers = [*headers, gateway.tokens.header(lane.token)]
    if lane.signer is not None:
        headers = [*headers, *lane.signature(target, query, body, gateway.now_s())]
    return lane.head(target, query, headers, len(body)), body
