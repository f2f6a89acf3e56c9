"""Line breaks and NULs in everything a caller or a provider writes and the gateway repeats: none starts a line.

Both directions over real sockets: what reaches the provider, and what reaches the client.
"""

import contextlib
from collections.abc import AsyncIterator

import orjson
import pytest
import trio

from tests.component.proxy.pipeline.site import Site, binding, chat, message, request, site
from tests.component.proxy.transport.peers import listener

pytestmark = pytest.mark.trio
EVIL = "\r\nx-evil: 1\r\n\r\n"
BREAKS = {
    "CRLF": "\r\n",
    "LF": "\n",
    "CR": "\r",
    "NUL": "\0",
    "line separator": "\u2028",
    "VT": "\x0b",
}


def assert_clean(head: dict[str, str]) -> None:
    assert "x-evil" not in head
    assert not any(char in value for value in head.values() for char in "\r\n\0")


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/chat/completions", chat), ("/v1/messages", message)]
)
async def test_a_model_name_cannot_start_a_line(name, path, body) -> None:
    async with site() as here:
        for model in (f"m{BREAKS[name]}x-evil: 1", f"openai/m{BREAKS[name]}x-evil: 1"):
            got = await (await here.post(path, body(model=model))).read()
            assert got.status == 400
            assert_clean(got.headers)
            assert "x-evil" not in got.body.decode().partition("{")[0]
        assert here.fake.record.total == 0


@pytest.mark.parametrize(
    "header",
    [
        "x-langwatch-trace-id",
        "traceparent",
        "tracestate",
        "session-id",
        "user-agent",
        "anthropic-beta",
    ],
)
@pytest.mark.parametrize("value", [b"a\nb: 1", b"a\rb: 1", b"a\0b", b"a\x7fb", b"a\x01b"])
async def test_a_header_of_the_caller_cannot_start_a_line(header, value) -> None:
    async with site() as here:
        client = await here.front.connect()
        sent = request("/v1/chat/completions", chat())
        line = header.encode() + b": " + value + b"\r\n"
        await client.send(sent.replace(b"host:", line + b"host:", 1))
        status, _, _ = await client.answer()
        assert status == 400
        assert here.fake.record.total == 0


async def test_bytes_that_are_no_text_pass_in_a_header_and_as_no_json_are_refused() -> None:
    async with site() as here:
        client = await here.front.connect()
        sent = request("/v1/chat/completions", chat())
        await client.send(sent.replace(b"host:", b"user-agent: caf\xe9\r\nhost:", 1))
        assert (await client.answer())[0] == 200
        spoiled = orjson.dumps(chat()).replace(b"hello", b"hel\xfflo")
        got = await (
            await here.post("/v1/chat/completions", spoiled.replace(b"gpt", b"g\xffpt"))
        ).read()
        assert (got.status, got.json["error"]["code"]) == (400, "bad_request")


@contextlib.asynccontextmanager
async def before(answer: bytes) -> AsyncIterator[Site]:
    """A site whose provider answers these bytes to everything, and then closes."""
    door = listener()
    door.setblocking(False)

    async def serve(nursery: trio.Nursery) -> None:
        taken = trio.socket.from_stdlib_socket(door)
        while True:
            sock, _ = await taken.accept()
            nursery.start_soon(speak, trio.SocketStream(sock))

    async def speak(stream: trio.SocketStream) -> None:
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.receive_some(65536)
                await stream.send_all(answer)

    port = door.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, nursery)
        async with site(providers=lambda _: [binding("openai", port, "/v1")]) as here:
            yield here
        nursery.cancel_scope.cancel()
    door.close()


JSON = b'{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
END = b"content-length: %d\r\n\r\n" % len(JSON) + JSON
HOSTILE = {
    "a header split by LF": OK + b"a: b\nx-evil: 1\r\n" + END,
    "a header split by CR": OK + b"a: b\rx-evil: 1\r\n" + END,
    "a header with a NUL": OK + b"a: b\0x-evil: 1\r\n" + END,
    "a folded header": OK + b"a: b\r\n x-evil: 1\r\n" + END,
    "a status line split by LF": b"HTTP/1.1 200 OK\nx-evil: 1\r\n" + END,
    "a name with a space": OK + b"x evil: 1\r\n" + END,
    "two lengths": OK + b"content-length: 1\r\n" + END,
    "length and chunks": OK + b"transfer-encoding: chunked\r\n" + END,
    "a second answer behind a switch": b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    + OK
    + END,
    "a status without a number": b"HTTP/1.1 2x0 OK\r\n" + END,
    "another protocol": b"RTSP/1.0 200 OK\r\n" + END,
    "an endless header": OK + b"a: " + b"b" * 200_000,
    "headers without end": OK + b"a: b\r\n" * 5000,
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 500,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_head_is_a_502_and_nothing_of_it_passes(name) -> None:
    async with before(HOSTILE[name]) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.json["error"]["code"]) == (502, "provider_error")
        assert_clean(got.headers)
        assert b"x-evil" not in got.body
        settled = await here.the_settlement()
        assert (settled["outcome"], settled["cost_nanousd"]) == ("failed", 0)
        await here.at_rest()


async def test_a_provider_cannot_speak_in_our_name_nor_set_cookies_for_our_host() -> None:
    lines = (
        b"x-langwatch-request-id: req_forged\r\nX-LangWatch-Budget-Warning: project:99\r\n"
        b"set-cookie: session=1; domain=gateway\r\nstrict-transport-security: max-age=1\r\n"
        b"alt-svc: h3=evil:443\r\nconnection: x-hop\r\nx-hop: 1\r\nproxy-authenticate: Basic\r\n"
        b"x-request-id: theirs\r\nx-ratelimit-remaining: 5\r\n"
    )
    async with before(OK + lines + END) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
    assert got.status == 200
    assert got.headers["x-langwatch-request-id"].startswith("req_")
    assert "forged" not in str(got.headers)
    assert got.headers["x-langwatch-provider-request-id"] == "theirs"
    assert got.headers["x-ratelimit-remaining"] == "5"
    gone = {"set-cookie", "strict-transport-security", "alt-svc", "x-hop", "proxy-authenticate"}
    assert not gone & set(got.headers)
    assert "x-langwatch-budget-warning" not in got.headers


async def test_answers_are_not_left_over_for_the_next_caller() -> None:
    """Two answers to one request: the second must not become the answer to somebody else's."""
    second = b'{"id":"stolen","choices":[]}'
    extra = OK + b"content-length: %d\r\n\r\n" % len(second) + second
    async with before(OK + END + extra) as here:
        for _ in range(3):
            got = await (await here.post("/v1/chat/completions", chat())).read()
            assert got.status in (200, 502)
            assert b"stolen" not in got.body


async def test_a_providers_error_text_is_passed_as_a_body_only() -> None:
    body = orjson.dumps({"error": {"message": EVIL, "type": EVIL, "code": EVIL}})
    head = (
        b"HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % len(body)
    )
    async with before(head + body) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.body) == (400, body)
        assert_clean(got.headers)
