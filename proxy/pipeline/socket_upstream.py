"""Who of a call's chain is reached by WebSocket, and the connection there. Passes no event on.

A provider that answers a handshake with a refusal of the kind "there is no such thing here" is not asked again,
and its breaker hears nothing of it: it may serve plain HTTP very well.
"""

import time
from typing import Any

import trio

from core.fault import Fault, Refused
from proxy.gateway import Gateway
from proxy.pipeline.attempts import (
    CIRCUIT_OPEN,
    FALLBACK_SUCCESS,
    NETWORK,
    SUCCESS,
    UNSENDABLE,
    barred,
    moved_to,
)
from proxy.pipeline.call import Call
from proxy.pipeline.dispatch import authorise
from proxy.pipeline.lanes import Choice, Lane
from proxy.transport.duplex import Duplex
from proxy.transport.faults import HandshakeRefused, Stage, UpstreamLost
from proxy.transport.upstream import host_header
from proxy.transport.websocket import WebSocket, shake_hands

_HANDSHAKE_HEADERS = b"sec-websocket-"
_NO_SUCH_THING = frozenset({404, 405, 426, 501})
NOT_HERE = "This model's providers are not reached by WebSocket; use plain HTTP."


def speaks(lane: Lane) -> bool:
    """Say whether a lane's provider opens WebSockets, as far as is known."""
    headers = lane.provider.socket_headers
    if lane.way is not None or lane.binding.target is None or not lane.opens_sockets:
        return False
    return headers is not None and headers(lane.binding) is not None


def keep_speaking(call: Call, lane: Lane | None) -> None:
    """Leave of a call's chain whoever is reached by WebSocket: on an open connection, the one it leads to.

    Raises Refused: UPGRADE_REQUIRED, BAD_REQUEST.
    """
    chain = tuple(choice for choice in call.chain if speaks(choice.lane))
    if not chain:
        raise Refused(Fault.UPGRADE_REQUIRED, NOT_HERE, model=call.ask.model)
    if lane is not None:
        chain = tuple(choice for choice in chain if choice.lane.binding.id == lane.binding.id)
    if not chain:
        raise Refused(
            Fault.BAD_REQUEST,
            "This connection leads to another provider; open a new one for this model.",
        )
    call.chain = chain
    call.choose(chain[0])


async def connected(gateway: Gateway, call: Call, headers: list[tuple[bytes, bytes]]) -> WebSocket:
    """Return a connection to the first provider of the chain that opens one, which serves the call then.

    ``headers`` are the client's. Raises UpstreamLost, Refused, LeashPulled when none does.
    """
    attempts: list[dict[str, Any]] = []
    if len(call.chain) > 1:
        call.note("attempts", attempts)
    last: Exception = Refused(Fault.UPGRADE_REQUIRED, NOT_HERE, model=call.ask.model)
    for place, choice in enumerate(call.chain[: call.required_plan().terms.max_attempts]):
        refused = barred(gateway, call, choice) or moved_to(gateway, call, place)
        if refused is not None:
            outcome = CIRCUIT_OPEN if refused.fault is Fault.CIRCUIT_OPEN else refused.fault.code
            attempts.append(_attempt(choice, outcome, 0))
            last = refused
            continue
        begun_s = time.monotonic()
        try:
            opened = await _opened(gateway, call, choice, headers)
        except HandshakeRefused as error:
            gateway.circuits.alive(choice.lane.binding.id)
            attempts.append(_attempt(choice, UNSENDABLE, _since_ms(begun_s), error.status))
            last = error
            if error.status in _NO_SUCH_THING:
                choice.lane.opens_sockets = False
                last = Refused(Fault.UPGRADE_REQUIRED, NOT_HERE, model=call.ask.model)
        except UpstreamLost as error:
            gateway.circuits.failed(choice.lane.binding.id)
            attempts.append(_attempt(choice, NETWORK, _since_ms(begun_s)))
            last = error
        else:
            outcome = FALLBACK_SUCCESS if place else SUCCESS
            attempts.append(_attempt(choice, outcome, _since_ms(begun_s), 101))
            return opened
    raise last


def _attempt(choice: Choice, outcome: str, took_ms: int, status: int | None = None) -> Any:
    provider_id = choice.lane.binding.id
    told = {"provider_id": provider_id, "model": choice.model, "outcome": outcome}
    return told | {"status": status, "ms": took_ms}


def _since_ms(begun_s: float) -> int:
    return int((time.monotonic() - begun_s) * 1000)


async def _opened(
    gateway: Gateway, call: Call, choice: Choice, headers: list[tuple[bytes, bytes]]
) -> WebSocket:
    lane, settings = choice.lane, gateway.settings
    target, prove = lane.binding.target, lane.provider.socket_headers
    if target is None or prove is None:
        raise UpstreamLost(Stage.CONNECT, "the provider has no address")
    await authorise(gateway, lane, call.leash)
    sock, slot = await gateway.pool.dialer.connect(target)
    duplex = Duplex(sock, slot)
    try:
        forwarded = [h for h in headers if not h[0].startswith(_HANDSHAKE_HEADERS)]
        extra = lane.binding.settings.extra_headers.items()
        given = [
            (b"host", host_header(target)),
            *(prove(lane.binding) or []),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in extra),
            *lane.headers(forwarded, call.incoming.consumed),
        ]
        if lane.token is not None:
            given.append(gateway.tokens.header(lane.token))
        _, _, path = lane.destination("", True).target.partition(b" ")
        with trio.move_on_after(settings.connect_seconds) as patience:
            rest = await shake_hands(duplex, path, given, settings.connect_seconds)
        if patience.cancelled_caught:
            raise UpstreamLost(Stage.HEAD, "it gave no answer to a WebSocket handshake in time")
    except BaseException:
        duplex.close()
        raise
    duplex.begin_with(rest)
    return WebSocket(duplex, False, settings.max_body_bytes, settings.client_write_seconds)
