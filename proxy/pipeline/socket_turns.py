"""A WebSocket of OpenAI's responses API, governed: each ``response.create`` is a call like any other.

A turn goes through the deciding stages and is booked; its answer is metered from the provider's events, which
pass unchanged. All turns of a connection go to one provider, because what a turn builds on lives there. What is
refused is said as an error event, and the connection stays open.
"""

import time
from collections.abc import Sequence

import msgspec
import trio
from msgspec.structs import replace

from core.fault import Fault, Refused
from proxy.dialects.dialect import UNREADABLE, Reading
from proxy.gateway import Gateway
from proxy.pipeline import remember
from proxy.pipeline.attempts import barred
from proxy.pipeline.call import Call, Outcome, new_call
from proxy.pipeline.endings import MALFORMED_STREAM, BrokenAnswer, conclude
from proxy.pipeline.incoming import Incoming
from proxy.pipeline.lanes import Lane
from proxy.pipeline.observe import record
from proxy.pipeline.route import read
from proxy.pipeline.settle import settle
from proxy.pipeline.stages import DECIDE
from proxy.responses import RETRY_SOON_SECONDS
from proxy.routes import Route
from proxy.splice import renamed_model
from proxy.transport.asgi import Message, Scope
from proxy.transport.duplex import Duplex, DuplexLost
from proxy.transport.faults import ClientGone, LeashPulled, Stage, UpstreamLost
from proxy.transport.upstream import host_header
from proxy.transport.websocket import (
    GOING_AWAY,
    INTERNAL,
    NORMAL,
    WebSocket,
    shake_hands,
)

CREATE, CANCEL = "response.create", "response.cancel"
DRAIN_LOOK_SECONDS = 0.25
_FOREVER = float("inf")
_HANDSHAKE_HEADERS = b"sec-websocket-"


class _Asked(msgspec.Struct):
    type: str = ""


class FrameMeter:
    """Reads the events of one turn; what the pipeline needs of a meter."""

    at_boundary = True
    is_whole = True

    def __init__(self) -> None:
        self.reading = Reading()
        self.malformed = ""

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Return the pieces: events pass as they are."""
        return pieces

    def finish(self) -> list[bytes]:
        """Return what is left: nothing."""
        return []


async def _send_nothing(_: Message) -> None:
    """A turn's answer goes out as events, not as an HTTP message."""


class Turns:
    """The turns of one client's connection, and the provider's connection behind it."""

    def __init__(
        self, gateway: Gateway, scope: Scope, route: Route, incoming: Incoming, client: WebSocket
    ) -> None:
        self._gateway = gateway
        self._scope = scope
        self._route = route
        self._incoming = incoming
        self._client = client
        self._upstream: WebSocket | None = None
        self._lane: Lane | None = None
        self._call: Call | None = None
        """The turn under way."""
        self._patience = trio.CancelScope()
        """Around the wait for the provider; its deadline is the turn's."""

    async def run(self) -> None:
        """Serve the connection until one side leaves or the gateway stops."""
        code = NORMAL
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_drain, nursery.cancel_scope)
                while (message := await self._client.receive()) is not None:
                    await self._take(message, nursery)
                nursery.cancel_scope.cancel()
        except* DuplexLost:
            pass
        finally:
            if self._call is not None:
                self._finish(ClientGone())
            if self._upstream is not None:
                self._upstream.abort()
        await self._client.close(code)

    async def _watch_drain(self, serving: trio.CancelScope) -> None:
        connection = self._scope["state"]["connection"]
        # A drain sets a mark and no event; a connection between two turns has nothing else to look at it.
        while not connection.last or self._call is not None:  # noqa: ASYNC110
            await trio.sleep(DRAIN_LOOK_SECONDS)
        await self._client.close(GOING_AWAY, "the gateway is stopping")
        serving.cancel()

    async def _take(self, message: bytes, nursery: trio.Nursery) -> None:
        try:
            kind = msgspec.json.decode(message, type=_Asked).type
        except UNREADABLE:
            kind = ""
        if kind == CREATE and self._call is None:
            await self._begin(message, nursery)
        elif kind == CREATE:
            await self._say(
                Refused(Fault.BAD_REQUEST, "The answer before this one is still under way.")
            )
        elif kind == CANCEL and self._upstream is not None and self._call is not None:
            await self._upstream.send(message)
        else:
            # What we can't account for goes to no provider.
            await self._say(Refused(Fault.BAD_REQUEST, f"Send {CREATE} or {CANCEL}."))

    async def _begin(self, message: bytes, nursery: trio.Nursery) -> None:
        gateway = self._gateway
        identity = gateway.identities.mint(self._incoming.trace)
        call = self._call = new_call(self._scope, _send_nothing, self._route, identity)
        call.incoming, call.body = self._incoming, message
        gateway.metrics.in_flight += 1
        try:
            await self._decide(call)
            lane = call.required_lane()
            if (refused := barred(gateway, call, call.chain[0])) is not None:
                raise refused
            if self._upstream is None:
                self._upstream = await self._connect(lane)
                self._lane = lane
                nursery.start_soon(self._pass_on, self._upstream)
            elif self._lane is None or self._lane.binding.id != lane.binding.id:
                raise Refused(
                    Fault.BAD_REQUEST,
                    "This connection leads to another provider; open a new one for this model.",
                )
            call.is_dispatched = True
            call.status, call.meter = 200, FrameMeter()
            call.capture = remember.begin(gateway, call)
            self._patience.deadline = trio.current_time() + gateway.settings.first_byte_seconds
            body = call.body
            if call.model != call.ask.model:
                body = renamed_model(body, call.model)
            gateway.metrics.streaming += 1
            await self._upstream.send(body)
        except DuplexLost as error:
            await self._fail(UpstreamLost(Stage.SEND, str(error)))
        except (Refused, UpstreamLost, LeashPulled) as error:
            await self._fail(error)

    async def _decide(self, call: Call) -> None:
        for stage in DECIDE:
            waiting = stage(self._gateway, call)
            if waiting is not None:
                await waiting
            if stage is read:
                # There is no other way to answer on a WebSocket, so nobody asks for it.
                call.ask = replace(call.ask, is_streamed=True)

    async def _connect(self, lane: Lane) -> WebSocket:
        settings, target = self._gateway.settings, lane.binding.target
        if target is None:
            raise UpstreamLost(Stage.CONNECT, "the provider has no address")
        sock, slot = await self._gateway.pool.dialer.connect(target)
        duplex = Duplex(sock, slot)
        try:
            forwarded = [
                h for h in self._incoming.forwarded if not h[0].startswith(_HANDSHAKE_HEADERS)
            ]
            headers = [
                (b"host", host_header(target)),
                *lane.provider.credential_headers(lane.binding),
                *lane.headers(forwarded, self._incoming.consumed),
            ]
            _, _, path = lane.destination("", True).target.partition(b" ")
            with trio.move_on_after(settings.connect_seconds) as patience:
                rest = await shake_hands(duplex, path, headers, settings.connect_seconds)
            if patience.cancelled_caught:
                raise UpstreamLost(Stage.HEAD, "it gave no answer to a WebSocket handshake in time")
        except BaseException:
            duplex.close()
            raise
        duplex.begin_with(rest)
        return WebSocket(duplex, False, settings.max_body_bytes, settings.client_write_seconds)

    async def _pass_on(self, upstream: WebSocket) -> None:
        """Pass the provider's events to the client, and end each turn with its last."""
        try:
            while True:
                with self._patience:
                    event = await upstream.receive()
                if self._patience.cancelled_caught:
                    await self._fail(Refused(Fault.UPSTREAM_TIMEOUT, "The provider fell silent."))
                    await self._client.close(INTERNAL, "the provider fell silent")
                    return
                self._patience = trio.CancelScope()
                if event is None:
                    break
                await self._event(event)
        except DuplexLost as error:
            await self._fail(UpstreamLost(Stage.BODY, str(error)))
            await self._client.close(INTERNAL, "the provider broke off")
            return
        await self._fail(UpstreamLost(Stage.BODY, "it closed the connection"))
        await self._client.close(upstream.close_code if upstream.close_code < 5000 else NORMAL)

    async def _event(self, event: bytes) -> None:
        call = self._call
        if call is None or call.meter is None:
            await self._client.send(event)
            return
        reading = call.meter.reading
        now = time.monotonic()
        if call.first_byte is None:
            call.first_byte = now
        try:
            call.required_lane().wire.read_event(event, reading)
        except msgspec.ValidationError:
            pass
        except UNREADABLE as error:
            await self._fail(BrokenAnswer(MALFORMED_STREAM, str(error)))
            return
        if call.capture is not None:
            call.capture.take([b"data: " + event + b"\n\n"])
        call.has_started = True
        await self._client.send(event)
        idle_seconds = self._gateway.settings.between_bytes_seconds
        self._patience.deadline = trio.current_time() + idle_seconds
        if reading.is_terminal or reading.error_code:
            if reading.error_code:
                call.end(Outcome.FAILED, reading.error_code)
            else:
                call.end(Outcome.COMPLETED)
            self._finish(None)

    async def _fail(self, error: BaseException) -> None:
        """End the turn under way and tell the client why, in an event. Without a turn there is nothing to say."""
        call = self._call
        if call is None:
            return
        if isinstance(error, UpstreamLost) and call.lane is not None:
            self._gateway.circuits.failed(call.lane.binding.id)
        self._finish(error)
        if call.refused is not None:
            await self._say(call.refused)

    def _finish(self, error: BaseException | None) -> None:
        """Book the turn under way."""
        call, gateway = self._call, self._gateway
        if call is None:
            return
        self._call = None
        self._patience.deadline = _FOREVER
        conclude(call, error)
        remember.note(gateway, call)
        settle(gateway, call)
        gateway.metrics.in_flight -= 1
        if call.meter is not None:
            gateway.metrics.streaming -= 1
        record(gateway, call)
        remember.finish(gateway, call)

    async def _say(self, refused: Refused) -> None:
        fault = refused.fault
        error = {
            "type": fault.code,
            "code": fault.code,
            "message": refused.message or fault.hint,
            "param": None,
            "tips": [fault.hint],
        }
        event = {"type": "error", "status": fault.status, "error": error}
        if fault.is_retryable:
            event["retry_after"] = refused.facts.get("retry_after_seconds") or RETRY_SOON_SECONDS
        await self._client.send(msgspec.json.encode(event))


def lanes_for_sockets(lanes: Sequence[Lane]) -> bool:
    """Say whether all providers of a key on a route can be reached by WebSocket: only OpenAI's own API has it."""
    return bool(lanes) and all(
        lane.way is None and lane.binding.type == "openai" and lane.binding.target is not None
        for lane in lanes
    )
