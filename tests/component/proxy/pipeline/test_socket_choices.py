"""Whom a WebSocket leads to where a key has several providers, and guardrails on both directions of it."""

import dataclasses
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from core.provider_settings import read_settings
from proxy.bundle import GuardrailBinding, ProviderBinding
from tests.component.proxy.pipeline.chains import account, called, outcomes, script
from tests.component.proxy.pipeline.site import Site, binding, message, site
from tests.component.proxy.pipeline.test_guardrails import SIGNING, json_answer, listening
from tests.component.proxy.pipeline.test_guardrails import row as guardrail
from tests.component.proxy.pipeline.test_sockets import (
    ASK,
    dial,
    events,
    in_thread,
    refused_status,
    turn,
)
from tests.component.proxy.transport.peers import until
from tests.unit.proxy.guarding.streams import MARK, SECRET

pytestmark = pytest.mark.trio
BOTH = ("response", "stream_chunk")


def mixed(port: int) -> list[ProviderBinding]:
    return [
        binding("anthropic", port),
        account("openai", port, "one"),
        account("openai", port, "two"),
    ]


def talk(here: Site, *asked: dict[str, Any]) -> list[list[dict[str, Any]]]:
    with dial(here) as socket:
        return [turn(socket, **more) for more in asked]


async def test_a_key_of_many_vendors_is_served_by_those_who_open_sockets() -> None:
    async with site(providers=mixed) as here:
        asked = ({"model": "gpt-5"}, {"model": "two/gpt-5"})
        first, elsewhere = await in_thread(lambda: talk(here, *asked))
        assert first[-1]["type"] == "response.completed"
        assert [e["error"]["code"] for e in elsewhere] == ["bad_request"]
        await until(lambda: len(here.settled) == 2)
        assert called(here) == ["one"]
        await here.at_rest()


async def test_a_model_that_no_socket_reaches_sends_the_client_to_plain_http_for_good() -> None:
    async with site(providers=mixed) as here:

        def asks() -> tuple[list[dict[str, Any]], int]:
            with dial(here) as socket:
                said = turn(socket, model="claude-haiku-4-5")
                with pytest.raises(ConnectionClosed):
                    socket.recv(timeout=5)
                return said, int(socket.close_code or 0)

        said, code = await in_thread(asks)
        assert [e["error"]["code"] for e in said] == ["upgrade_required"]
        assert "plain HTTP" in said[0]["error"]["message"]
        assert code == 1013
        assert await in_thread(lambda: refused_status(here)) == 426
        row = await here.the_settlement()
        assert (row["outcome"], row["code"]) == ("refused", "upgrade_required")
        got = await (await here.post("/v1/messages", message())).read()
        assert got.status == 200
        here.keyring.bundle.config = {"routing_mode": "fallback_all"}
        here.gateway.plans.__init__()  # type: ignore[misc]
        [again] = await in_thread(lambda: talk(here, {}))
        assert again[-1]["type"] == "response.completed", "until the key changes"


async def test_who_does_not_answer_the_handshake_is_passed_by() -> None:
    def broken(port: int) -> list[ProviderBinding]:
        return [account("openai", 9, "gone"), account("openai", port, "there")]

    async with site(providers=broken) as here:
        [said, again] = await in_thread(lambda: talk(here, {}, {}))
        assert said[-1]["type"] == again[-1]["type"] == "response.completed"
        await until(lambda: len(here.settled) == 2)
        first, second = here.settled
        assert outcomes(first) == [("gone", "network", None), ("there", "fallback_success", 101)]
        assert first["provider_id"] == "prov_there"
        # A connection that is open is not chosen anew.
        assert "facts" not in second
        await here.at_rest()


async def test_a_strategy_does_not_move_turns_away_from_their_connection() -> None:
    async with site(providers=mixed) as here:
        config = {"routing_mode": "fallback_all"}
        here.keyring.bundle.config.update(config)
        script(here, "chunks=3", "status=429", "chunks=3")
        told = await in_thread(lambda: talk(here, {}, {}, {}))
        assert [said[-1]["type"] for said in told] == [
            "response.completed",
            "error",
            "response.completed",
        ]
        assert called(here) == ["one", "one", "one"]
        await here.at_rest()


async def test_azure_takes_handshakes_at_its_v1_address_with_a_bearer_key() -> None:
    def azure(port: int) -> list[ProviderBinding]:
        made = account("azure", port, "az")
        named = read_settings({"deployments": {"gpt-5": "our-five"}})
        old = dataclasses.replace(made, id="old", settings=read_settings({"api_version": "1"}))
        return [old, dataclasses.replace(made, settings=named)]

    async with site(providers=azure) as here:
        [said] = await in_thread(lambda: talk(here, {}))
        assert said[-1]["type"] == "response.completed"
        [call] = here.fake.record.calls
        assert dict(call.headers)["authorization"] == "Bearer key-of-az"
        assert json.loads(call.body or "")["model"] == "our-five"
        row = await here.the_settlement()
        assert row["outcome"] == "completed"


async def test_xai_opens_sockets_and_other_families_are_not_asked() -> None:
    def families(port: int) -> list[ProviderBinding]:
        made = account("xai", port, "grok")
        return [account("groq", port, "other"), dataclasses.replace(made, base_path="/v1")]

    async with site(providers=families) as here:
        asked = ({"model": "grok-4.3"}, {"model": "groq/llama"})
        said, refused = await in_thread(lambda: talk(here, *asked))
        assert said[-1]["type"] == "response.completed"
        assert refused[-1]["error"]["code"] == "upgrade_required"
        assert called(here) == ["grok"]


def guarded(here: Site, *rows: dict[str, Any]) -> None:
    here.keyring.bundle.guardrails = tuple(GuardrailBinding(row, SIGNING) for row in rows)


def texts(said: list[dict[str, Any]]) -> str:
    return "".join(e["delta"] for e in said if e["type"] == "response.output_text.delta")


async def test_what_guardrails_replace_is_replaced_in_questions_and_answers() -> None:
    words = guardrail("keywords", "redact", *BOTH, settings={"keywords": ["calm"]}, id="g_2")
    async with site(providers=mixed) as here:
        guarded(here, guardrail("secrets", "redact", "request"), words)
        asked = {"input": f"use {SECRET}"}
        [said, after] = await in_thread(lambda: talk(here, asked, {}))
        sent = here.fake.record.calls[0].body or ""
        assert SECRET not in sent
        assert MARK in sent
        for one in (said, after):
            assert "calm" not in json.dumps(one, ensure_ascii=False)
            assert texts(one).startswith("Grüezi – a ")
            assert one[-1]["type"] == "response.completed"
        await until(lambda: len(here.settled) == 2)
        verdicts = [[g["verdict"] for g in row["facts"]["guardrails"]] for row in here.settled]
        assert verdicts == [["modify", "modify"], ["pass", "modify"]]


async def test_a_blocked_answer_ends_the_connection_and_nothing_of_it_was_sent() -> None:
    words = guardrail("keywords", "block", *BOTH, settings={"keywords": ["calm"]})
    async with site(providers=mixed) as here:
        guarded(here, words)

        def blocked() -> tuple[list[dict[str, Any]], int]:
            with dial(here) as socket:
                socket.send(json.dumps(ASK))
                said = events(socket)
                with pytest.raises(ConnectionClosed):
                    socket.recv(timeout=5)
                return said, int(socket.close_code or 0)

        said, code = await in_thread(blocked)
        assert (said[-1]["error"]["type"], said[-1]["error"]["code"]) == (
            "guardrail_blocked",
            "stream_chunk_blocked",
        )
        assert code == 1008
        assert texts(said) == ""
        row = await here.the_settlement()
        assert row["code"] == "guardrail_blocked"
        assert row["facts"]["guardrails"][0]["verdict"] == "block"
        await here.at_rest()


async def test_an_evaluator_judges_frames_and_a_request_can_be_blocked() -> None:
    def judge(body: bytes, _: dict[bytes, bytes]) -> list[bytes]:
        found = [t["text"] for t in json.loads(body)["texts"]]
        if "forbidden" in str(found):
            return json_answer({"decision": "block", "reason": "not here"})
        changed = [text.replace("calm", "quiet") for text in found]
        return json_answer({"decision": "modify", "texts": changed})

    async with listening(judge) as (_, port), site(providers=mixed) as here:
        settings = {"url": f"http://127.0.0.1:{port}/check", "timeout_ms": 2000}
        given = {"settings": settings}
        guarded(here, guardrail("evaluator", "redact", "request", *BOTH, **given))
        refused, said = await in_thread(lambda: talk(here, {"input": "forbidden"}, {}))
        assert [e["error"]["code"] for e in refused] == ["guardrail_blocked"]
        assert "quiet" in texts(said)
        assert "calm" not in json.dumps(said)
        assert here.fake.record.total == 1
