"""WebSockets in the hands of a client that looks for answers which nobody counts."""

import contextlib
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from core.fault import Fault, Refused
from proxy.bundle import Bundle
from tests.component.proxy.pipeline.site import site
from tests.component.proxy.pipeline.test_sockets import (
    ASK,
    dial,
    events,
    governed,
    in_thread,
    turn,
)
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio


async def test_an_answer_that_was_kept_over_http_makes_no_turn_free() -> None:
    async with site() as here:
        here.keyring.bundle.config = {"cache": {"responses": {"ttl_seconds": 60}}}
        body = json.dumps(ASK | {"stream": True})
        for _ in range(2):
            got = await (await here.post("/v1/responses", body.encode())).read()
        assert got.headers["x-langwatch-response-cache"] == "hit"

        def talk() -> list[dict[str, Any]]:
            with dial(here) as socket:
                socket.send(body)
                return events(socket)

        assert (await in_thread(talk))[-1]["type"] == "response.completed"
        await until(lambda: len(here.settled) == 3)
        called, kept, turn = (row["cost_nanousd"] for row in here.settled)
        assert (turn, kept) == (called, 0)
        assert called > 0


async def test_a_turn_broken_off_by_a_refused_word_shows_nothing_more_and_costs() -> None:
    async with governed() as (here, peer):
        peer.script = ["cancel"]

        def talk() -> tuple[list[str], int]:
            with dial(here) as socket:
                socket.send(json.dumps(ASK))
                said = [socket.recv(timeout=5)]
                socket.send(json.dumps({"type": "response.cancel", "response_id": "resp_other"}))
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        said.append(socket.recv(timeout=5))
                return [json.loads(one)["type"] for one in said], socket.protocol.close_code or 0

        said, code = await in_thread(talk)
        assert (said, code) == (["response.created", "error"], 1008)
        row = await here.the_settlement()
        assert (row["outcome"], row["code"]) == ("cancelled", "no_such_response")
        assert row["cost_nanousd"] > 0
        await here.at_rest()


async def test_events_of_an_answer_that_nobody_asked_for_end_the_connection() -> None:
    async with governed() as (here, peer):
        peer.script = ["error-first"]

        def talk() -> tuple[list[str], int]:
            with dial(here) as socket:
                socket.send(json.dumps(ASK))
                said = []
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        said.append(socket.recv(timeout=5))
                return [json.loads(one)["type"] for one in said], socket.protocol.close_code or 0

        assert await in_thread(talk) == (["error", "rate_limits.updated"], 1008)
        assert (await here.the_settlement())["outcome"] == "failed"
        await here.at_rest()


async def test_a_key_that_was_revoked_on_an_open_connection_asks_nothing_more() -> None:
    async with governed() as (here, peer):

        async def revoked(_: str) -> Bundle:
            raise Refused(Fault.VIRTUAL_KEY_REVOKED)

        def talk() -> list[dict[str, Any]]:
            with dial(here) as socket:
                first = turn(socket)
                here.keyring.is_cold, here.keyring.resolve = True, revoked  # type: ignore[method-assign]
                return [first[-1], *turn(socket)]

        done, refused = await in_thread(talk)
        assert done["type"] == "response.completed"
        assert (refused["status"], refused["error"]["code"]) == (403, "virtual_key_revoked")
        assert len(peer.turns) == len(here.settled) == 1
