"""The stage that calls the provider: head, body, deadlines. The answer's body is the relay's."""

import time

from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.lanes import Lane
from proxy.providers import sandbox
from proxy.splice import renamed_model, with_usage_asked
from proxy.transport.leash import LeashReason


async def dispatch(gateway: Gateway, call: Call) -> None:
    """Send the request and wait for the head of the answer. Raises UpstreamLost."""
    lane = call.required_lane()
    if lane.binding.target is None:
        call.is_dispatched = True
        call.upstream = sandbox.answer(
            call.route.request_type, call.ask, call.body, gateway.sandbox_pace
        )
        return
    head, body = outgoing(call, lane)
    leash, settings = call.leash, gateway.settings
    leash.expiry_reason = LeashReason.FIRST_BYTE_TIMEOUT
    leash.expires_at = time.monotonic() + min(
        settings.first_byte_seconds, settings.whole_call_seconds
    )
    call.is_dispatched = True
    call.upstream = await gateway.pool.send(lane.binding.target, head, body)


def outgoing(call: Call, lane: Lane) -> tuple[bytes, bytes]:
    """Return head and body for the provider: the body as received, but for what must be spliced."""
    body, model, is_streamed = call.body, call.model, call.ask.is_streamed
    if model != call.ask.model and lane.wire.names_model_in_body:
        body = renamed_model(body, model)
    if lane.provider.edit is not None:
        body = lane.provider.edit(body, lane.wanted(model, is_streamed))
    if call.hides_usage:
        body = with_usage_asked(body)
    headers = call.incoming.forwarded
    for header in lane.provider.default_headers:
        if header[0] not in call.incoming.consumed:
            headers = [*headers, header]
    target = lane.target(model, is_streamed)
    return lane.head(target, call.scope["query_string"], headers, len(body)), body
