"""A WebSocket of OpenAI's responses API, governed: each ``response.create`` is a call like any other.

A turn goes through the deciding stages and is booked; its answer is metered from the provider's events, which
pass unchanged but for what guardrails replace. All turns of a connection go to one provider, because what a turn
builds on lives there: the first of the chain that opens a WebSocket. What is refused is said as an error event, and
the connection stays open; an answer that a guardrail blocks ends it.
"""

import time

import msgspec
import trio
from msgspec.structs import replace

from core.fault import Fault, Refused
from proxy.dialects.dialect import UNREADABLE, Reading
from proxy.dialects.readings import problem_with
from proxy.gateway import Gateway
from proxy.guarding.frames import FrameGuard
from proxy.pipeline import remember
from proxy.pipeline.attempts import barred
from proxy.pipeline.call import Call, Outcome, new_call
from proxy.pipeline.endings import MALFORMED_STREAM, BrokenAnswer, conclude
from proxy.pipeline.guard import guard_frames
from proxy.pipeline.incoming import Incoming
from proxy.pipeline.lanes import Lane
from proxy.pipeline.observe import record
from proxy.pipeline.route import read, route
from proxy.pipeline.settle import settle
from proxy.pipeline.socket_upstream import connected, keep_speaking
from proxy.pipeline.stages import DECIDE
from proxy.responses import RETRY_SOON_SECONDS
from proxy.routes import Route
from proxy.splice import renamed_model
from proxy.transport.asgi import Message, Scope
from proxy.transport.duplex import DuplexLost
from proxy.transport.faults import ClientGone, LeashPulled, Stage, UpstreamLost
from proxy.transport.websocket import GOING_AWAY, INTERNAL, NORMAL, POLICY, TRY_AGAIN, WebSocket
from rules.makers import Watch

CREATE, CANCEL = "response.create", "response.cancel"
_SEEN = "response.processed"
"""Codex says so behind an answer. Nothing answers it: an event of ours would be taken for the next turn's."""
DRAIN_LOOK_SECONDS = 0.25
_FOREVER = float("inf")
_CHUNK_BLOCKED = "stream_chunk_blocked"


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
        self._guard: FrameGuard | None = None
        """What judges the answer of the turn under way."""
        self._watch: Watch | None = None
        """What notes who made the sealed parts of that answer."""
        self._has_cancelled = False
        """The client has asked the provider to break the turn under way off."""
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
            self._has_cancelled = True
            await self._upstream.send(message)
        elif kind != _SEEN:
            # What we can't account for goes to no provider.
            await self._say(Refused(Fault.BAD_REQUEST, f"Send {CREATE} or {CANCEL}."))

    async def _begin(self, message: bytes, nursery: trio.Nursery) -> None:
        gateway = self._gateway
        identity = gateway.identities.mint(self._incoming.trace)
        call = self._call = new_call(self._scope, _send_nothing, self._route, identity)
        call.incoming, call.body, call.takes_kept = self._incoming, message, False
        self._has_cancelled = False
        gateway.metrics.in_flight += 1
        try:
            await self._decide(call)
            if self._upstream is None:
                self._upstream = await connected(gateway, call, self._incoming.forwarded)
                self._lane = call.required_lane()
                nursery.start_soon(self._pass_on, self._upstream)
            elif (refused := barred(gateway, call, call.chain[0])) is not None:
                raise refused
            self._prepare(call)
            call.is_dispatched = True
            call.status, call.meter = 200, FrameMeter()
            call.capture = remember.begin(gateway, call)
            self._patience.deadline = trio.current_time() + gateway.settings.first_byte_seconds
            body, wanted = call.body, call.required_lane().destination(call.model, True).wanted
            if wanted.model != call.ask.model:
                body = renamed_model(body, wanted.model)
            gateway.metrics.streaming += 1
            await self._upstream.send(body)
        except DuplexLost as error:
            await self._fail(UpstreamLost(Stage.SEND, str(error)))
        except (Refused, UpstreamLost, LeashPulled) as error:
            await self._fail(error)
            if isinstance(error, Refused) and error.fault is Fault.UPGRADE_REQUIRED:
                # Clients connect again after this, are sent to plain HTTP then, and go on there at once.
                call.required_plan().on(self._route).opens_sockets = False
                await self._client.close(TRY_AGAIN, "use plain HTTP")

    async def _decide(self, call: Call) -> None:
        for stage in DECIDE:
            waiting = stage(self._gateway, call)
            if waiting is not None:
                await waiting
            if stage is read:
                # There is no other way to answer on a WebSocket, so nobody asks for it.
                call.ask = replace(call.ask, is_streamed=True)
            elif stage is route:
                keep_speaking(call, self._lane)

    def _prepare(self, call: Call) -> None:
        """Have what looks at the answer ready before the question is sent."""
        self._guard = guard_frames(self._gateway, call)
        bundle, lane = call.required_plan().bundle, call.required_lane()
        self._watch = None
        if call.watches_sealed:
            makers = self._gateway.makers
            self._watch = Watch(makers, bundle.vk_id, lane.binding.id, call.dialect.name)

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
            await self._between(event)
            return
        reading = call.meter.reading
        now = time.monotonic()
        if call.first_byte is None:
            call.first_byte = now
        if problem := problem_with(call.required_lane().wire.read_event, event, reading):
            await self._fail(BrokenAnswer(MALFORMED_STREAM, problem))
            return
        is_last = reading.is_terminal or bool(reading.error_code)
        passed = [event]
        if self._guard is not None:
            try:
                passed = await self._guard.take(event, is_last=is_last)
            except Refused as refused:
                await self._cut(refused)
                return
        if self._call is not call:
            # The client left while the answer was judged.
            return
        for one in passed:
            await self._show(call, one)
        idle_seconds = self._gateway.settings.between_bytes_seconds
        self._patience.deadline = trio.current_time() + idle_seconds
        if is_last and self._call is call:
            await self._end(call, reading)

    async def _end(self, call: Call, reading: Reading) -> None:
        """Book the turn whose last event has been passed on."""
        if not reading.error_code:
            call.end(Outcome.COMPLETED)
        elif self._has_cancelled and not reading.is_terminal:
            # The error may be the answer to the client's own word, and the provider still at work.
            call.end(Outcome.CANCELLED, reading.error_code)
        else:
            call.end(Outcome.FAILED, reading.error_code)
        self._finish(None)
        if call.outcome is Outcome.CANCELLED:
            await self._drop("the answer was broken off")

    async def _between(self, event: bytes) -> None:
        """Pass on what the provider says between two turns, unless it is an answer, which nobody would count."""
        try:
            kind = msgspec.json.decode(event, type=_Asked).type
        except UNREADABLE:
            kind = ""
        if kind.startswith("response."):
            await self._drop("an answer came that nobody waits for")
        elif self._guard is None:
            # What guardrails look at does not pass unseen.
            await self._client.send(event)

    async def _drop(self, why: str) -> None:
        """End the connection on both sides: what the provider still says is unheard."""
        if self._upstream is not None:
            self._upstream.abort()
        await self._client.close(POLICY, why)

    async def _show(self, call: Call, event: bytes) -> None:
        if call.capture is not None:
            call.capture.take([b"data: " + event + b"\n\n"])
        if self._watch is not None:
            self._watch.see([event])
        call.has_started = True
        await self._client.send(event)

    async def _cut(self, refused: Refused) -> None:
        """End a turn whose answer must not go on, and the connection."""
        if self._upstream is not None:
            self._upstream.abort()
        self._finish(refused)
        await self._say(refused, _CHUNK_BLOCKED)
        await self._client.close(POLICY, "a guardrail ended the answer")

    async def _fail(self, error: BaseException) -> None:
        """End the turn under way and tell the client why, in an event. Without a turn there is nothing to say."""
        call = self._call
        if call is None:
            return
        if isinstance(error, UpstreamLost) and call.is_dispatched and call.lane is not None:
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

    async def _say(self, refused: Refused, code: str = "") -> None:
        fault = refused.fault
        error = {
            "type": fault.code,
            "code": code or fault.code,
            "message": refused.message or fault.hint,
            "param": None,
            "tips": [fault.hint],
        }
        event = {"type": "error", "status": fault.status, "error": error}
        if fault.is_retryable:
            event["retry_after"] = refused.facts.get("retry_after_seconds") or RETRY_SOON_SECONDS
        await self._client.send(msgspec.json.encode(event))
