"""Who serves a model: aliases, words before a slash, allow-lists, routing policies and their strategies."""

import base64
import random
from typing import Any

import orjson
import pytest

from proxy.bundle import RoutingPolicy
from proxy.makers_map import MakersMap
from rules.makers import Makers, sealed_parts
from tests.component.proxy.pipeline.chains import QUICK, account, accounts, called, script
from tests.component.proxy.pipeline.site import Site, binding, chat, message, settings_for, site
from tests.component.proxy.transport.peers import Peer, until, upstream

pytestmark = pytest.mark.trio

CHAT = "/v1/chat/completions"


def vendors(port: int) -> list[Any]:
    return [
        account("openai", port, "main"),
        account("anthropic", port, "claude"),
        account("openai", port, "spare"),
    ]


def configure(here: Site, policy: RoutingPolicy | None = None, **config: Any) -> None:
    here.keyring.bundle.config.update(config)
    here.keyring.bundle.routing_policy = policy


async def ask(here: Site, model: str, path: str = CHAT, **more: Any) -> Any:
    make = chat if path == CHAT else message
    return await (await here.post(path, make(model, **more))).read()


async def test_the_vendor_that_a_name_belongs_to_serves_it() -> None:
    async with site(providers=vendors) as here:
        assert (await ask(here, "gpt-4o-mini")).status == 200
        assert (await ask(here, "claude-haiku-4-5", "/v1/messages")).status == 200
        assert (await ask(here, "spare/gpt-4o-mini")).status == 200
        assert called(here) == ["main", "claude", "spare"]
        assert [call.model for call in here.fake.record.calls][-1] == "gpt-4o-mini"
        facts = [line.get("facts", {}) for line in here.settled]
        assert [f.get("model_source") for f in facts] == [None, None, "explicit_slash"]


async def test_an_alias_is_answered_under_its_real_name() -> None:
    async with site(providers=vendors) as here:
        configure(here, model_aliases={"fast": "spare/gpt-4o-mini", "gpt-4o": "main/gpt-4o-mini"})
        for alias, name in (("fast", "spare"), ("gpt-4o", "main")):
            got = await ask(here, alias)
            assert (got.status, got.headers["x-langwatch-model"]) == (200, "gpt-4o-mini")
            assert called(here)[-1] == name


async def test_the_body_differs_in_the_models_name_alone() -> None:
    async with site(providers=vendors) as here:
        configure(here, model_aliases={"fast": "main/gpt-4o-mini"})
        body = b'{ "x" :1.0, "model":\t"fast", "messages":[{"role":"user","content":"\\u00e9"}] }'
        assert (await (await here.post(CHAT, body)).read()).status == 200
        sent = here.fake.record.calls[-1].body
        assert sent == body.replace(b'"fast"', b'"gpt-4o-mini"').decode()


async def test_a_model_that_is_not_allowed_is_refused_by_name_and_alias() -> None:
    async with site(providers=vendors) as here:
        configure(
            here,
            models_allowed=["gpt-4o-mini", "anthropic/*"],
            model_aliases={"big": "openai/gpt-4o"},
        )
        assert (await ask(here, "gpt-4o-mini")).status == 200
        assert (await ask(here, "claude-haiku-4-5", "/v1/messages")).status == 200
        got = await ask(here, "big")
        assert (got.status, got.json["error"]["code"]) == (403, "model_not_allowed")
        assert "gpt-4o" in got.json["error"]["message"]
        assert "big" in got.json["error"]["message"]
        assert got.headers["x-should-retry"] == "false"
        assert here.settled[-1]["code"] == "model_not_allowed"
        assert len(called(here)) == 2


async def test_an_empty_list_of_allowed_models_allows_none() -> None:
    async with site(providers=vendors) as here:
        configure(here, models_allowed=[])
        assert (await ask(here, "gpt-4o-mini")).status == 403


async def test_a_model_that_nobody_is_known_to_serve_is_not_recognized() -> None:
    def declaring(port: int) -> list[Any]:
        return [binding("sandbox", port), account("anthropic", port, "claude")]

    async with site(providers=declaring) as here:
        got = await ask(here, "gpt-4o", "/v1/messages")
        assert (got.status, got.json["error"]["code"]) == (400, "model_not_recognized")
        assert "anthropic/" in got.json["error"]["message"]
        assert len(got.json["error"]["meta"]["reachable"]) <= 10


async def test_a_policy_decides_order_reach_and_models() -> None:
    policy = RoutingPolicy(
        "rp_1",
        "coding",
        provider_ids=("prov_spare", "prov_main", "prov_unbound"),
        models_allowed=("gpt-4o-*",),
        model_aliases={"fast": "openai/gpt-4o-mini"},
    )
    async with site(providers=vendors) as here:
        configure(here, policy)
        script(here, "status=500")
        assert (await ask(here, "fast")).status == 200
        assert called(here) == ["spare", "main"]
        assert (await ask(here, "gpt-4o")).json["error"]["code"] == "model_not_allowed"
        got = await ask(here, "claude-haiku-4-5", "/v1/messages")
        assert got.json["error"]["code"] == "model_not_recognized"


async def test_a_keys_own_alias_wins_and_a_key_may_stand_outside_the_policy() -> None:
    policy = RoutingPolicy(
        "rp_1", "p", provider_ids=("prov_spare",), model_aliases={"fast": "spare/gpt-4o"}
    )
    async with site(providers=vendors) as here:
        configure(here, policy, model_aliases={"fast": "spare/gpt-4o-mini"})
        assert (await ask(here, "fast")).headers["x-langwatch-model"] == "gpt-4o-mini"
    async with site(providers=vendors) as here:
        configure(here, policy, routing_mode="fallback_all")
        assert (await ask(here, "gpt-4o-mini")).status == 200
        assert called(here) == ["main"]


async def test_a_policy_that_names_none_of_the_keys_providers_leaves_it_without_one() -> None:
    async with site(providers=vendors) as here:
        configure(here, RoutingPolicy("rp_1", "coding", provider_ids=("prov_other",)))
        got = await ask(here, "gpt-4o-mini")
        assert (got.status, got.json["error"]["code"]) == (400, "no_provider_configured")
        assert "coding" in got.json["error"]["message"]


def policy_of(strategy: str, *names: str) -> RoutingPolicy:
    return RoutingPolicy("rp_1", "p", strategy, tuple(f"prov_{name}" for name in names))


async def test_round_robin_takes_turns() -> None:
    async with site(providers=accounts("openai", "a", "b", "c")) as here:
        configure(here, policy_of("round_robin", "a", "b", "c"))
        for _ in range(4):
            assert (await ask(here, "gpt-4o-mini")).status == 200
        assert called(here) == ["a", "b", "c", "a"]


async def test_turns_are_taken_without_fallback_too() -> None:
    async with site(providers=accounts("openai", "a", "b")) as here:
        configure(here, policy_of("round_robin", "a", "b"), fallback={"max_attempts": 1})
        script(here, "status=500", "ok")
        assert [(await ask(here, "gpt-4o-mini")).status for _ in range(2)] == [500, 200]
        assert called(here) == ["a", "b"]


async def test_cost_prefers_the_cheaper_model_of_an_alias() -> None:
    async with site(providers=accounts("openai", "a", "b")) as here:
        configure(
            here,
            policy_of("cost", "a", "b"),
            model_aliases={"x": {"a": "gpt-4o", "b": "gpt-4o-mini"}},
        )
        assert (await ask(here, "x")).headers["x-langwatch-model"] == "gpt-4o-mini"
        assert called(here) == ["b"]


async def test_latency_prefers_who_begins_soonest() -> None:
    async with site(providers=accounts("openai", "a", "b")) as here:
        configure(here, policy_of("latency", "a", "b"))
        script(here, "ttft_ms=150", "ok")
        for _ in range(4):
            assert (await ask(here, "gpt-4o-mini", stream=True)).status == 200
        assert called(here) == ["a", "b", "b", "b"]


SEAL = base64.b64encode(random.Random(3).randbytes(300)).decode()


def thinking(signature: str, **more: Any) -> dict[str, Any]:
    block = {"type": "thinking", "thinking": "hm", "signature": signature}
    turns = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [block, {"type": "text", "text": "hi"}]},
        {"role": "user", "content": "go on"},
    ]
    return message("claude-haiku-4-5") | {"messages": turns} | more


async def test_sealed_thinking_goes_back_to_the_account_that_made_it_and_to_no_other() -> None:
    answer = {
        "id": "msg_1",
        "type": "message",
        "content": [{"type": "thinking", "thinking": "hm", "signature": SEAL}],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    body = orjson.dumps(answer)
    head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    asked = []

    async def maker(peer: Peer) -> None:
        asked.append(await peer.request())
        await peer.say(head % (200, len(body)) + body)
        asked.append(await peer.request())
        await peer.say(head % (500, 2) + b"{}")
        await peer.gone()

    async with upstream(maker) as up:
        port = up.target.port

        def both(own: int) -> list[Any]:
            return [account("anthropic", own, "first"), account("anthropic", port, "maker")]

        async with site(settings_for(**QUICK), both) as here:
            configure(here, policy_of("round_robin", "maker", "first"))
            assert (await ask(here, "claude-haiku-4-5", "/v1/messages")).status == 200
            got = await (await here.post("/v1/messages", thinking(SEAL))).read()
            assert got.status == 500
            assert len(asked) == 2
            assert called(here) == []


async def test_a_worker_takes_sealed_thinking_to_whom_another_had_it_from(tmp_path) -> None:
    """Two workers of one machine, with one table between them."""
    chat_of = {"model": "claude-haiku-4-5", "max_tokens": 4000}
    asks = {**chat_of, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    said = {"messages": [{"role": "user", "content": "hello"}]}
    made: list[bytes] = []
    for turn in range(2):
        makers = Makers(shared=MakersMap(tmp_path / "table", b"key"))
        async with site(providers=accounts("anthropic", "a", "b")) as here:
            object.__setattr__(here.gateway, "makers", makers)
            configure(here, policy_of("round_robin", "a", "b"))
            if turn == 0:
                await ask(here, "claude-haiku-4-5", "/v1/messages")
                script(here, "thinking")
                got = await (await here.post("/v1/messages", asks | said)).read()
                made.append(next(sealed_parts(got.body)))
                assert called(here) == ["a", "b"]
            else:
                for _ in range(2):
                    sent = thinking(made[0].decode())
                    assert (await (await here.post("/v1/messages", sent)).read()).status == 200
                assert called(here) == ["b", "b"]


async def test_sealed_thinking_of_unknown_making_keeps_to_one_order_and_one_vendor() -> None:
    async with site(providers=accounts("anthropic", "a", "b")) as here:
        configure(here, policy_of("round_robin", "a", "b"))
        for _ in range(3):
            assert (await (await here.post("/v1/messages", thinking(SEAL))).read()).status == 200
        assert called(here) == ["a", "a", "a"]
        await until(lambda: len(here.settled) == 3)
