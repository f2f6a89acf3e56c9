"""One request to a provider: head, body, deadline. Which provider, and whether another follows, others decide."""

import time

from proxy.cache_markers import with_markers
from proxy.gateway import Gateway
from proxy.pipeline.call import Call
from proxy.pipeline.lanes import Lane
from proxy.pipeline.translate import neutral_headers, translated_body, translated_query
from proxy.providers import sandbox
from proxy.providers.provider import Upstream
from proxy.splice import with_usage_asked
from proxy.transport.leash import Leash, LeashReason
from rules.cache_mode import CacheMode


def deadline(gateway: Gateway, call: Call, has_more: bool) -> tuple[float, LeashReason]:
    """Return until when (monotonic seconds) an attempt may wait for its first byte, and what it is if it doesn't come.

    A streamed answer begins early, so while another provider is left to try it is waited for less long.
    """
    settings, seconds = gateway.settings, call.required_plan().terms.attempt_seconds
    if seconds is None:
        seconds = settings.first_byte_seconds
        if has_more and call.ask.is_streamed:
            seconds = min(seconds, settings.attempt_seconds)
    expires_at = time.monotonic() + seconds
    ends_at = call.begun + settings.whole_call_seconds
    if ends_at < expires_at:
        return ends_at, LeashReason.TOTAL_TIMEOUT
    return expires_at, LeashReason.FIRST_BYTE_TIMEOUT


async def authorise(gateway: Gateway, lane: Lane, leash: Leash) -> None:
    """Have at hand what the provider must be shown. Raises UpstreamLost when it can't be had, LeashPulled."""
    if lane.token is not None and gateway.tokens.shown(lane.token) is None:
        await gateway.tokens.fetch(lane.token, lane.binding, leash)


async def send(gateway: Gateway, call: Call, lane: Lane, head: bytes, body: bytes) -> Upstream:
    """Send the request and return the answer once its head is there. Raises UpstreamLost."""
    call.is_dispatched = True
    if lane.binding.target is None:
        return sandbox.answer(
            call.route.request_type,
            call.ask,
            call.body,
            gateway.sandbox_pace,
            call.scope["query_string"],
        )
    answer = await gateway.pool.send(lane.binding.target, head, body)
    read = lane.provider.read
    if read is None:
        return answer
    return read(answer, lane.destination(call.model, call.ask.is_streamed).wanted)


def outgoing(gateway: Gateway, call: Call, lane: Lane) -> tuple[bytes, bytes]:
    """Return head and body for the provider: the body as received, but for what must be spliced or translated.

    Raises UpstreamLost when a token must be shown and there is none, Refused when a request can't be translated.
    """
    if lane.binding.target is None:
        return b"", b""
    wanted, target = lane.destination(call.model, call.ask.is_streamed)
    if lane.is_plain and wanted.model == call.ask.model and not call.hides_usage:
        head = lane.head(
            target, call.scope["query_string"], call.incoming.forwarded, len(call.body)
        )
        return head, call.body
    provider, body, way = lane.provider, call.body, lane.way
    given, named = call.incoming.forwarded, call.incoming.consumed
    query: bytes = call.scope["query_string"]
    if way is not None:
        body = translated_body(gateway, call, way, wanted.model)
        if call.cache_mode is CacheMode.FORCE and way.wire.name == "anthropic_messages":
            body = with_markers(body)
        given, named, query = neutral_headers(given), {}, translated_query(call, way)
    elif wanted.model != call.ask.model:
        body = lane.wire.renamed(body, call.ask, wanted.model)
    if provider.edit is not None:
        body = provider.edit(body, wanted, given)
    if call.hides_usage:
        body = with_usage_asked(body)
    if provider.query is not None:
        query = provider.query(query)
    headers = lane.headers(given, named)
    if lane.token is not None:
        headers = [*headers, gateway.tokens.header(lane.token)]
    if lane.signer is not None:
        headers = [*headers, *lane.signature(target, query, body, gateway.now_s())]
    return lane.head(target, query, headers, len(body)), body
