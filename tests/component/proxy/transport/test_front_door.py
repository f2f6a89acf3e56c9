"""The front door over real sockets: framing, keep-alive, pipelining, bodies, ends."""

import pytest
import trio

from proxy.transport.faults import AbortConnection
from proxy.transport.limits import ServerLimits
from proxy.transport.server import serve
from tests.component.proxy.transport.peers import listener, until

pytestmark = pytest.mark.trio
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def body_of(receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def answer(send, body: bytes, status: int = 200, headers=()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send) -> None:
    await answer(
        send, scope["method"].encode() + b" " + scope["raw_path"] + b" " + await body_of(receive)
    )


async def test_answers_one_request_after_another_on_one_connection(serving) -> None:
    async with serving(echo) as front:
        client = await front.connect()
        for number in range(3):
            await client.send(
                b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" % number
            )
            status, headers, body = await client.answer()
            assert (status, body) == (200, b"POST /%d hi" % number)
            assert b"connection" not in headers
        assert len(front.server.connections) == 1


async def test_answers_pipelined_requests_in_order(serving) -> None:
    async with serving(echo) as front:
        client = await front.connect()
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(20)))
        for number in range(20):
            assert (await client.answer())[2] == b"GET /%d " % number


async def test_refuses_more_pipelined_requests_than_it_keeps(serving) -> None:
    async with serving(echo, ServerLimits(max_pipelined_requests=4)) as front:
        client = await front.connect()
        await client.send(GET * 6)
        statuses = [(await client.answer())[0] for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 400]


async def test_scope_carries_the_request_as_received(serving) -> None:
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope)
        await answer(send, b"")

    async with serving(app) as front:
        await front.ask(
            b"GET /a%2Fb%20c?q=%20 HTTP/1.1\r\nHost: a:80\r\nX-Two:  v \t\r\nX-Two: w\r\nX-None:\r\n\r\n"
        )
    assert seen["raw_path"] == b"/a%2Fb%20c"
    assert seen["path"] == "/a/b c"
    assert seen["query_string"] == b"q=%20"
    assert seen["headers"] == [
        (b"host", b"a:80"),
        (b"x-two", b"v"),
        (b"x-two", b"w"),
        (b"x-none", b""),
    ]
    assert seen["http_version"] == "1.1"
    assert seen["client"][0] == "127.0.0.1"
    assert "langwatch.chunks" in seen["extensions"]


async def test_takes_a_chunked_body_and_ignores_its_trailers(serving) -> None:
    seen = []

    async def app(scope, receive, send):
        seen.extend(scope["headers"])
        await answer(send, await body_of(receive))

    async with serving(app) as front:
        client = await front.connect()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n4;x=1\r\ndefg\r\n0\r\nHost: evil\r\nX-Late: 1\r\n\r\n" + GET
        )
        assert (await client.answer())[2] == b"abcdefg"
        assert (await client.answer())[2] == b""
    assert all(value != b"evil" for _, value in seen)


async def test_keeps_pieces_apart_as_http_chunks(serving) -> None:
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "chunks": [b"ab", b"", b"c"], "more_body": True})
        await send({"type": "http.response.body", "body": b"d", "more_body": True})
        await send({"type": "http.response.body"})

    async with serving(app) as front:
        client = await front.connect()
        await client.send(GET)
        await client.until(b"transfer-encoding: chunked\r\n\r\n")
        assert await client.until(b"0\r\n\r\n") == b"2\r\nab\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"


async def test_ends_an_http_1_0_stream_by_closing(serving) -> None:
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async with serving(app) as front:
        client = await front.connect()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert body == b"onetwo"
        assert b"connection: close" in head
        assert b"chunked" not in head


async def test_a_head_answer_has_no_body_and_keeps_the_connection(serving) -> None:
    async def app(scope, receive, send):
        await answer(
            send, b"" if scope["method"] == "HEAD" else b"xyz", headers=[(b"content-length", b"3")]
        )

    async with serving(app) as front:
        client = await front.connect()
        await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"content-length: 3" in await client.until(b"\r\n\r\n")
        await client.send(GET)
        assert (await client.answer())[2] == b"xyz"


async def test_asks_for_the_body_only_when_the_application_wants_it(serving) -> None:
    async with serving(echo) as front:
        client = await front.connect()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        assert (await client.answer())[2] == b"POST / hi"


async def test_closes_when_an_expected_body_was_not_asked_for(serving) -> None:
    async def app(scope, receive, send):
        await answer(send, b"no", 403)

    async with serving(app) as front:
        client = await front.connect()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        status, headers, _ = await client.answer()
        assert (status, headers[b"connection"]) == (403, b"close")
        assert await client.rest() == b""


async def test_throws_away_a_small_unread_body_and_goes_on(serving) -> None:
    async def app(scope, receive, send):
        await answer(send, scope["raw_path"])

    async with serving(app) as front:
        client = await front.connect()
        await client.send(b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n")
        assert (await client.answer())[2] == b"/1"
        await client.send(b"x" * 20000 + b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.answer())[2] == b"/2"


async def test_closes_rather_than_read_a_large_unread_body(serving) -> None:
    async def app(scope, receive, send):
        await answer(send, b"no")

    async with serving(app) as front:
        client = await front.connect()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 1000
        )
        _, headers, body = await client.answer()
        assert (headers[b"connection"], body) == (b"close", b"no")


async def test_carries_a_big_body_both_ways(serving) -> None:
    big = bytes(range(256)) * 16384

    async def app(scope, receive, send):
        await answer(send, await body_of(receive))

    async with serving(app) as front:
        client = await front.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                client.send,
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(big) + big,
            )
            with trio.fail_after(10):
                assert (await client.answer())[2] == big


async def test_refuses_a_declared_body_over_the_limit_before_reading_it(serving) -> None:
    async with serving(echo, ServerLimits(max_body_bytes=10)) as front:
        status, headers, body = await front.ask(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"
        )
        assert status == 413
        assert headers[b"connection"] == b"close"
        assert b"request_too_large" in body


async def test_refuses_a_chunked_body_that_overruns_the_limit(serving) -> None:
    async with serving(echo, ServerLimits(max_body_bytes=10)) as front:
        status, _, _ = await front.ask(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n"
        )
        assert status == 413


async def test_an_aborted_answer_is_never_a_clean_end(serving) -> None:
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise AbortConnection

    async with serving(app) as front:
        client = await front.connect()
        await client.send(GET)
        seen = b""
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(5):
            while True:
                assert await client.more()
                seen = client.buffer
        assert not seen.endswith(b"0\r\n\r\n")


async def test_an_answer_shorter_than_promised_is_reset(serving) -> None:
    async def app(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
        )
        await send({"type": "http.response.body", "body": b"part"})

    async with serving(app) as front:
        client = await front.connect()
        await client.send(GET)
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(5):
            while True:
                assert await client.more()


async def test_a_failing_application_answers_500_without_details(serving) -> None:
    async def app(scope, receive, send):
        raise ValueError("secret detail")

    async with serving(app) as front:
        status, _, body = await front.ask(GET)
        assert status == 500
        assert b"secret" not in body


async def test_a_header_that_holds_a_line_break_does_not_reach_the_wire(serving) -> None:
    async def app(scope, receive, send):
        await answer(send, b"", headers=[(b"x-model", b"a\r\nset-cookie: b=c")])

    async with serving(app) as front:
        status, headers, _ = await front.ask(GET)
        assert status == 500
        assert b"set-cookie" not in headers


async def test_an_upgrade_is_a_plain_request_whose_body_arrives_and_whose_connection_closes(
    serving,
) -> None:
    for framing, body in (
        (b"Content-Length: 5", b"hello"),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    ):
        async with serving(echo) as front:
            client = await front.connect()
            await client.send(
                b"POST /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n\r\n%b"
                % (framing, body)
            )
            _, headers, got = await client.answer()
            assert got == b"POST /ws hello"
            assert headers[b"connection"] == b"close"
            assert await client.rest() == b""


async def test_gives_up_on_a_head_that_does_not_come(serving) -> None:
    async with serving(echo, ServerLimits(header_read_seconds=0.05)) as front:
        assert (await front.ask(b"GET / HTTP/1.1\r\nHo"))[0] == 408


async def test_gives_up_on_a_body_that_does_not_come(serving) -> None:
    async with serving(echo, ServerLimits(body_read_seconds=0.05)) as front:
        assert (await front.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"))[
            0
        ] == 408


async def test_closes_an_idle_connection_without_a_word(serving) -> None:
    async with serving(echo, ServerLimits(idle_seconds=0.05)) as front:
        client = await front.connect()
        await client.send(GET)
        await client.answer()
        assert await client.rest() == b""


async def test_a_drain_closes_the_idle_and_finishes_the_busy(serving) -> None:
    go = trio.Event()

    async def app(scope, receive, send):
        if scope["raw_path"] == b"/slow":
            await go.wait()
        await answer(send, b"done")

    async with serving(app) as front:
        idle, busy = await front.connect(), await front.connect()
        await idle.send(GET)
        await idle.answer()
        await busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: any(c.busy for c in front.server.connections))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(front.server.drain)
            assert await idle.rest() == b""
            with pytest.raises(OSError):
                await front.connect()
            go.set()
            _, headers, body = await busy.answer()
            assert (headers[b"connection"], body) == (b"close", b"done")
        assert not front.server.connections


async def test_cut_up_bytes_give_the_same_answers(serving) -> None:
    wire = b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    wire += b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
    async with serving(echo) as front:
        client = await front.connect()
        for index in range(len(wire)):
            await client.send(wire[index : index + 1])
        assert (await client.answer())[2] == b"POST /1 abc"
        assert (await client.answer())[2] == b"GET /2 "


async def test_serve_hands_out_the_server_that_can_drain() -> None:
    door = listener()
    port = door.getsockname()[1]
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, echo, [door], ServerLimits())
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(GET)
            assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 200 OK\r\n")
        await server.drain()
    assert door.fileno() == -1


async def test_turns_away_connections_over_the_limit(serving) -> None:
    async with serving(echo, ServerLimits(max_connections=1)) as front:
        first = await front.connect()
        await first.send(GET)
        await first.answer()
        assert await (await front.connect()).rest() == b""
        await first.send(GET)
        assert (await first.answer())[0] == 200
