"""The upstream pool against scripted peers: reuse, cuts, retries, cancellation, limits."""

import contextlib
import socket
import time

import pytest
import trio

from proxy.transport.dial import Dialer, Target
from proxy.transport.faults import Stage, UpstreamLost
from proxy.transport.limits import PoolLimits
from proxy.transport.upstream import UpstreamPool
from tests.component.proxy.transport.peers import until, upstream

pytestmark = pytest.mark.trio
GET = (b"GET", b"/", [])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def whole(response) -> bytes:
    body = b""
    while (pieces := await response.next_chunks()) is not None:
        body += b"".join(pieces)
    return body


def says(*answers: bytes, then: str = "close"):
    """A script that gives one answer per request, and then closes, resets or waits."""

    async def script(peer) -> None:
        for data in answers:
            await peer.request()
            await peer.say(data)
        if then == "reset":
            peer.reset()
        elif then == "wait":
            await peer.gone()

    return script


async def test_reuses_a_connection_and_says_so() -> None:
    async with upstream(says(OK, OK, OK, then="wait")) as up:
        pool = UpstreamPool()
        reused = []
        for _ in range(3):
            response = await pool.send(up.target, GET)
            assert (response.status, await whole(response)) == (200, b"ok")
            reused.append(response.reused)
        assert reused == [False, True, True]
        assert (up.accepted, pool.open_count, pool.idle_count) == (1, 1, 1)
        pool.close()
        assert pool.open_count == 0


async def test_sends_head_and_body_as_given() -> None:
    seen = []

    async def script(peer) -> None:
        seen.append(await peer.request())
        await peer.say(OK)

    async with upstream(script) as up:
        pool = UpstreamPool()
        head = b"POST /x HTTP/1.1\r\nHost: other\r\nContent-Length: 4\r\n\r\n"
        await pool.send(up.target, head, b"body")
        pool.close()
        await pool.send(up.target, (b"POST", b"/y", [(b"X-A", b"1")]), b"hi")
    assert seen[0] == head + b"body"
    host = b"127.0.0.1:%d" % up.target.port
    assert (
        seen[1]
        == b"POST /y HTTP/1.1\r\nhost: " + host + b"\r\nX-A: 1\r\ncontent-length: 2\r\n\r\nhi"
    )


async def test_lowers_names_and_keeps_order_and_repeats() -> None:
    async with upstream(
        says(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nX-B: c \r\nSET-COOKIE: d\r\nContent-Length: 0\r\n\r\n"
        )
    ) as up:
        pool = UpstreamPool()
        response = await pool.send(up.target, GET)
        assert response.headers[:3] == [
            (b"set-cookie", b"a"),
            (b"x-b", b"c"),
            (b"set-cookie", b"d"),
        ]
        pool.close()


async def test_keeps_the_borders_of_http_chunks() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n3\r\ndef\r\n0\r\n\r\n"
    async with upstream(says(chunks, then="wait")) as up:
        pool = UpstreamPool()
        response = await pool.send(up.target, GET)
        pieces = []
        while (more := await response.next_chunks()) is not None:
            pieces += more
        assert pieces == [b"ab", b"c", b"def"]
        assert pool.idle_count == 1
        pool.close()


async def test_hands_on_each_piece_as_it_arrives() -> None:
    go = trio.Event()

    async def script(peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await go.wait()
        await peer.say(b"2\r\ncd\r\n0\r\n\r\n")

    async with upstream(script) as up:
        pool = UpstreamPool()
        response = await pool.send(up.target, GET)
        with trio.fail_after(5):
            assert await response.next_chunks() == [b"ab"]
            go.set()
            assert await whole(response) == b"cd"
        pool.close()


async def test_a_head_answer_ends_with_its_head() -> None:
    async with upstream(
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", OK, then="wait")
    ) as up:
        pool = UpstreamPool()
        assert await whole(await pool.send(up.target, (b"HEAD", b"/", []))) == b""
        response = await pool.send(up.target, GET)
        assert (response.reused, await whole(response)) == (True, b"ok")
        pool.close()


async def test_skips_interim_answers_but_not_without_end() -> None:
    async with upstream(
        says(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, b"HTTP/1.1 102 P\r\n\r\n" * 20)
    ) as up:
        pool = UpstreamPool()
        response = await pool.send(up.target, GET)
        assert (response.status, await whole(response)) == (200, b"ok")
        assert (b"link", b"x") not in response.headers
        with pytest.raises(UpstreamLost, match="interim"):
            await pool.send(up.target, GET)
        assert pool.open_count == 0


async def test_a_body_that_ends_with_the_connection_is_whole_but_not_reused() -> None:
    async with upstream(says(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as up:
        pool = UpstreamPool()
        assert await whole(await pool.send(up.target, GET)) == b"all of it"
        assert pool.open_count == 0


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT = {
    "length short": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "close", Stage.BODY),
    "chunks without an end": (CHUNKED + b"3\r\nabc\r\n", "close", Stage.BODY),
    "chunk cut": (CHUNKED + b"9\r\nabc", "close", Stage.BODY),
    "reset in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "reset", Stage.BODY),
    "reset in a body without length": (b"HTTP/1.1 200 OK\r\n\r\nabc", "reset", Stage.BODY),
    "garbage chunk size": (CHUNKED + b"zz\r\nabc\r\n", "wait", None),
    "nothing": (b"", "close", Stage.HEAD),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", "close", Stage.HEAD),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "wait", Stage.HEAD),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "wait", Stage.HEAD),
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "wait", Stage.HEAD,
    ),
    "unknown encoding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "wait", Stage.HEAD),
    "protocol switch": (b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "wait", Stage.HEAD),
    "too many headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300 + b"\r\n", "wait", Stage.HEAD),
    "endless head": (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 300_000, "wait", Stage.HEAD),
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "wait", Stage.HEAD),
}  # fmt: skip


@pytest.mark.parametrize("name", CUT)
async def test_a_broken_answer_is_lost_and_leaves_nothing_in_the_pool(name) -> None:
    data, then, stage = CUT[name]
    async with upstream(says(data, then=then)) as up:
        pool = UpstreamPool()
        response = None
        with pytest.raises(UpstreamLost) as caught, trio.fail_after(5):
            response = await pool.send(up.target, GET)
            await whole(response)
        assert response is None or not response.is_whole
        assert stage is None or caught.value.stage is stage
        assert (pool.open_count, pool.idle_count) == (0, 0)


async def test_bytes_after_an_answer_spoil_the_connection() -> None:
    async with upstream(
        says(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", then="wait")
    ) as up:
        pool = UpstreamPool()
        assert await whole(await pool.send(up.target, GET)) == b"ok"
        assert pool.open_count == 0


async def test_an_unasked_answer_on_an_idle_connection_is_not_taken() -> None:
    unasked = trio.Event()

    async def script(peer) -> None:
        await peer.request()
        await peer.say(OK)
        if peer.number == 1:
            await unasked.wait()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await peer.gone()

    async with upstream(script) as up:
        pool = UpstreamPool()
        await whole(await pool.send(up.target, GET))
        unasked.set()
        await trio.testing.wait_all_tasks_blocked(0.02)
        response = await pool.send(up.target, GET)
        assert (response.reused, await whole(response)) == (False, b"ok")
        pool.close()


async def test_sends_again_once_when_a_pooled_connection_was_closed() -> None:
    requests = []

    async def script(peer) -> None:
        requests.append(await peer.request())
        await peer.say(OK)
        if peer.number == 1:
            requests.append(await peer.request())
            return
        await peer.gone()

    async with upstream(script) as up:
        pool = UpstreamPool()
        await whole(await pool.send(up.target, GET))
        response = await pool.send(up.target, (b"POST", b"/", []), b"again")
        assert (response.reused, await whole(response)) == (False, b"ok")
        assert len(requests) == 3
        assert requests[1] == requests[2]
        assert up.accepted == 2
        pool.close()


async def test_does_not_send_again_once_a_byte_of_the_answer_has_arrived() -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(b"H")

    async with upstream(script) as up:
        pool = UpstreamPool()
        await whole(await pool.send(up.target, GET))
        with pytest.raises(UpstreamLost):
            await pool.send(up.target, GET)
        assert (up.accepted, pool.open_count) == (1, 0)


async def test_a_large_body_is_sent_under_backpressure() -> None:
    big = bytes(range(256)) * 40_000
    seen = []

    async def script(peer) -> None:
        seen.append(await peer.request())
        await peer.say(OK)

    async with upstream(script) as up:
        pool = UpstreamPool()
        with trio.fail_after(10):
            assert await whole(await pool.send(up.target, (b"POST", b"/", []), big)) == b"ok"
        assert seen[0].endswith(big)
        pool.close()


async def test_an_early_refusal_ends_the_sending_of_a_large_body() -> None:
    async def script(peer) -> None:
        await peer.stream.receive_some(1000)
        await peer.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await trio.sleep_forever()

    async with upstream(script) as up:
        pool = UpstreamPool()
        with trio.fail_after(5):
            response = await pool.send(up.target, (b"POST", b"/", []), b"x" * 30_000_000)
            assert (response.status, await whole(response)) == (413, b"big")
        assert pool.open_count == 0


async def test_abort_closes_at_once() -> None:
    closed = trio.Event()

    async def script(peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await peer.gone()
        closed.set()

    async with upstream(script) as up:
        pool = UpstreamPool()
        response = await pool.send(up.target, GET)
        response.abort()
        response.abort()
        assert pool.open_count == 0
        assert not response.is_whole
        with pytest.raises(UpstreamLost):
            await response.next_chunks()
        with trio.fail_after(1):
            await closed.wait()


@pytest.mark.parametrize("phase", ["connect", "send", "head", "body"])
async def test_cancelling_at_any_wait_leaves_the_pool_whole(phase) -> None:
    async def script(peer) -> None:
        if phase == "send":
            await trio.sleep_forever()
        await peer.request()
        if phase != "head":
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await trio.sleep_forever()

    async with upstream(script) as up:
        pool = UpstreamPool()
        target = up.target
        body = b"x" * 30_000_000 if phase == "send" else b""
        with trio.CancelScope() as scope:
            if phase == "connect":
                scope.cancel()
            async with trio.open_nursery() as nursery:

                async def run() -> None:
                    response = await pool.send(target, (b"POST", b"/", []), body)
                    await response.next_chunks()
                    await response.next_chunks()

                nursery.start_soon(run)
                if phase != "connect":
                    await until(lambda: pool.open_count == 1 and up.open == 1)
                    await trio.testing.wait_all_tasks_blocked(0.01)
                    scope.cancel()
        assert (pool.open_count, pool.idle_count) == (0, 0)


async def test_keeps_no_more_idle_connections_than_allowed() -> None:
    async with upstream(says(OK, then="wait")) as up:
        pool = UpstreamPool(limits=PoolLimits(max_idle_per_target=2))
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(pool.send, up.target, GET)
        assert (pool.idle_count, pool.open_count) == (2, 2)
        pool.prune(time.monotonic() + 60)
        assert (pool.idle_count, pool.open_count) == (0, 0)


async def test_a_refused_address_is_never_connected_to() -> None:
    async with upstream(says(OK)) as up:
        pool = UpstreamPool()
        for host in ("127.0.0.1", "localhost", "169.254.169.254", "::ffff:127.0.0.1"):
            with pytest.raises(UpstreamLost, match="refused") as caught:
                await pool.send(Target("http", host, up.target.port, False), GET)
            assert caught.value.stage is Stage.CONNECT
        assert up.accepted == 0


async def test_a_name_is_resolved_and_its_checked_address_used() -> None:
    async with upstream(says(OK)) as up:
        pool = UpstreamPool()
        response = await pool.send(Target("http", "localhost", up.target.port, True), GET)
        assert response.status == 200
        pool.close()


async def test_a_closed_port_is_lost_at_connect() -> None:
    async with upstream(says(OK)) as up:
        target = up.target
    with pytest.raises(UpstreamLost) as caught:
        await UpstreamPool().send(target, GET)
    assert caught.value.stage is Stage.CONNECT


async def test_connecting_has_a_time_limit() -> None:
    with trio.socket.socket() as full, contextlib.ExitStack() as opened:
        await full.bind(("127.0.0.1", 0))
        full.listen(0)
        target = Target("http", "127.0.0.1", full.getsockname()[1], True)
        with pytest.raises(UpstreamLost, match="timed out"), trio.fail_after(5):
            while True:  # until the backlog, which nobody empties, is full
                sock, slot = await Dialer(connect_seconds=0.1).connect(target)
                opened.callback(sock.close)
                opened.callback(slot.close)


@pytest.mark.parametrize("path", [b"/a b", b"/a\r\nX: y", b"/a\nb"])
async def test_a_request_line_cannot_be_broken_out_of(path) -> None:
    with pytest.raises(UpstreamLost):
        await UpstreamPool().send(Target("http", "127.0.0.1", 1, True), (b"GET", path, []))


async def test_a_dead_address_does_not_keep_a_live_one_from_being_tried() -> None:
    class TwoAddresses(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host, port, *_, **__):
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.1", port)), (*kind, ("127.0.0.2", port))]

        async def getnameinfo(self, *_):
            raise NotImplementedError

    with contextlib.ExitStack() as opened:
        live = socket.create_server(("127.0.0.2", 0))
        opened.callback(live.close)
        trio.socket.set_custom_hostname_resolver(TwoAddresses())
        try:
            sock, slot = await Dialer().connect(
                Target("http", "two.test", live.getsockname()[1], True)
            )
        finally:
            trio.socket.set_custom_hostname_resolver(None)
        opened.callback(sock.close)
        slot.close()
        assert sock.getpeername() == live.getsockname()
