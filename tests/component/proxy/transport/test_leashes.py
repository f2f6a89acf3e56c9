"""What ends an exchange from outside: departures, slow readers, limits, drain; and what is left after."""

import contextlib
import os
import time

import pytest
import trio

from proxy.transport.faults import ClientGone
from proxy.transport.hub import limited
from proxy.transport.leash import Leash, LeashReason
from proxy.transport.limits import ServerLimits
from proxy.transport.upstream import UpstreamPool
from tests.component.proxy.transport.peers import until, upstream

pytestmark = pytest.mark.trio
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Relay:
    """An application that relays to one upstream under a leash and notes how each exchange ended."""

    def __init__(self, target, **expiry) -> None:
        self.pool = UpstreamPool()
        self.target = target
        self.expiry = expiry
        self.reasons: list[LeashReason | None] = []
        self.started = 0

    async def __call__(self, scope, receive, send) -> None:
        leash = Leash(**{key: value for key, value in self.expiry.items() if key != "seconds"})
        if "seconds" in self.expiry:
            leash.expires_at = time.monotonic() + self.expiry["seconds"]
        response = None
        self.started += 1
        try:
            with leash.hold(scope["state"]["connection"]), contextlib.suppress(ClientGone):
                response = await self.pool.send(self.target, (b"GET", b"/", []))
                await send(
                    {"type": "http.response.start", "status": response.status, "headers": []}
                )
                while (pieces := await response.next_chunks()) is not None:
                    await send({"type": "http.response.body", "chunks": pieces, "more_body": True})
                await send({"type": "http.response.body"})
        finally:
            if response is not None:
                response.abort()
            self.reasons.append(leash.reason)
        if (
            leash.reason is not None
            and leash.reason is not LeashReason.CLIENT_GONE
            and response is None
        ):
            await send({"type": "http.response.start", "status": 504, "headers": []})
            await send({"type": "http.response.body", "body": leash.reason.value.encode()})


async def drip(peer) -> None:
    """Streams a small chunk now and then, for ever."""
    await peer.request()
    await peer.say(HEAD)
    while True:
        await peer.say(b"2\r\nhi\r\n")
        await trio.sleep(0.01)


async def hang(peer) -> None:
    await peer.request()
    await peer.gone()


async def flood(peer) -> None:
    await peer.request()
    await peer.say(HEAD)
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    while True:
        await peer.say(piece)


@pytest.mark.parametrize("script", [drip, hang])
async def test_a_client_that_leaves_frees_the_upstream_at_once(serving, script) -> None:
    async with upstream(script) as up:
        app = Relay(up.target)
        async with serving(app) as front:
            client = await front.connect()
            await client.send(GET)
            if script is drip:
                await client.until(b"hi")
            await until(lambda: up.open == 1)
            await client.stream.aclose()
            await until(lambda: up.open == 0, seconds=1.0)
            await until(lambda: app.reasons == [LeashReason.CLIENT_GONE])
            assert app.pool.open_count == 0
            await until(lambda: not front.server.connections)


async def test_a_client_that_left_before_the_leash_pulls_it_when_attached(serving) -> None:
    reasons = []

    async def app(scope, receive, send):
        connection = scope["state"]["connection"]
        await connection.wait_departed()
        leash = Leash()
        with leash.hold(connection):
            await connection.slot.wait_readable()
            await trio.sleep(5)
        reasons.append(leash.reason)

    async with serving(app) as front:
        client = await front.connect()
        await client.send(GET)
        await until(lambda: any(c.busy for c in front.server.connections))
        await client.stream.aclose()
        await until(lambda: reasons == [LeashReason.CLIENT_GONE])


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_thousand_departures_leave_nothing_behind(serving) -> None:
    async with upstream(drip) as up:
        app = Relay(up.target)
        async with serving(app) as front:

            async def visit() -> None:
                client = await front.connect()
                await client.send(GET)
                await client.until(b"hi")
                await trio.aclose_forcefully(client.stream)

            await visit()
            await until(lambda: not front.server.connections and up.open == 0)
            before = descriptors(), trio.lowlevel.current_statistics().tasks_living
            for _ in range(20):
                async with trio.open_nursery() as nursery:
                    for _ in range(50):
                        nursery.start_soon(visit)
            await until(lambda: not front.server.connections and up.open == 0)
            assert len(app.reasons) == 1001
            assert set(app.reasons) == {LeashReason.CLIENT_GONE}
            assert (app.pool.open_count, app.pool.idle_count) == (0, 0)
            await until(
                lambda: (descriptors(), trio.lowlevel.current_statistics().tasks_living) <= before
            )


async def test_a_slow_reader_frees_the_upstream(serving) -> None:
    async with upstream(flood) as up:
        app = Relay(up.target)
        async with serving(
            app, ServerLimits(client_write_seconds=0.1), send_buffer_bytes=32768
        ) as front:
            client = await front.connect(receive_buffer_bytes=4096)
            await client.send(GET)
            await until(lambda: app.reasons == [LeashReason.SLOW_READER])
            await until(lambda: up.open == 0, seconds=1.0)
            with pytest.raises(trio.BrokenResourceError), trio.fail_after(5):
                while await client.more():
                    client.buffer = client.buffer[-10:]


async def test_a_reader_that_keeps_up_slowly_is_left_in_peace(serving) -> None:
    body = b"x" * 600_000

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with serving(
        app, ServerLimits(client_write_seconds=0.4), send_buffer_bytes=32768
    ) as front:
        client = await front.connect(receive_buffer_bytes=65536)
        await client.send(GET)
        await client.until(b"\r\n\r\n")
        started = time.monotonic()
        while len(client.buffer) < len(body):
            await client.more()
            await trio.sleep(0.02)
        assert client.buffer == body
        assert time.monotonic() - started > 0.1


async def test_an_upstream_that_hangs_meets_the_limit_of_its_phase(serving) -> None:
    async with upstream(hang) as up:
        app = Relay(up.target, seconds=0.05, expiry_reason=LeashReason.FIRST_BYTE_TIMEOUT)
        async with serving(app) as front:
            client = await front.connect()
            for count in (1, 2):  # The connection and its task are fit for the next exchange.
                await client.send(GET)
                assert (await client.answer())[::2] == (504, b"first_byte_timeout")
                assert app.reasons == [LeashReason.FIRST_BYTE_TIMEOUT] * count
            assert app.pool.open_count == 0


@pytest.mark.parametrize("wait", ["cancel_scope", "limited"])
async def test_a_leash_also_ends_waits_outside_the_transport(serving, wait) -> None:
    async def app(scope, receive, send):
        leash = Leash(time.monotonic() + 0.05, LeashReason.IDLE_TIMEOUT)
        with (
            leash.hold(scope["state"]["connection"]),
            leash.cancel_scope if wait == "cancel_scope" else limited(5),
        ):
            await trio.sleep_forever()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": leash.reason.value.encode()})

    async with serving(app) as front:
        with trio.fail_after(3):
            assert (await front.ask(GET))[2] == b"idle_timeout"


async def test_a_drain_past_its_grace_pulls_what_is_left(serving) -> None:
    async with upstream(drip) as up:
        app = Relay(up.target)
        async with serving(app) as front:
            client = await front.connect()
            await client.send(GET)
            await client.until(b"hi")
            with trio.fail_after(3):
                await front.server.drain(grace_seconds=0.05)
            assert app.reasons == [LeashReason.DRAIN]
            await until(lambda: up.open == 0)


async def test_receive_tells_of_a_departure_only_when_it_happens(serving) -> None:
    seen = []

    async def app(scope, receive, send):
        seen.append((await receive())["type"])
        with trio.move_on_after(0.05):
            seen.append((await receive())["type"])
        seen.append("still here")
        seen.append((await receive())["type"])

    async with serving(app) as front:
        client = await front.connect()
        await client.send(GET)
        await until(lambda: "still here" in seen)
        await client.stream.aclose()
        await until(lambda: len(seen) == 3)
    assert seen == ["http.request", "still here", "http.disconnect"]


async def test_sending_to_a_client_that_left_raises(serving) -> None:
    seen = []

    async def app(scope, receive, send):
        await scope["state"]["connection"].wait_departed()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def watched(scope, receive, send):
        try:
            await app(scope, receive, send)
        except ClientGone as error:
            seen.append(error)
            raise

    async with serving(watched) as front:
        client = await front.connect()
        await client.send(GET)
        await until(lambda: any(c.busy for c in front.server.connections))
        await client.stream.aclose()
        await until(lambda: len(seen) == 1)


async def test_the_first_reason_stays() -> None:
    leash = Leash()
    leash.pull(LeashReason.DRAIN)
    leash.pull(LeashReason.TOTAL_TIMEOUT)
    assert leash.reason is LeashReason.DRAIN


@pytest.mark.parametrize("reason", [LeashReason.FIRST_BYTE_TIMEOUT, LeashReason.CLIENT_GONE])
async def test_a_leash_within_a_leash_ends_its_part_and_leaves_the_rest_to_its_holder(
    serving, reason
) -> None:
    ended = []

    async def app(scope, receive, send):
        connection = scope["state"]["connection"]
        outer = Leash(time.monotonic() + 60)
        inner = Leash(time.monotonic() + 0.05, LeashReason.FIRST_BYTE_TIMEOUT)
        with outer.hold(connection):
            with inner.hold(connection):
                await trio.testing.wait_all_tasks_blocked()
                with limited(5):
                    await trio.sleep_forever()
            assert connection.leash is outer
            ended.append((inner.reason, outer.reason))
            if outer.reason is None:
                # The task is fit for more: what pulled the inner leash is not held against it.
                with limited(0.01):
                    await trio.sleep_forever()
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"went on"})
        assert connection.leash is None

    async with serving(app) as front:
        client = await front.connect()
        await client.send(GET)
        if reason is LeashReason.CLIENT_GONE:
            await client.stream.aclose()
            await until(lambda: ended == [(reason, reason)])
        else:
            assert (await client.answer())[2] == b"went on"
            assert ended == [(reason, None)]
