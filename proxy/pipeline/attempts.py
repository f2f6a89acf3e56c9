"""Tries the lanes of a chain until one begins to answer. What the answer says after its first bytes is the relay's.

The next lane is tried after a status of 500 or more, 429, 404, silence, or a connection that broke before the
first byte of an answer; never after any other refusal of a provider, and never once an answer has begun.
"""

import math
import time
from typing import Any, NamedTuple

from core.fault import Fault, Refused
from proxy.dialects.dialect import Counts
from proxy.dialects.meters import meter_for
from proxy.gateway import Gateway
from proxy.pipeline.beginnings import (
    SERVER_ERROR,
    Begun,
    error_outcome,
    status_outcome,
)
from proxy.pipeline.call import Call
from proxy.pipeline.dispatch import authorise, deadline, outgoing, send
from proxy.pipeline.endings import BrokenAnswer
from proxy.pipeline.lanes import Choice
from proxy.pipeline.limits import again, has_room
from proxy.routes import Pricing
from proxy.transport.faults import LeashPulled, Stage, UpstreamLost
from proxy.transport.leash import Leash, LeashReason
from rules.breaker import State
from rules.pricing import cost_nanousd

SUCCESS = "success"
FALLBACK_SUCCESS = "fallback_success"
TIMEOUT = "timeout"
NETWORK = "network"
CIRCUIT_OPEN = "circuit_open"
REFUSED = "non_retryable"
UNSENDABLE = "unsendable"
STOPPED = "context_done"

_LATE = (LeashReason.FIRST_BYTE_TIMEOUT, LeashReason.IDLE_TIMEOUT)
_SILENT = UpstreamLost(Stage.BODY, "closed before the first byte of the answer")


class _Failure(NamedTuple):
    """An attempt that another may follow; ``error`` is what the call ends with when none does."""

    outcome: str
    error: UpstreamLost | None = None
    """None where the provider was late, and where it gave an answer that could be passed on."""


async def dispatch(gateway: Gateway, call: Call) -> None:
    """Get an answer that has begun, from the first lane of the chain that gives one.

    Raises UpstreamLost or LeashPulled when the last lane that may be tried fails without an answer, and
    Refused when none may be tried: CIRCUIT_OPEN.
    """
    if call.is_replayed:
        return
    if len(call.chain) > 1:
        await _first_answer(gateway, call)
    else:
        await _only_answer(gateway, call, call.chain[0])


async def _only_answer(gateway: Gateway, call: Call, choice: Choice) -> None:
    """Call the one provider there is. There is nothing to fall back to, so its first bytes are not waited for."""
    lane, circuits, leash = choice.lane, gateway.circuits, call.leash
    provider_id = lane.binding.id
    breaker = circuits.find(provider_id)
    if breaker is not None and (refused := barred(gateway, call, choice)) is not None:
        raise refused
    try:
        leash.expires_at, leash.expiry_reason = deadline(gateway, call, has_more=False)
        if lane.token is not None:
            await authorise(gateway, lane, leash)
        head, body = outgoing(gateway, call, lane)
        call.upstream = upstream = await send(gateway, call, lane, head, body)
    except BaseException as error:
        note_break(gateway, call, error)
        raise
    if upstream.status >= 500:
        circuits.failed(provider_id)
    elif breaker is not None:
        circuits.alive(provider_id)


def note_break(gateway: Gateway, call: Call, error: BaseException) -> None:
    """Tell the breaker of the provider that serves a call whether the call's early end was the provider's fault."""
    provider_id = call.required_lane().binding.id
    if isinstance(error, (UpstreamLost, BrokenAnswer)) or call.leash.reason in _LATE:
        gateway.circuits.failed(provider_id)
    else:
        let_go(gateway, call, provider_id)


async def _first_answer(gateway: Gateway, call: Call) -> None:
    run = _Run(gateway, call)
    try:
        while (place := run.next()) is not None:
            failure = await run.attempt(place)
            if failure is None:
                return
        run.give_up()
    except BaseException:
        # The answer of an earlier attempt may still be at hand; nobody is going to read it.
        if call.upstream is not None:
            call.upstream.abort()
        raise


class _Run:
    """One walk along the chain of one call."""

    def __init__(self, gateway: Gateway, call: Call) -> None:
        self._gateway = gateway
        self._call = call
        self._place = 0
        self._left = call.required_plan().terms.max_attempts
        self._tried: tuple[int, _Failure] | None = None
        """The last attempt that was sent, and how it failed. Its answer is kept until the next one is sent."""
        self._refused: Refused | None = None
        self._attempts: list[dict[str, Any]] = []
        call.note("attempts", self._attempts)

    def next(self) -> int | None:
        """Return the place of the next lane that may be tried, chosen for the call; None when there is none."""
        call = self._call
        while self._left and self._place < len(call.chain):
            place, self._place = self._place, self._place + 1
            choice = call.chain[place]
            refused = barred(self._gateway, call, choice)
            if refused is None:
                refused = moved_to(self._gateway, call, place)
            if refused is None:
                return place
            is_circuit = refused.fault is Fault.CIRCUIT_OPEN
            self._pass_by(choice, CIRCUIT_OPEN if is_circuit else refused.fault.code, refused)
        return None

    def give_up(self) -> None:
        """Let the last attempt's end be the call's: its answer, whatever it says, or its error.

        Raises UpstreamLost, LeashPulled, or Refused when nothing was sent to anybody.
        """
        if self._tried is None:
            raise self._refused or Refused(Fault.INTERNAL_ERROR, "The call has no route.")
        place, failure = self._tried
        serve_by(self._gateway, self._call, place)
        if failure.outcome == TIMEOUT:
            self._call.leash.pull(LeashReason.FIRST_BYTE_TIMEOUT)
            raise LeashPulled
        if failure.error is not None:
            raise failure.error

    async def attempt(self, place: int) -> _Failure | None:
        """Try one lane; return what went wrong when the next may be tried, None when this one serves."""
        call, has_more = self._call, self._has_more()
        begun_s = time.monotonic()
        expires_at, reason = deadline(self._gateway, call, has_more)
        try:
            if has_more:
                failure = await self._leashed(place, Leash(expires_at, reason))
            else:
                call.leash.expires_at, call.leash.expiry_reason = expires_at, reason
                failure = await self._until_begun(place, call.leash)
        except BaseException as error:
            self._stopped(call.chain[place], error, begun_s)
            raise
        if failure is None or failure.outcome != UNSENDABLE:
            self._judged(call.chain[place], failure, begun_s)
        return failure

    def _has_more(self) -> bool:
        call = self._call
        return self._left > 1 and any(
            would_admit(self._gateway, choice) for choice in call.chain[self._place :]
        )

    async def _leashed(self, place: int, leash: Leash) -> _Failure | None:
        """Run an attempt on a leash of its own, so that its deadline ends the attempt and not the call."""
        call, failure = self._call, None
        with leash.hold(call.connection):
            failure = await self._until_begun(place, leash)
        if leash.reason is LeashReason.FIRST_BYTE_TIMEOUT and call.leash.reason is None:
            await self._discard()
            return self._failed(place, _Failure(TIMEOUT))
        if leash.reason is not None:
            call.leash.pull(leash.reason)
        if call.leash.reason is not None:
            raise LeashPulled
        return failure

    async def _until_begun(self, place: int, leash: Leash) -> _Failure | None:
        """Send, and wait for the answer's head; of an answer that is to be passed on, for its first bytes too."""
        gateway, call, lane = self._gateway, self._call, self._call.chain[place].lane
        try:
            await authorise(gateway, lane, leash)
            head, body = outgoing(gateway, call, lane)
            await self._discard()
            self._left -= 1
            call.upstream = upstream = await send(gateway, call, lane, head, body)
            outcome = status_outcome(upstream.status)
            if outcome:
                return self._failed(place, _Failure(outcome))
            if upstream.status >= 300 or lane.binding.target is None:
                return None
            pieces = await upstream.next_chunks()
        except UpstreamLost as lost:
            await self._discard()
            return self._failed(place, _Failure(NETWORK, lost))
        except Refused as unsendable:
            let_go(gateway, call, lane.binding.id)
            self._pass_by(call.chain[place], UNSENDABLE, unsendable)
            return _Failure(UNSENDABLE)
        if pieces is None:
            return self._failed(place, _Failure(NETWORK, _SILENT))
        call.upstream = Begun(upstream, pieces)
        outcome = error_outcome(lane.wire, pieces)
        return self._failed(place, _Failure(outcome)) if outcome else None

    def _failed(self, place: int, failure: _Failure) -> _Failure:
        self._tried = place, failure
        return failure

    async def _discard(self) -> None:
        """Drop the answer there is. What a whole one told of its usage stays a fact of the attempt before."""
        call = self._call
        upstream, call.upstream = call.upstream, None
        if upstream is None:
            return
        if upstream.is_whole and self._tried is not None:
            # It has arrived already, so this waits for nothing.
            pieces = await upstream.next_chunks()
            wire = call.chain[self._tried[0]].lane.wire
            meter = meter_for(wire, upstream.headers, hides_usage=False)
            meter.take(pieces or [])
            meter.finish()
            if meter.reading.usage is not None:
                self._attempts[-1]["usage"] = told(wire.counts(meter.reading.usage))
        upstream.abort()

    def _judged(self, choice: Choice, failure: _Failure | None, begun_s: float) -> None:
        """Note an attempt that came to an end, for the ledger, the breaker and the averages."""
        gateway, call = self._gateway, self._call
        binding, took_ms = choice.lane.binding, _since_ms(begun_s)
        status = None if call.upstream is None else call.upstream.status
        outcome = SUCCESS if failure is None else failure.outcome
        if outcome in (SERVER_ERROR, NETWORK, TIMEOUT):
            gateway.circuits.failed(binding.id)
        else:
            gateway.circuits.alive(binding.id)
        if failure is None and status is not None and status >= 300:
            outcome = REFUSED
        if outcome in (SUCCESS, TIMEOUT):
            gateway.latencies.add((binding.id, choice.model), took_ms, gateway.now_s())
        if outcome == SUCCESS and call.fallback_count:
            outcome = FALLBACK_SUCCESS
        self._note(choice, outcome, status, took_ms)

    def _stopped(self, choice: Choice, error: BaseException, begun_s: float) -> None:
        """Note an attempt that ended with the call."""
        note_break(self._gateway, self._call, error)
        is_late = self._call.leash.reason is LeashReason.FIRST_BYTE_TIMEOUT
        self._note(choice, TIMEOUT if is_late else STOPPED, None, _since_ms(begun_s))

    def _pass_by(self, choice: Choice, outcome: str, refused: Refused) -> None:
        self._refused = self._refused or refused
        self._note(choice, outcome, None, 0)

    def _note(self, choice: Choice, outcome: str, status: int | None, took_ms: int) -> None:
        attempt = {
            "provider_id": choice.lane.binding.id,
            "model": choice.model,
            "outcome": outcome,
            "status": status,
            "ms": took_ms,
        }
        self._attempts.append(attempt)
        self._call.note("fallback_count", self._call.fallback_count)


def moved_to(gateway: Gateway, call: Call, place: int) -> Refused | None:
    """Let a lane of the chain serve a call from here on; return why its provider's own limits do not let it.

    Raises Refused(LEDGER_FULL) when that can't be recorded.
    """
    choice = call.chain[place]
    try:
        again(gateway, call, choice)
    except Refused as refused:
        let_go(gateway, call, choice.lane.binding.id)
        if refused.fault is Fault.LEDGER_FULL:
            raise
        return refused
    serve_by(gateway, call, place)
    return None


def serve_by(gateway: Gateway, call: Call, place: int) -> None:
    """Let a lane of the chain serve a call: its model, its price, its share of the hold."""
    choice = call.chain[place]
    call.fallback_count = place
    if (call.lane, call.model) == choice:
        return
    call.choose(choice)
    if call.route.pricing is not Pricing.FREE:
        medium = call.route.pricing.medium
        price = gateway.prices.price(
            choice.lane.binding.type, choice.model, call.admitted_s, medium, call.ask.tier
        )
        call.price, call.estimate_nanousd = price, cost_nanousd(call.estimate, price)


def let_go(gateway: Gateway, call: Call, provider_id: str) -> None:
    """Tell the breaker of a provider that a call which probed it will say nothing of it."""
    if call.probes == provider_id:
        call.probes = ""
        gateway.circuits.let_go(provider_id)


def barred(gateway: Gateway, call: Call, choice: Choice) -> Refused | None:
    """Return why a lane may not be tried now, None when it may; a half-open breaker takes this as its probe."""
    binding = choice.lane.binding
    breaker = gateway.circuits.find(binding.id)
    now_s = time.monotonic()
    if breaker is None:
        return None
    is_probe = breaker.state(now_s) is State.HALF_OPEN
    if breaker.admit(now_s):
        call.probes = binding.id if is_probe else ""
        return None
    return Refused(
        Fault.CIRCUIT_OPEN,
        f'The provider "{binding.name}" failed too often just now and is left alone for a while.',
        provider=binding.name,
        retry_after_seconds=math.ceil(breaker.wait_seconds(now_s)),
    )


def would_admit(gateway: Gateway, choice: Choice) -> bool:
    """Say whether a lane could be tried now, without trying it."""
    binding = choice.lane.binding
    breaker = gateway.circuits.find(binding.id)
    if breaker is not None and not breaker.would_admit(time.monotonic()):
        return False
    return not binding.limits or has_room(binding, gateway.now_s())


def told(counts: Counts) -> dict[str, int]:
    """Return the counts that are not zero, by name."""
    return {
        name: value for name, value in counts._asdict().items() if value and name != "is_consistent"
    }


def _since_ms(begun_s: float) -> int:
    return int((time.monotonic() - begun_s) * 1000)
