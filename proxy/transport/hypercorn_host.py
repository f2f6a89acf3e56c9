"""Lets an application written for our front door run under Hypercorn's Trio worker (TLS, HTTP/2).

It supplies what Hypercorn does not: the connection in the scope's state with its leash, an error when
sending to a client that has left, a limit on slow readers, and the sweeper. Bounds on heads and
bodies are Hypercorn's own settings here, except ``max_body_bytes``.
"""

import contextlib
import time

import trio

from proxy.transport.asgi import CHUNKS_EXTENSION, App, Message, Receive, Scope, Send
from proxy.transport.faults import AbortConnection, BodyTooLarge, ClientGone
from proxy.transport.hub import current_hub
from proxy.transport.leash import Leash, LeashReason, sweep
from proxy.transport.limits import ServerLimits


class HostedConnection:
    """What the application finds in ``scope["state"]["connection"]``; lives for one exchange."""

    def __init__(self) -> None:
        self.hub = current_hub()
        self.gone = False
        self.answered = False
        self.write_by: float | None = None
        """When the write under way becomes a slow reader's (monotonic seconds)."""
        self._departed = trio.Event()
        self._leash: Leash | None = None

    @property
    def leash(self) -> Leash | None:
        """The leash of the exchange, attached and detached by the application."""
        return self._leash

    @leash.setter
    def leash(self, leash: Leash | None) -> None:
        self._leash = leash
        if self.gone and leash is not None:
            leash.pull(LeashReason.CLIENT_GONE)

    def client_left(self) -> None:
        """Note that the client has gone. Hypercorn says so after a normal end as well: that is ignored."""
        if self.answered or self.gone:
            return
        self.gone = True
        self._departed.set()
        if self._leash is not None:
            self._leash.pull(LeashReason.CLIENT_GONE)

    async def wait_departed(self) -> None:
        """Return once the client has left."""
        await self._departed.wait()

    def expire(self, now: float) -> None:
        """Pull the leash for whichever limit lies before ``now``."""
        leash = self._leash
        if leash is None:
            return
        if self.write_by is not None and now > self.write_by:
            leash.pull(LeashReason.SLOW_READER)
        elif leash.expires_at is not None and now > leash.expires_at:
            leash.pull(leash.expiry_reason)


class _HostedExchange:
    """Stands between Hypercorn's ``receive`` and ``send`` and those of the application.

    Hypercorn shields its socket writes, so a cancelled application would stay stuck in ``send``.
    The writing is therefore done by a task of its own, and the application only waits for it.
    """

    def __init__(
        self, connection: HostedConnection, receive: Receive, send: Send, limits: ServerLimits
    ) -> None:
        self._connection = connection
        self._receive = receive
        self._send = send
        self._limits = limits
        self._body_bytes = 0
        self._arrived, self._body = trio.open_memory_channel[Message](0)
        self._outbox, self._outgoing = trio.open_memory_channel[tuple[Message, trio.Event]](0)

    async def listen(self) -> None:
        """Pass the body on, then wait for the disconnect."""
        async with self._arrived:
            while (message := await self._receive())["type"] == "http.request":
                await self._arrived.send(message)
                if not message.get("more_body", False):
                    self._arrived.close()
                    break
        while message["type"] != "http.disconnect":
            message = await self._receive()
        self._connection.client_left()

    async def write(self) -> None:
        """Send what the application hands over, one message at a time."""
        async with self._outgoing:
            async for message, written in self._outgoing:
                for part in _parts(message):
                    # The end goes out alone, so that a client that leaves before it is told from
                    # the disconnect that Hypercorn reports after it.
                    if part["type"] == "http.response.body" and not part.get("more_body", False):
                        self._connection.answered = True
                    await self._send(part)
                written.set()

    async def receive(self) -> Message:
        """Return a piece of the body, or ``http.disconnect`` when the client has really left."""
        try:
            message = await self._wait(self._body.receive)
        except trio.EndOfChannel:
            await self._connection.wait_departed()
            return {"type": "http.disconnect"}
        self._body_bytes += len(message.get("body", b""))
        if self._body_bytes > self._limits.max_body_bytes:
            raise BodyTooLarge(self._limits.max_body_bytes)
        return message

    async def send(self, message: Message) -> None:
        """Hand a message to the writer and wait until it is written. Raises ClientGone."""
        connection = self._connection
        if connection.gone:
            raise ClientGone
        written = trio.Event()
        connection.write_by = time.monotonic() + self._limits.client_write_seconds

        async def hand_over() -> Message:
            await self._outbox.send((message, written))
            await written.wait()
            return message

        await self._wait(hand_over)
        connection.write_by = None
        if connection.gone:
            raise ClientGone

    async def _wait(self, wait: Receive) -> Message:
        # These are Trio's waits, not the hub's, so the leash needs a scope to end them.
        leash = self._connection.leash
        if leash is None:
            return await wait()
        with leash.cancel_scope:
            return await wait()
        raise AbortConnection(leash.reason)

    def close(self) -> None:
        """Let the writer end."""
        self._outbox.close()
        self._body.close()


def _parts(message: Message) -> list[Message]:
    parts: list[Message] = []
    if message["type"] == "http.response.start":
        lines = message.get("lines", b"").splitlines()
        encoded = [tuple(line.split(b": ", 1)) for line in lines]
        parts.append({**message, "headers": [*encoded, *message["headers"]]})
        if "chunks" not in message:
            return parts
    kind = "http.response.body"
    pieces = message.get("chunks") or (message.get("body", b""),)
    parts += [{"type": kind, "body": piece, "more_body": True} for piece in pieces if piece]
    if not message.get("more_body", False):
        parts.append({"type": kind, "body": b"", "more_body": False})
    return parts


class HypercornHost:
    """An ASGI application for Hypercorn around one for our front door."""

    def __init__(self, app: App, limits: ServerLimits | None = None) -> None:
        self.connections: set[HostedConnection] = set()
        self._app = app
        self._limits = limits or ServerLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope: the lifespan runs the sweeper, anything but HTTP is left to fail."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._exchange(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sweep, lambda: self.connections)
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            nursery.cancel_scope.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HostedConnection()
        exchange = _HostedExchange(connection, receive, send, self._limits)
        scope["state"] = {**scope.get("state", {}), "connection": connection}
        scope["extensions"] = {**(scope.get("extensions") or {}), CHUNKS_EXTENSION: {}}
        self.connections.add(connection)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange.listen)
                nursery.start_soon(exchange.write)
                with contextlib.suppress(ClientGone):
                    await self._app(scope, exchange.receive, exchange.send)
                exchange.close()
                nursery.cancel_scope.cancel()
        finally:
            self.connections.discard(connection)
