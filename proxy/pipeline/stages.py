"""The order of a call, in one tuple, and the loop that carries a call through it.

A stage decides at once and returns None, or returns what must be awaited; a stage that can't decide
raises. Settlement is not left to the order: it runs in every case, exactly once.
"""

import logging
from collections.abc import Awaitable, Callable

from core.fault import Fault, Refused
from proxy.checks import NO_CHECKS
from proxy.dialects.meters import ArrayMeter, HidingMeter, StreamMeter
from proxy.gateway import Gateway
from proxy.pipeline import remember
from proxy.pipeline.attempts import dispatch
from proxy.pipeline.authenticate import authenticate
from proxy.pipeline.caching import (
    cache_mode,
    find_answer,
    keep_answer,
    record_answer,
)
from proxy.pipeline.call import Call, Outcome
from proxy.pipeline.endings import BrokenAnswer, conclude
from proxy.pipeline.guard import guard_answer, guard_request
from proxy.pipeline.incoming import CACHE_HEADER
from proxy.pipeline.increase_link import note_increase_link
from proxy.pipeline.limits import limits
from proxy.pipeline.observe import record
from proxy.pipeline.outgoing_headers import standing_headers, trace_headers
from proxy.pipeline.policy import policy
from proxy.pipeline.relay import relay
from proxy.pipeline.route import read, route
from proxy.pipeline.settle import settle
from proxy.pipeline.translate import StreamTranslator, translate_answer
from proxy.pipeline.unpack import unpack
from proxy.responses import error_element, error_event, refusal
from proxy.transport.faults import AbortConnection, ClientGone, LeashPulled, UpstreamLost

LOG = logging.getLogger(__name__)

Stage = Callable[[Gateway, Call], Awaitable[None] | None]

CHECKS: tuple[Stage, ...] = (policy, cache_mode, guard_request, find_answer)


def check(gateway: Gateway, call: Call) -> Awaitable[None] | None:
    """Apply what the key's calls are checked against; most keys have nothing of the kind."""
    if call.checks is NO_CHECKS and CACHE_HEADER not in call.incoming.consumed:
        return None
    return _run(gateway, call, CHECKS)


def _run(gateway: Gateway, call: Call, stages: tuple[Stage, ...]) -> Awaitable[None] | None:
    """Run stages up to the first that must wait; what is returned then goes on with the others."""
    for place, stage in enumerate(stages, 1):
        waiting = stage(gateway, call)
        if waiting is not None:
            return _go_on(gateway, call, waiting, stages[place:])
    return None


async def _go_on(
    gateway: Gateway, call: Call, waiting: Awaitable[None], stages: tuple[Stage, ...]
) -> None:
    await waiting
    for stage in stages:
        more = stage(gateway, call)
        if more is not None:
            await more


DECIDE: tuple[Stage, ...] = (
    authenticate,
    unpack,
    read,
    route,
    check,
    limits,
)
"""What is settled before a provider is called."""
STAGES: tuple[Stage, ...] = (
    *DECIDE,
    dispatch,
    record_answer,
    translate_answer,
    guard_answer,
    relay,
    keep_answer,
)

_STREAMS = (StreamMeter, HidingMeter, ArrayMeter)
_EXPECTED = (Refused, UpstreamLost, BrokenAnswer, ClientGone, AbortConnection, LeashPulled)


async def carry(gateway: Gateway, call: Call) -> None:
    """Carry a call through the stages, book it, and tell the client what it could not be told before."""
    error: BaseException | None = None
    gateway.metrics.in_flight += 1
    try:
        with call.leash.hold(call.connection):
            for stage in STAGES:
                waiting = stage(gateway, call)
                if waiting is not None:
                    await waiting
    except _EXPECTED as expected:
        error = expected
    except Exception as unexpected:
        # The edge of the pipeline: a mistake of ours ends this call only, and the call is still booked.
        LOG.exception("a call failed", extra={"request_id": call.identity.request_id})
        error = unexpected
    except BaseException:
        call.end(Outcome.CANCELLED, "gateway_stopped")
        raise
    finally:
        conclude(call, error)
        remember.note(gateway, call)
        settle(gateway, call)
        gateway.metrics.in_flight -= 1
        record(gateway, call)
        remember.finish(gateway, call)
    await _speak(gateway, call)


async def _speak(gateway: Gateway, call: Call) -> None:
    if call.has_ended:
        return
    if call.refused is not None and not call.has_started:
        await send_refusal(gateway, call, call.refused)
    elif call.outcome is Outcome.COMPLETED:
        await call.send({"type": "http.response.body", "body": b"", "more_body": False})
    else:
        await _break_off(call)


async def send_refusal(gateway: Gateway, call: Call, refused: Refused) -> None:
    """Answer a call with a refusal."""
    if refused.fault is Fault.BUDGET_EXCEEDED:
        note_increase_link(gateway, call, refused)
    answer = refusal(refused, call.identity, call.dialect.errors)
    headers = standing_headers(gateway.version_bytes, call.identity)
    headers += trace_headers(call.identity, call.incoming.get(b"tracestate"))
    headers += answer.headers
    call.has_started = call.has_ended = True
    await call.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await call.send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _break_off(call: Call) -> None:
    """End a started answer so that no client takes it for whole. Raises AbortConnection."""
    if call.refused is not None and _takes_event(call):
        event = _error_bytes(call, call.refused)
        await call.send({"type": "http.response.body", "chunks": [event], "more_body": True})
    raise AbortConnection


def _error_bytes(call: Call, refused: Refused) -> bytes:
    """Return the error that ends a started stream, and what must stand before it."""
    form, meter = call.dialect.errors, call.meter
    is_guarded = refused.fault is Fault.GUARDRAIL_BLOCKED
    code = "stream_chunk_blocked" if is_guarded else call.code
    first = call.converters[0] if call.converters else None
    last = call.converters[-1] if call.converters else meter
    if isinstance(last, ArrayMeter):
        return error_element(refused, code, form, is_first=not last.has_elements)
    answer_id = "" if meter is None else meter.reading.answer_id
    gap = b"" if last is None or last.at_boundary else b"\n\n"
    if isinstance(first, StreamTranslator) and not is_guarded:
        return gap + first.error(code, refused.message)
    return gap + error_event(refused, code, form, answer_id)


def _takes_event(call: Call) -> bool:
    if not isinstance(call.meter, _STREAMS) or call.upstream is None:
        return False
    if isinstance(call.meter, ArrayMeter) and not call.converters and not call.meter.at_boundary:
        return False
    if call.meter.reading.error_code:
        # The provider has told the client itself.
        return False
    if call.converters or isinstance(call.meter, HidingMeter):
        return True
    return not any(name == b"content-length" for name, _ in call.upstream.headers)
