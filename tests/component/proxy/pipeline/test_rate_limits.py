"""Rate limits through a socket: what is refused and how, what is given back, and providers that leave the chain."""

import math
import time
from collections.abc import Awaitable
from dataclasses import replace

import orjson
import pytest
import trio

from core.fault import Refused
from proxy.bundle import ProviderBinding
from proxy.limit_state import LimitState, Terms
from proxy.pipeline.call import Call, Outcome, new_call
from proxy.pipeline.limits import again, limits
from proxy.pipeline.settle import settle
from proxy.routes import find
from proxy.transport.asgi import Message
from rules.rates import DIMENSIONS, rate_limit_id
from rules.windows import Window
from tests.component.proxy.pipeline.chains import script
from tests.component.proxy.pipeline.site import Site, binding, chat, lent, message, site
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio
DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}


def rate(name: str, amount: int, used: int = 0, provider_id: str = "") -> LimitState:
    """A rate limit of which this worker has borrowed all that is not used."""
    dimension = DIMENSIONS[name]
    owner = provider_id or "vk_1"
    scope = "provider" if provider_id else "virtual_key"
    terms = Terms(
        rate_limit_id(name, owner), name, scope, owner, Window(dimension.window), None, amount,
        "block", "flat", "allow", dimension, provider_id or None, provider_id,
    )  # fmt: skip
    limit = lent(LimitState(terms), amount - used)
    limit.current.settled = used
    return limit


def add(here: Site, *limits: LimitState) -> None:
    bundle = here.keyring.bundle
    bundle.limits = (*limits, *bundle.limits)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_keys_used_up_rate_is_a_429_that_says_which_and_until_when(dialect: str) -> None:
    path, body = DIALECTS[dialect]
    async with site() as here:
        limit = rate("rpm", 60, used=60)
        add(here, limit)
        got = await (await here.post(path, body())).read()
        assert got.status == 429
        error = got.json["error"]
        wanted = {"openai": "rate_limit_exceeded", "anthropic": "rate_limit_error"}[dialect]
        assert (error["type"], error["code"]) == (wanted, "vk_rate_limit_exceeded")
        assert "60 requests a minute" in error["message"]
        assert error["meta"] == {"dimension": "rpm", "limit": 60}
        assert got.headers["x-langwatch-ratelimit-dimension"] == "rpm"
        told = int(got.headers["retry-after"])
        assert math.isclose(told, limit.current.opens_s - time.time(), abs_tol=2)
        assert "x-langwatch-provider" not in got.headers
        told_row = await here.the_settlement()
        assert (told_row["outcome"], told_row["code"]) == ("refused", "vk_rate_limit_exceeded")
        assert not here.fake.record.calls
        assert here.limit.current.held == 0


async def test_requests_and_tokens_are_booked_as_they_were_used() -> None:
    async with site() as here:
        requests, tokens = rate("rpm", 60), rate("tpm", 100_000)
        add(here, requests, tokens)
        assert (await (await here.post("/v1/chat/completions", chat())).read()).status == 200
        told = await here.the_settlement()
        used = sum(v for name, v in told.items() if name.endswith("_tokens"))
        admitted = here.lines[0]["payload"]
        assert [(id_, amount) for id_, _, amount in told["rates"]] == [
            ("rpm:vk_1", 1),
            ("tpm:vk_1", used),
        ]
        assert [rate[:2] for rate in admitted["rates"]] == [rate[:2] for rate in told["rates"]]
        assert admitted["rates"][1][2] > 0
        assert (requests.current.unacked, tokens.current.unacked) == (1, used)
        assert [charge[0] for charge in told["charges"]] == ["bud_1"]


async def test_a_call_that_is_refused_later_gives_its_request_back() -> None:
    async with site(limit_nanousd=10, leased_nanousd=0) as here:
        requests = rate("rpm", 60)
        add(here, requests)
        here.limit.current.settled = 10
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert got.status == 402
        assert (requests.current.available, requests.current.held) == (60, 0)


async def test_counting_tokens_counts_in_no_budget_and_in_no_other_rate() -> None:
    async with site() as here:
        add(here, rate("rpm", 60, used=60))
        counting = here.keyring.bundle.counting
        assert counting is not None
        got = await (await here.post("/v1/messages/count_tokens", message())).read()
        assert got.status == 200
        told = await here.the_settlement()
        assert told["charges"] == []
        assert [(r[0], r[2]) for r in told["rates"]] == [("count:vk_1", 1)]
        counting.current.available, counting.current.settled = 0, 1000
        got = await (await here.post("/v1/messages/count_tokens", message())).read()
        assert (got.status, got.headers["x-langwatch-ratelimit-dimension"]) == (429, "count")


def limited(port: int, *limits: LimitState) -> list[ProviderBinding]:
    return [replace(binding("openai", port, "/v1"), limits=limits)]


async def test_a_used_up_provider_rate_is_a_429_that_names_the_provider_when_it_is_the_only_one() -> (
    None
):
    limit = rate("rpm", 5, used=5, provider_id="prov_openai")
    async with site(providers=lambda port: limited(port, limit)) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.json["error"]["code"]) == (429, "rate_limit_exceeded")
        assert got.json["error"]["meta"]["provider_id"] == "prov_openai"
        assert here.limit.current.held == 0


async def not_sent(_: Message) -> None:
    raise AssertionError("nothing is sent to the client")


def routed(here: Site) -> Call:
    """A call as it stands before admission, with a choice of every provider of the key."""
    gateway, route = here.gateway, find("/v1/chat/completions")
    assert route is not None
    call = new_call({"query_string": b""}, not_sent, route, gateway.identities.mint(None))
    call.body = orjson.dumps(chat())
    call.ask = call.dialect.read_request(call.body)
    call.plan = gateway.plans.of(here.keyring.bundle)
    call.chain = call.plan.on(route).find("gpt-4o-mini").chain
    call.choose(call.chain[0])
    return call


def two(port: int, first: LimitState, *second: LimitState) -> list[ProviderBinding]:
    other = replace(binding("openai", port, "/v1", name="second"), limits=second)
    return [*limited(port, first), other]


async def test_a_used_up_provider_leaves_the_chain_and_the_next_one_is_admitted() -> None:
    used_up = rate("rpm", 5, used=5, provider_id="prov_openai")
    async with site(providers=lambda port: two(port, used_up)) as here:
        call = routed(here)
        assert limits(here.gateway, call) is None
        assert call.required_lane().binding.id == "prov_second"
        assert here.lines[0]["payload"]["provider_id"] == "prov_second"
        call.end(Outcome.COMPLETED)
        settle(here.gateway, call)


async def test_a_provider_that_turns_out_to_be_short_leaves_the_chain_too() -> None:
    short = rate("tpm", 100, provider_id="prov_openai")
    short.current.available = short.current.settled = 50
    async with site(providers=lambda port: two(port, short)) as here:
        call = routed(here)
        waiting = limits(here.gateway, call)
        assert waiting is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(awaited, waiting)
            await until(lambda: bool(here.gateway.holds.waiters))
            short.current.told_s = time.time() + 1
            here.gateway.holds.serve(time.time())
        assert call.required_lane().binding.id == "prov_second"
        call.end(Outcome.COMPLETED)
        settle(here.gateway, call)
        assert short.current.held == 0


async def awaited(waiting: Awaitable[None]) -> None:
    await waiting


async def test_when_no_provider_has_room_the_first_ones_limit_is_named() -> None:
    limits_ = [rate("rpm", 5, used=5, provider_id=f"prov_{name}") for name in ("openai", "second")]
    async with site(providers=lambda port: two(port, *limits_)) as here:
        call = routed(here)
        waiting = limits(here.gateway, call)
        assert waiting is not None
        with pytest.raises(Refused) as refused:
            await waiting
        assert refused.value.facts["provider_id"] == "prov_openai"
        assert here.limit.current.held == 0


async def test_a_later_attempt_leaves_a_request_with_the_provider_that_failed() -> None:
    first = rate("rpm", 5, provider_id="prov_openai")
    other = rate("tpm", 10**6, provider_id="prov_second")
    async with site(providers=lambda port: two(port, first, other)) as here:
        call = routed(here)
        assert limits(here.gateway, call) is None
        call.is_dispatched = True
        again(here.gateway, call, call.chain[1])
        call.choose(call.chain[1])
        assert (first.current.unacked, first.current.held) == (1, 0)
        assert other.current.held > 0
        call.end(Outcome.COMPLETED)
        settle(here.gateway, call)
        told = here.settled[-1]
        rates = {(limit_id, amount) for limit_id, _, amount in told["rates"]}
        assert rates == {("rpm:prov_openai", 1), ("tpm:prov_second", 0)}
        assert (here.limit.current.held, other.current.held) == (0, 0)
        tried = [line["payload"]["provider_id"] for line in here.lines[:2]]
        assert tried == ["prov_openai", "prov_second"]
        batch = here.gateway.spool.next_batch()
        assert batch is not None
        assert batch.costs[first.current] == 1


async def test_a_later_provider_without_room_is_passed_by_and_nothing_moves() -> None:
    first = rate("rpm", 5, provider_id="prov_openai")
    full = rate("rpm", 5, used=4, provider_id="prov_second")
    async with site(providers=lambda port: two(port, first, full)) as here:
        call = routed(here)
        assert limits(here.gateway, call) is None
        full.current.available = 0
        with pytest.raises(Refused) as refused:
            again(here.gateway, call, call.chain[1])
        assert refused.value.facts["provider_id"] == "prov_second"
        assert (first.current.held, full.current.held) == (1, 0)
        call.end(Outcome.COMPLETED)
        settle(here.gateway, call)
        assert (first.current.unacked, full.current.unacked) == (1, 0)


async def test_a_provider_that_fails_counts_one_request_and_the_next_ones_limits_are_taken() -> (
    None
):
    first = rate("rpm", 5, provider_id="prov_openai")
    other = rate("rpm", 5, provider_id="prov_second")
    async with site(providers=lambda port: two(port, first, other)) as here:
        script(here, "status=500")
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.headers["x-langwatch-fallback-count"]) == (200, "1")
        told = await here.the_settlement()
        assert sorted((r[0], r[2]) for r in told["rates"]) == [
            ("rpm:prov_openai", 1),
            ("rpm:prov_second", 1),
        ]
        assert told["provider_id"] == "prov_second"
        assert here.limit.current.held == 0


def filtered(spent: int, limit: int = 1000) -> LimitState:
    """A project's budget for one provider's calls, of which this worker has borrowed what is left."""
    terms = Terms(
        "bud_2", "openai only", "project", "prj_1", Window.MONTH, None, limit,
        "block", "flat", "block", provider_id="prov_openai", provider_name="openai-main",
    )  # fmt: skip
    budget = lent(LimitState(terms), limit - spent)
    budget.current.settled = spent
    return budget


async def test_a_spent_budget_for_one_provider_takes_it_out_of_the_chain_and_warns() -> None:
    spent = filtered(1000)
    async with site(providers=lambda port: two(port, spent)) as here:
        here.keyring.bundle.budgets = (*here.keyring.bundle.budgets, spent)
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert got.status == 200
        assert got.headers["x-langwatch-budget-warning"] == "project/prov_openai:100"
        told = await here.the_settlement()
        assert "bud_2" not in dict(told["charges"])


async def test_a_spent_budget_for_the_only_provider_is_a_402_that_names_both() -> None:
    spent = filtered(1000)
    async with site(providers=lambda port: limited(port, spent)) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.json["error"]["code"]) == (402, "budget_exceeded")
        assert "openai-main" in got.json["error"]["message"]
        meta = got.json["error"]["meta"]
        assert (meta["budget_id"], meta["budget_provider"]) == ("bud_2", "prov_openai")


async def test_a_budget_for_a_provider_counts_its_calls_and_no_others() -> None:
    counting = filtered(0, 10**15)
    async with site(providers=lambda port: two(port, counting)) as here:
        script(here, "status=500")
        await (await here.post("/v1/chat/completions", chat())).read()
        told = await here.the_settlement()
        assert dict(told["charges"]).keys() == {"bud_1"}
        await (await here.post("/v1/chat/completions", chat())).read()
        await until(lambda: len(here.settled) == 2)
        assert dict(here.settled[1]["charges"]).keys() == {"bud_1", "bud_2"}
        assert counting.current.unacked == here.settled[1]["cost_nanousd"] > 0
