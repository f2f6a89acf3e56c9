"""WebSockets of the responses API: the vendor's SDK and raw clients in front, another library's server behind."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest
import trio
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from proxy.pipeline import socket_turns
from tests.component.proxy.observe.test_capture import contents, keep
from tests.component.proxy.pipeline.site import KEY, Site, binding, settings_for, site
from tests.component.proxy.pipeline.socket_peer import SocketPeer, socket_peer
from tests.component.proxy.pipeline.test_injection import before
from tests.component.proxy.transport.peers import until

pytestmark = [
    pytest.mark.trio,
    # The vendor's SDK uses the library's connection as it was meant to be used before.
    pytest.mark.filterwarnings(
        "ignore:connect.. must be used as a context manager:DeprecationWarning"
    ),
]
ASK = {"type": "response.create", "model": "gpt-5", "store": False, "input": "hello é"}


@contextlib.asynccontextmanager
async def governed(settings: Any = None, **terms: Any) -> AsyncIterator[tuple[Site, SocketPeer]]:
    with socket_peer() as peer:
        providers = [binding("openai", peer.port, "/v1")]
        async with site(settings, providers=lambda _: providers, **terms) as here:
            try:
                yield here, peer
            finally:
                peer.held.set()


def dial(here: Site, key: str = KEY, **headers: str) -> ClientConnection:
    given = {"Authorization": f"Bearer {key}"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    url = f"ws://127.0.0.1:{here.front.port}/v1/responses"
    return connect(url, additional_headers=given, proxy=None, open_timeout=5)


def turn(socket: ClientConnection, **more: Any) -> list[dict[str, Any]]:
    """Ask, and return the events up to the one that ends the turn."""
    socket.send(json.dumps(ASK | more, ensure_ascii=False))
    return events(socket)


def events(socket: ClientConnection) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] not in ("response.completed", "error", "response.failed"):
        found.append(json.loads(socket.recv(timeout=5)))
    return found


async def in_thread(work: Callable[[], Any]) -> Any:
    with trio.fail_after(15):
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


async def test_turns_pass_unchanged_and_each_is_a_row_with_its_own_cost() -> None:
    async with governed() as (here, peer):

        def talk() -> list[list[dict[str, Any]]]:
            with dial(here, session_id="sess-1", openai_beta="responses_websockets=1") as socket:
                first = turn(socket)
                socket.send(json.dumps({"type": "response.processed", "response_id": "resp_1"}))
                return [first, turn(socket, previous_response_id=first[-1]["response"]["id"])]

        first, second = await in_thread(talk)
        assert [e["type"] for e in first] == [
            "response.created",
            "response.output_text.delta",
            "response.completed",
        ]
        assert first[1]["delta"] == "hé "
        assert second[-1]["response"]["id"] == "resp_2"
        assert json.loads(peer.texts[0]) == ASK
        assert peer.texts[0] == json.dumps(ASK, ensure_ascii=False)
        assert peer.turns[1]["previous_response_id"] == "resp_1"
        [handshake] = peer.handshakes
        assert handshake["authorization"] == "Bearer sk-provider-openai"
        assert handshake["openai-beta"] == "responses_websockets=1"
        assert KEY not in str(handshake)
        await until(lambda: len(here.settled) == 2)
        await here.at_rest()
        for row in here.settled:
            assert (row["outcome"], row["status"]) == ("completed", 200)
            assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (
                20,
                10,
                7,
            )
            assert row["is_estimated"] is False
            assert row["cost_nanousd"] > 0
        admitted = [line["payload"] for line in here.lines if line["command"] == "admitSpend"]
        assert {a["request_type"] for a in admitted} == {"responses"}
        assert {a["session_id"] for a in admitted} == {"sess-1"}
        assert len({a["call_id"] for a in admitted}) == 2
        assert all(a["is_streamed"] for a in admitted)
        assert here.gateway.metrics.in_flight == here.gateway.metrics.streaming == 0


async def test_the_vendors_sdk_connects_and_reads_events() -> None:
    async with governed() as (here, _):

        def talk() -> list[str]:
            client = openai.OpenAI(
                api_key=KEY, base_url=f"http://127.0.0.1:{here.front.port}/v1", max_retries=0
            )
            kinds = []
            with client.responses.connect() as socket:
                socket.response.create(model="gpt-5", input="hello", store=False)
                for event in socket:
                    kinds.append(event.type)
                    if event.type == "response.completed":
                        break
            return kinds

        assert (await in_thread(talk))[-1] == "response.completed"
        assert (await here.the_settlement())["outcome"] == "completed"


async def test_a_refusal_is_an_event_and_the_connection_goes_on() -> None:
    async with governed(limit_nanousd=10**9, leased_nanousd=0) as (here, peer):
        here.limit.current.settled = 10**9

        def talk() -> list[dict[str, Any]]:
            with dial(here) as socket:
                said = turn(socket) + turn(socket, model="")
                socket.send(json.dumps({"type": "session.update"}))
                said += events(socket)
                socket.send("not json")
                return said + events(socket)

        spent, unnamed, unknown, spoiled = await in_thread(talk)
        assert (spent["status"], spent["error"]["code"]) == (402, "budget_exceeded")
        assert unnamed["error"]["code"] == "missing_model"
        assert unknown["error"]["code"] == spoiled["error"]["code"] == "bad_request"
        assert peer.turns == []
        await until(lambda: len(here.settled) == 2)
        assert {row["outcome"] for row in here.settled} == {"refused"}


async def test_a_second_question_before_the_answer_is_refused_and_the_first_goes_on() -> None:
    async with governed() as (here, peer):
        peer.script = ["hold"]

        def talk() -> list[dict[str, Any]]:
            with dial(here) as socket:
                socket.send(json.dumps(ASK))
                socket.recv(timeout=5)
                socket.send(json.dumps(ASK))
                refused = json.loads(socket.recv(timeout=5))
                peer.held.set()
                return [refused, events(socket)[-1]]

        refused, done = await in_thread(talk)
        assert refused["error"]["code"] == "bad_request"
        assert done["type"] == "response.completed"
        assert len(peer.turns) == 1


async def test_a_client_that_leaves_ends_the_turn_and_the_providers_connection() -> None:
    async with governed() as (here, peer):
        peer.script = ["hold"]

        def leave() -> None:
            socket = dial(here)
            socket.send(json.dumps(ASK))
            socket.recv(timeout=5)
            socket.close_socket()

        await in_thread(leave)
        row = await here.the_settlement()
        assert (row["outcome"], row["code"]) == ("cancelled", "client_gone")
        peer.held.set()
        await until(peer.closed.is_set)
        await here.at_rest()


@pytest.mark.parametrize(
    ("wrong", "outcome", "code"),
    [
        ("close", "truncated", "upstream_mid_stream_failure"),
        ("error", "failed", "previous_response_not_found"),
    ],
)
async def test_a_provider_that_fails_is_told_once_and_booked(wrong, outcome, code) -> None:
    async with governed() as (here, peer):
        peer.script = [wrong]

        def talk() -> list[dict[str, Any]]:
            with dial(here) as socket:
                return turn(socket)

        said = await in_thread(talk)
        assert [e["type"] for e in said] == ["response.created", "error"]
        row = await here.the_settlement()
        assert (row["outcome"], row["code"]) == (outcome, code)
        await here.at_rest()


async def test_a_provider_that_falls_silent_is_given_up() -> None:
    async with governed(settings_for(LANGWATCH_UPSTREAM_IDLE_SECONDS="0.2")) as (here, peer):
        peer.script = ["hold"]

        def talk() -> list[dict[str, Any]]:
            with dial(here) as socket:
                return turn(socket)

        said = await in_thread(talk)
        assert said[-1]["error"]["code"] == "upstream_timeout"
        assert (await here.the_settlement())["code"] == "upstream_timeout"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 S\r\nupgrade: websocket\r\nsec-websocket-accept: forged\r\n\r\n",
        b"HTTP/1.1 101 S\nupgrade: websocket\n\n",
        b"nothing of the kind\r\n\r\n",
        b"",
    ],
)
async def test_a_provider_that_opens_no_websocket_is_an_error_event(answer) -> None:
    async with before(answer) as here:

        def talk() -> list[dict[str, Any]]:
            with dial(here) as socket:
                return turn(socket)

        [said] = await in_thread(talk)
        row = await here.the_settlement()
        if b" 404 " in answer:
            # It is there, and has no such thing; it may serve plain HTTP very well.
            assert (said["status"], said["error"]["code"]) == (426, "upgrade_required")
            assert await in_thread(lambda: refused_status(here)) == 426
        else:
            assert (said["status"], said["error"]["code"]) == (502, "provider_error")
            assert row["outcome"] == "failed"
        assert row["cost_nanousd"] == 0
        await here.at_rest()


def refused_status(here: Site, **more: Any) -> int:
    try:
        dial(here, **more).close()
    except InvalidStatus as refused:
        return refused.response.status_code
    return 101


async def test_what_cannot_be_governed_by_socket_is_sent_to_http() -> None:
    async with site(providers=lambda port: [binding("anthropic", port)]) as here:
        # Anthropic knows no such thing.
        assert await in_thread(lambda: refused_status(here)) == 426
        assert await in_thread(lambda: refused_status(here, key="lw_vk_live_" + "0" * 26)) == 401
        assert await in_thread(lambda: refused_status(here, key="")) == 401
        assert here.lines == []


async def test_a_drain_lets_the_turn_end_and_then_says_goodbye(monkeypatch) -> None:
    monkeypatch.setattr(socket_turns, "DRAIN_LOOK_SECONDS", 0.01)
    async with governed() as (here, peer):
        peer.script = ["hold"]
        begun = trio.Event()
        token = trio.lowlevel.current_trio_token()

        def talk() -> tuple[str, int]:
            with dial(here) as socket:
                socket.send(json.dumps(ASK))
                socket.recv(timeout=5)
                token.run_sync_soon(begun.set)
                last = events(socket)[-1]["type"]
                with contextlib.suppress(Exception):
                    socket.recv(timeout=5)
                return last, int(socket.close_code or 0)

        async with trio.open_nursery() as nursery:
            told: list[Any] = []

            async def talking() -> None:
                told.append(await in_thread(talk))

            nursery.start_soon(talking)
            await begun.wait()
            nursery.start_soon(here.front.server.drain, 5.0)
            await trio.sleep(0.05)
            peer.held.set()
        assert told == [("response.completed", 1001)]
        assert (await here.the_settlement())["outcome"] == "completed"


async def test_turns_are_captured_as_the_key_says() -> None:
    async with governed() as (here, _):
        keep(here, "redacted")

        def talk() -> None:
            with dial(here) as socket:
                turn(socket)

        await in_thread(talk)
        [kept] = await contents(here)
        assert "hello é" in kept["input_messages"]
        assert "hé" in kept["output_messages"]


@pytest.mark.parametrize(
    "data",
    [
        *(b"\x82\x81\0\0\0\0a", b"\x81\x01a", b"\xff\xff\xff\xff", b"\x81\x81\0\0\0\0\xff"),
        b"\x01\x81\0\0\0\0{" + b"\x00\x81\0\0\0\0 " * 4096,
    ],
)
async def test_frames_that_are_none_end_the_connection_and_nothing_else(data) -> None:
    async with governed() as (here, peer):
        client = await here.front.connect()
        await client.send(
            b"GET /v1/responses HTTP/1.1\r\nhost: g\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            + f"authorization: Bearer {KEY}\r\n\r\n".encode()
            + data
        )
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        with contextlib.suppress(trio.BrokenResourceError):
            await client.rest()
        assert peer.handshakes == []
        got = await here.front.ask(b"GET /healthz HTTP/1.1\r\nhost: g\r\n\r\n")
        assert got[0] == 200
