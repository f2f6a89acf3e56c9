"""The same application under Hypercorn: it streams, and it notices who leaves."""

import contextlib
import functools

import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from proxy.transport.faults import AbortConnection
from proxy.transport.hypercorn_host import HypercornHost
from proxy.transport.leash import Leash, LeashReason
from proxy.transport.limits import ServerLimits
from proxy.transport.upstream import UpstreamPool
from tests.component.proxy.transport.peers import Client, until, upstream

pytestmark = pytest.mark.trio
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextlib.asynccontextmanager
async def hosted(app, limits: ServerLimits | None = None):
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = config.errorlog = None
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        host = HypercornHost(app, limits)
        binds = await nursery.start(
            functools.partial(serve, host, config, shutdown_trigger=stop.wait)
        )
        stream = await trio.open_tcp_stream("127.0.0.1", int(binds[0].rpartition(":")[2]))
        yield Client(stream), host
        await trio.aclose_forcefully(stream)
        stop.set()


class Relay:
    """Streams an upstream under a leash, and notes how it ended."""

    def __init__(self, target) -> None:
        self.pool = UpstreamPool()
        self.target = target
        self.reasons: list[LeashReason | None] = []

    async def __call__(self, scope, receive, send) -> None:
        assert (await receive())["type"] == "http.request"
        leash = Leash()
        response = None
        try:
            with leash.hold(scope["state"]["connection"]):
                response = await self.pool.send(self.target, (b"GET", b"/", []))
                await send({"type": "http.response.start", "status": 200, "headers": []})
                while (pieces := await response.next_chunks()) is not None:
                    await send({"type": "http.response.body", "chunks": pieces, "more_body": True})
                await send({"type": "http.response.body"})
        finally:
            self.reasons.append(leash.reason)
            if response is not None:
                response.abort()


async def test_streams_each_piece_as_it_arrives_and_ends_cleanly() -> None:
    go = trio.Event()

    async def script(peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"2\r\nab\r\n1\r\nc\r\n")
        await go.wait()
        await peer.say(b"1\r\nd\r\n0\r\n\r\n")

    async with upstream(script) as up:
        app = Relay(up.target)
        async with hosted(app) as (client, host):
            await client.send(GET)
            await client.until(b"2\r\nab\r\n1\r\nc\r\n")
            go.set()
            await client.until(b"1\r\nd\r\n0\r\n\r\n")
            await until(lambda: app.reasons == [None] and not host.connections)
        app.pool.close()


async def test_notices_a_client_that_leaves_and_frees_the_upstream() -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.say(HEAD + b"2\r\nab\r\n")
        await peer.gone()

    async with upstream(script) as up:
        app = Relay(up.target)
        async with hosted(app) as (client, host):
            await client.send(GET)
            await client.until(b"ab")
            await client.stream.aclose()
            await until(lambda: up.open == 0, seconds=1.0)
            await until(lambda: app.reasons == [LeashReason.CLIENT_GONE] and not host.connections)
            assert app.pool.open_count == 0


async def test_a_slow_reader_frees_the_upstream() -> None:
    async def flood(peer) -> None:
        await peer.request()
        await peer.say(HEAD)
        while True:
            await peer.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    async with upstream(flood) as up:
        app = Relay(up.target)
        async with hosted(app, ServerLimits(client_write_seconds=0.1)) as (client, _):
            await client.send(GET)
            await until(lambda: app.reasons == [LeashReason.SLOW_READER])
            await until(lambda: up.open == 0, seconds=1.0)


async def test_an_aborted_answer_has_no_clean_end() -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise AbortConnection

    async with hosted(app) as (client, _):
        await client.send(GET)
        with contextlib.suppress(trio.BrokenResourceError):
            while await client.more():
                pass
        assert b"part" in client.buffer
        assert not client.buffer.endswith(b"0\r\n\r\n")
