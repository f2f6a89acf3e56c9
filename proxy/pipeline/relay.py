"""The stage that passes the answer on: piece by piece, as it arrives, unchanged, with a meter beside it."""

import time
from collections.abc import Sequence

from proxy.dialects.meters import Meter, meter_for
from proxy.gateway import Gateway
from proxy.pipeline.attempts import note_break
from proxy.pipeline.call import Call, Converter, Outcome
from proxy.pipeline.endings import MALFORMED_STREAM, MID_STREAM_FAILURE, BrokenAnswer
from proxy.pipeline.outgoing_headers import answer_headers, answer_lines
from proxy.pipeline.remember import begin
from proxy.pipeline.secrecy import Blinds
from proxy.providers.provider import Upstream
from proxy.transport.asgi import Message
from proxy.transport.leash import LeashReason
from rules.makers import Watch


async def relay(gateway: Gateway, call: Call) -> None:
    """Pass the answer on to its end. Raises UpstreamLost, ClientGone, BrokenAnswer."""
    upstream = call.upstream
    if upstream is None:
        raise RuntimeError("there is no answer to relay")
    call.status = upstream.status
    watch = None
    if call.watches_sealed and upstream.status < 300:
        bundle, binding = call.required_plan().bundle, call.required_lane().binding
        watch = Watch(gateway.makers, bundle.vk_id, binding.id, call.dialect.name)
    call.capture = begin(gateway, call)
    is_streamed = call.ask.is_streamed
    wire = call.required_lane().wire
    call.meter = meter_for(wire, upstream.headers, call.hides_usage, is_streamed)
    gateway.metrics.streaming += is_streamed
    try:
        await _pass_on(gateway, call, upstream, call.meter, watch)
    except BaseException as error:
        note_break(gateway, call, error)
        raise
    finally:
        gateway.metrics.streaming -= is_streamed
        upstream.abort()
    if upstream.status >= 300:
        # The provider's own refusal: its status and its words are the client's to read.
        call.end(Outcome.FAILED, str(upstream.status))
    elif call.meter.reading.error_code:
        # A clean end all the same: the provider has told the client itself, in its terminal event.
        call.end(Outcome.FAILED, call.meter.reading.error_code)
    else:
        call.end(Outcome.COMPLETED)


async def _pass_on(
    gateway: Gateway, call: Call, upstream: Upstream, meter: Meter, watch: Watch | None
) -> None:
    """Pass on all pieces. The head goes out with the first of them, so that a provider which fails
    before it has said anything can still be answered for with a status."""
    is_last = False
    while not is_last:
        pieces = await upstream.next_chunks()
        now = time.monotonic()
        if call.first_byte is None:
            call.first_byte = now
        is_last = pieces is None or upstream.is_whole
        if not is_last:
            _move_deadline(gateway, call, now)
        shown = [] if pieces is None else meter.take(pieces)
        if is_last and not meter.malformed:
            shown = [*shown, *meter.finish()]
        problem = _problem(call, meter, is_last)
        more = problem is not None or not is_last
        if call.converters:
            shown = _converted(call.converters, shown, more)
            if call.asking is not None:
                shown = [*shown, *await call.asking()]
        if upstream.status >= 300:
            shown = Blinds(gateway, call.required_lane()).pieces(shown)
        if watch is not None:
            watch.see(shown)
        if call.capture is not None:
            call.capture.take(shown)
        if shown or not more:
            await call.send(_message(gateway, call, shown, more))
            call.has_ended = not more
            call.has_delivered_end = call.has_delivered_end or _is_delivered(call, meter)
        if problem is not None:
            raise problem


def _converted(converters: Sequence[Converter], pieces: list[bytes], more: bool) -> list[bytes]:
    """Return the pieces as the client gets them; only a clean end makes the converters finish."""
    for converter in converters:
        pieces = converter.take(pieces)
        if not more:
            pieces = [*pieces, *converter.finish()]
    return pieces


def _is_delivered(call: Call, meter: Meter) -> bool:
    """Say whether what ends the client's dialect has been sent."""
    if call.converters:
        return call.converters[-1].has_ended
    return meter.reading.is_terminal


def _move_deadline(gateway: Gateway, call: Call, now: float) -> None:
    leash, settings = call.leash, gateway.settings
    leash.expires_at = now + settings.between_bytes_seconds
    leash.expiry_reason = LeashReason.IDLE_TIMEOUT
    whole_call_ends = call.begun + settings.whole_call_seconds
    if whole_call_ends < leash.expires_at:
        leash.expires_at = whole_call_ends
        leash.expiry_reason = LeashReason.TOTAL_TIMEOUT


def _problem(call: Call, meter: Meter, is_last: bool) -> BrokenAnswer | None:
    """Return why the answer can't end cleanly after what was just read."""
    if meter.malformed:
        return BrokenAnswer(MALFORMED_STREAM, meter.malformed)
    if not is_last or meter.is_whole or (call.status or 0) >= 300:
        return None
    code = meter.reading.error_code
    if code:
        return BrokenAnswer(MID_STREAM_FAILURE, f"it broke off with {code}")
    return BrokenAnswer(MID_STREAM_FAILURE, "its answer ended early")


def _message(gateway: Gateway, call: Call, pieces: list[bytes], more: bool) -> Message:
    """Return the next body message; the first is the start of the answer as well."""
    if call.has_started:
        return {"type": "http.response.body", "chunks": pieces, "more_body": more}
    call.has_started = True
    headers = answer_headers(call)
    if (call.status or 0) >= 300:
        headers = Blinds(gateway, call.required_lane()).headers(headers)
    return {
        "type": "http.response.start",
        "status": call.status,
        "lines": answer_lines(gateway, call),
        "headers": headers,
        "chunks": pieces,
        "more_body": more,
    }
