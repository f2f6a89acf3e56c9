"""However a call ends: the outcome has a name, the client is not deceived, nothing stays held."""

import contextlib

import orjson
import pytest
import trio

from proxy.transport.limits import ServerLimits
from tests.component.proxy.pipeline.site import (
    Site,
    binding,
    chat,
    message,
    request,
    settings_for,
    site,
)
from tests.component.proxy.transport.peers import Peer, until, upstream

pytestmark = pytest.mark.trio

DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}


def patience_for(script: str) -> dict[str, float]:
    """Return how long a provider is waited for. Who fails by itself is given time, for a machine may be busy."""
    if script in ("hang_head", "chunks=9,hang_after=0"):
        return {"LANGWATCH_UPSTREAM_FIRST_BYTE_SECONDS": 0.3}
    return {"LANGWATCH_UPSTREAM_IDLE_SECONDS": 0.3} if "hang" in script else {}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


async def the_end(here: Site) -> dict:
    told = await here.the_settlement()
    await here.at_rest()
    assert sum(line["command"] == "admitSpend" for line in here.lines) == 1
    assert here.limit.current.unacked == told["cost_nanousd"]
    return told


def last_event(body: bytes) -> dict:
    event = [part for part in body.split(b"\n\n") if b"data: " in part][-1]
    return orjson.loads(event.partition(b"data: ")[2].split(b"\r\n")[0])


@pytest.mark.parametrize(
    ("script", "outcome", "code"),
    [
        ("chunks=9,cut_after=5,delay_ms=5", "truncated", "upstream_mid_stream_failure"),
        ("chunks=9,reset_after=5,delay_ms=5", "truncated", "upstream_mid_stream_failure"),
        ("chunks=9,end_after=5", "truncated", "upstream_mid_stream_failure"),
        ("chunks=9,hang_after=5", "truncated", "upstream_timeout"),
        ("chunks=9,bad_json_at=5,delay_ms=5", "failed", "malformed_stream"),
        ("chunks=9,bad_framing_at=5,delay_ms=5", "failed", "malformed_stream"),
    ],
)
async def test_a_broken_stream_ends_with_an_error_event_and_broken(
    dialect, script, outcome, code
) -> None:
    path, ask = DIALECTS[dialect]
    async with site(settings_for(**patience_for(script))) as here:
        sent = await here.post(path, ask(stream=True), x_fake_behaviour=script)
        body = await sent.read_broken()
        told = last_event(body)
        assert told["error"]["code"] == code
        if dialect == "anthropic":
            assert told["type"] == "error"
            assert told["error"]["type"] in ("api_error", "timeout_error")
            assert b"event: error\n" in body
        else:
            assert told["error"]["type"] in ("provider_error", "upstream_timeout")
        end = await the_end(here)
        assert (end["outcome"], end["code"], end["status"]) == (outcome, code, 200)
        assert end["is_estimated"] is True
        assert end["cost_nanousd"] > 0


async def test_the_providers_own_error_event_is_the_last_word(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        sent = await here.post(path, ask(stream=True), x_fake_behaviour="chunks=9,error_after=5")
        body = await sent.read_broken()
        assert body.count(b'"error"') <= 2
        assert b"upstream_mid_stream_failure" not in body
        end = await the_end(here)
        assert end["outcome"] == "truncated"


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ("hang_head", 504, "upstream_timeout"),
        ("reset_head", 502, "provider_error"),
        ("close_head", 502, "provider_error"),
        ("chunks=9,hang_after=0", 504, "upstream_timeout"),
    ],
)
async def test_a_provider_that_fails_before_it_speaks_is_answered_for(
    dialect, script, status, code
) -> None:
    path, ask = DIALECTS[dialect]
    async with site(settings_for(**patience_for(script))) as here:
        got = await (await here.post(path, ask(stream=True), x_fake_behaviour=script)).read()
        assert got.status == status
        assert got.json["error"]["code"] == code
        assert got.json["error"]["fault"] == "provider"
        end = await the_end(here)
        assert (end["outcome"], end["code"], end["cost_nanousd"]) == ("failed", code, 0)


async def test_a_provider_that_cannot_be_reached_is_a_502(dialect) -> None:
    path, ask = DIALECTS[dialect]
    free = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = free.socket.getsockname()[1]
    await free.aclose()

    async with site(providers=lambda _: [binding(dialect, port)]) as here:
        got = await (await here.post(path, ask())).read()
        assert (got.status, got.json["error"]["code"]) == (502, "provider_error")
        assert (await the_end(here))["outcome"] == "failed"


async def test_an_unstreamed_answer_that_is_cut_ends_broken(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        sent = await here.post(path, ask(), x_fake_behaviour="body_bytes=5000,cut_after=0")
        body = await sent.read_broken()
        assert b"event: error" not in body
        end = await the_end(here)
        assert end["outcome"] in ("truncated", "failed")


async def test_a_client_that_closes_mid_stream_is_billed_for_what_it_got(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        script = "chunks=400,delay_ms=5,prompt=40"
        sent = await here.post(path, ask(stream=True), x_fake_behaviour=script)
        for _ in range(6):
            await sent.client.until(b"data: ")
        await sent.client.stream.aclose()
        with trio.fail_after(1):
            await until(lambda: here.fake.record.open_streams == 0)
        end = await the_end(here)
        assert (end["outcome"], end["code"]) == ("cancelled", "client_gone")
        assert end["is_estimated"] is True
        assert end["input_tokens"] > 0
        assert 0 < end["output_tokens"] < 400
        assert end["cost_nanousd"] > 0
        await until(lambda: here.fake.record.calls[-1].outcome == "client_closed")


async def test_a_client_that_closes_after_the_terminal_event_has_completed(dialect) -> None:
    path, ask = DIALECTS[dialect]
    terminal = {"openai": b"[DONE]", "anthropic": b'{"type":"message_stop"}'}[dialect]
    async with site() as here:
        sent = await here.post(path, ask(stream=True), x_fake_behaviour="completion=9")
        await sent.client.until(terminal)
        await sent.client.stream.aclose()
        end = await the_end(here)
        assert (end["outcome"], end["is_estimated"], end["output_tokens"]) == (
            "completed",
            False,
            9,
        )


async def test_a_client_that_does_not_read_is_cut_off_and_named(dialect) -> None:
    path, ask = DIALECTS[dialect]
    limits = ServerLimits(client_write_seconds=0.2)
    async with site(limits=limits, send_buffer_bytes=4096) as here:
        client = await here.front.connect(receive_buffer_bytes=2048)

        script = "chunks=20000,merge=50"
        await client.send(request(path, ask(stream=True), x_fake_behaviour=script))
        end = await the_end(here)
        assert (end["outcome"], end["code"]) == ("cancelled", "slow_reader")
        assert end["cost_nanousd"] > 0


async def test_a_huge_event_passes_in_bounded_memory(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        script = "chunks=4,oversize_at=2,oversize_bytes=3000000,completion=9"
        got = await (await here.post(path, ask(stream=True), x_fake_behaviour=script)).read()
        assert got.status == 200
        assert len(got.body) > 3_000_000
        end = await the_end(here)
        assert (end["outcome"], end["output_tokens"]) == ("completed", 9)


async def leaves_at_authentication(here: Site, client, send) -> None:
    here.keyring.is_cold, here.keyring.opened = True, trio.Event()
    await send("")
    await trio.testing.wait_all_tasks_blocked(0.05)


async def leaves_in_the_queue(here: Site, client, send) -> None:
    here.limit.current.available = 0
    await send("")
    await until(lambda: here.limit.waiting == 1)


async def leaves_before_the_head(here: Site, client, send) -> None:
    await send("hang_head")
    await until(lambda: here.fake.record.open_calls == 1)


async def leaves_before_the_body(here: Site, client, send) -> None:
    await send("hang_after=0")
    await until(lambda: here.fake.record.open_streams == 1)


async def leaves_within_the_body(here: Site, client, send) -> None:
    await send("chunks=9,hang_after=5")
    await client.until(b"data: ")


async def leaves_while_we_write(here: Site, client, send) -> None:
    await send("chunks=20000,merge=50")
    await until(lambda: here.fake.record.open_streams == 1)
    await trio.testing.wait_all_tasks_blocked(0.05)


@pytest.mark.parametrize(
    ("leave", "is_booked"),
    [
        (leaves_at_authentication, False),
        (leaves_in_the_queue, True),
        (leaves_before_the_head, True),
        (leaves_before_the_body, True),
        (leaves_within_the_body, True),
        (leaves_while_we_write, True),
    ],
)
async def test_leaving_at_any_wait_frees_everything_and_books_once(
    dialect, leave, is_booked
) -> None:
    path, ask = DIALECTS[dialect]

    async with site(send_buffer_bytes=4096) as here:
        client = await here.front.connect(receive_buffer_bytes=2048)

        async def send(script: str) -> None:
            await client.send(request(path, ask(stream=True), x_fake_behaviour=script))

        await leave(here, client, send)
        await client.stream.aclose()
        await until(lambda: not here.front.server.connections)
        await until(lambda: here.fake.record.open_calls == 0)
        await here.at_rest()
        assert [told["outcome"] for told in here.settled] == ["cancelled"] * is_booked
        assert here.limit.waiting == 0
        assert here.limit.current.available + here.limit.current.unacked in (
            10**15,
            0,
        )


async def test_a_hundred_departures_leave_nothing_behind(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:

        async def one() -> None:
            sent = await here.post(path, ask(stream=True), x_fake_behaviour="chunks=200,delay_ms=5")
            await sent.client.until(b"data: ")
            with contextlib.suppress(trio.BrokenResourceError):
                await sent.client.stream.aclose()

        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(one)
        await until(lambda: here.fake.record.open_streams == 0)
        await here.at_rest()
        assert [told["outcome"] for told in here.settled] == ["cancelled"] * 100
        assert len({told["call_id"] for told in here.settled}) == 100
        assert not here.front.server.connections


@pytest.mark.parametrize(
    ("script", "outcome"), [("hang_head", "failed"), ("chunks=9,hang_after=5", "truncated")]
)
async def test_a_drain_that_cannot_wait_says_so(dialect, script, outcome) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        sent = await here.post(path, ask(stream=True), x_fake_behaviour=script)
        if outcome == "truncated":
            await sent.client.until(b"data: ")
        await until(lambda: here.fake.record.open_streams == 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.front.server.drain, 0)
            if outcome == "failed":
                got = await sent.read()
                assert (got.status, got.json["error"]["code"]) == (503, "service_unavailable")
            else:
                assert b"gateway_draining" in await sent.read_broken()
        end = await the_end(here)
        assert (end["outcome"], end["code"]) == (outcome, "gateway_draining")


async def test_a_provider_cannot_blow_up_the_ledger_with_its_usage() -> None:
    path, ask = DIALECTS["openai"]
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "x": "y" * 100_000}
    body = orjson.dumps({"id": "c", "choices": [], "usage": usage})
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.say(head % len(body) + body)
        await peer.gone()

    async with upstream(answer) as up:
        port = up.target.port
        async with site(providers=lambda _: [binding("openai", port, "/v1")]) as here:
            assert (await (await here.post(path, ask())).read()).status == 200
            end = await the_end(here)
            assert (end["input_tokens"], end["output_tokens"]) == (3, 2)
            assert "usage_raw" not in end
            assert here.gateway.spool.unshipped_bytes < 5000
