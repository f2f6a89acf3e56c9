"""Requests that two parsers could read differently are refused by ours; each through a real socket."""

import pytest

from proxy.transport.limits import ServerLimits

pytestmark = pytest.mark.trio
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and identity": POST
    + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "quoted encoding": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "listed lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "length with a gap": POST + b"Content-Length: 1 2\r\n\r\nabc",
    "empty length": POST + b"Content-Length:\r\n\r\nabc",
    "huge length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "chunks in 1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": POST + b"X: b\r\n c\r\n\r\n",
    "space before the first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "NUL in a value": POST + b"X: y\0z\r\n\r\n",
    "control character in a value": POST + b"X: y\x0b\r\n\r\n",
    "NUL in a name": POST + b"X\0: y\r\n\r\n",
    "space before the colon": POST + b"X : y\r\n\r\n",
    "underscore in a name": POST + b"X_Y: y\r\n\r\n",
    "underscore hides a length": POST + b"Content_Length: 3\r\n\r\n",
    "name without a colon": POST + b"nocolon\r\n\r\n",
    "empty name": POST + b": y\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "the same Host twice": b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
    "Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with a user": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "Host with a gap": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "target with a user": b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "target names another host": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "target with a fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "target without a slash": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk with GET": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "other scheme": b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "control character in the target": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\nHost: a\r\n\r\n",
    "version 0.9": b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "another protocol": b"GET / ICE/1.1\r\nHost: a\r\n\r\n",
    "unknown expectation": POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n",
    "chunk size with a prefix": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a sign": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk size too large": CHUNKED + b"fffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "empty chunk size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "bare LF after a chunk size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "bare LF in a chunk extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk without a line end": CHUNKED + b"3\r\nabc0\r\n\r\n",
    "chunk extensions over the limit": CHUNKED + b"3;" + b"e" * 70_000 + b"\r\nabc\r\n",
    "too many small chunks": CHUNKED + b"1\r\na\r\n" * 5000,
    "too many headers": POST + b"".join(b"X-%d: y\r\n" % n for n in range(101)) + b"\r\n",
    "headers too large": POST + b"X: " + b"y" * 33_000 + b"\r\n\r\n",
    "header without an end": POST + b"X: " + b"y" * 60_000,
    "request line too long": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
}


async def read_all(scope, receive, send) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"passed"})


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses_with_400_and_closes(serving, name) -> None:
    async with serving(read_all) as front:
        client = await front.connect()
        await client.send(REFUSED[name])
        status, headers, body = await client.answer()
        assert status == 400, body
        assert headers[b"connection"] == b"close"
        assert body.startswith(b'{"error":{"type":"bad_request","code":"bad_request","message":"')
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (b"CONNECT", 405),
        (b"TRACE", 405),
        (b"QUERY", 405),
        (b"FOO", 501),
        (b"get", 501),
    ],
)
async def test_refuses_a_method_that_is_not_listed(serving, method, expected) -> None:
    target = b"a:1" if method == b"CONNECT" else b"/"
    async with serving(read_all) as front:
        status, headers, _ = await front.ask(
            method + b" " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert status == expected
        assert headers[b"connection"] == b"close"


async def test_what_follows_a_refused_request_is_not_run(serving) -> None:
    paths = []

    async def app(scope, receive, send):
        paths.append(scope["raw_path"])
        await read_all(scope, receive, send)

    async with serving(app) as front:
        client = await front.connect()
        await client.send(
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
            + REFUSED["signed length"]
            + b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert (await client.answer())[0] == 200
        assert (await client.answer())[0] == 400
        assert await client.rest() == b""
    assert paths == [b"/1"]


ACCEPTED = {
    "absolute target": b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "IPv6 Host": b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    "no Host in 1.0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "encoding in capitals": POST + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
    "leading empty line": b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "extension": CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_accepts(serving, name) -> None:
    async with serving(read_all, ServerLimits()) as front:
        assert (await front.ask(ACCEPTED[name]))[2] == b"passed"
