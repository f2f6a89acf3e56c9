"""A chain of providers answers with one voice: one clean answer or one truthful error, one row, billed once."""

import random
from collections import Counter

import pytest
import trio

from proxy.bundle import ProviderBinding
from tests.component.proxy.pipeline.chains import QUICK, account, accounts, called, outcomes, script
from tests.component.proxy.pipeline.site import Site, chat, message, settings_for, site
from tests.component.proxy.transport.peers import Peer, until, upstream

pytestmark = pytest.mark.trio

DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


async def the_end(here: Site) -> dict:
    told = await here.the_settlement()
    await here.at_rest()
    assert sum(line["command"] == "admitSpend" for line in here.lines) == 1
    assert here.limit.current.unacked == told["cost_nanousd"]
    return told


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("failure", "outcome", "status"),
    [
        ("status=500", "retryable_5xx", 500),
        ("status=503,retry_after=30", "retryable_5xx", 503),
        ("status=429,retry_after=30", "rate_limit", 429),
        ("status=404", "not_found", 404),
        ("reset_head", "network", None),
        ("close_head", "network", None),
        ("hang_head", "timeout", None),
    ],
)
async def test_the_next_provider_answers_for_one_that_fails(
    dialect, failure, outcome, status, is_streamed
) -> None:
    path, ask = DIALECTS[dialect]
    async with site(settings_for(**QUICK), accounts(dialect, "first", "second")) as here:
        script(here, failure)
        body = ask(stream=True) if is_streamed else ask()
        got = await (await here.post(path, body)).read()
        assert got.status == 200
        assert got.headers["x-langwatch-fallback-count"] == "1"
        assert got.headers["x-langwatch-provider"] == dialect
        assert "retry-after" not in got.headers
        assert called(here) == ["first", "second"]
        end = await the_end(here)
        assert (end["outcome"], end["status"]) == ("completed", 200)
        assert end["provider_id"] == "prov_second"
        assert end["is_estimated"] is False
        assert end["facts"]["fallback_count"] == 1
        assert outcomes(end) == [
            ("first", outcome, status),
            ("second", "fallback_success", 200),
        ]
        assert all(isinstance(a["ms"], int) and a["model"] for a in end["facts"]["attempts"])


@pytest.mark.parametrize("failure", ["reset_after=0", "cut_after=0", "end_after=0", "hang_after=0"])
async def test_a_stream_lost_between_its_head_and_its_first_event_goes_on_elsewhere(
    dialect, failure
) -> None:
    path, ask = DIALECTS[dialect]
    async with site(settings_for(**QUICK), accounts(dialect, "first", "second")) as here:
        script(here, failure)
        got = await (await here.post(path, ask(stream=True))).read()
        assert got.status == 200
        assert got.headers["x-langwatch-fallback-count"] == "1"
        assert b"error" not in got.body
        end = await the_end(here)
        assert [outcome for _, outcome, _ in outcomes(end)] in (
            ["network", "fallback_success"],
            ["timeout", "fallback_success"],
        )


async def test_a_stream_that_begins_with_an_error_event_goes_on_elsewhere(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second")) as here:
        script(here, "error_after=0")
        got = await (await here.post(path, ask(stream=True))).read()
        assert (got.status, got.headers["x-langwatch-fallback-count"]) == (200, "1")
        assert b"error" not in got.body
        assert outcomes(await the_end(here))[0] == ("first", "retryable_5xx", 200)


async def test_the_last_ones_error_event_is_the_clients_to_read(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second")) as here:
        script(here, "status=500", "error_after=0")
        sent = await here.post(path, ask(stream=True))
        body = await sent.read_broken()
        assert b"200 OK" in body
        assert b"error" in body
        assert (await the_end(here))["outcome"] == "truncated"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 413, 422])
async def test_a_providers_own_refusal_is_final_and_passes_as_it_is(dialect, status) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second")) as here:
        script(here, f"status={status}")
        got = await (await here.post(path, ask())).read()
        assert got.status == status
        assert got.headers["x-langwatch-fallback-count"] == "0"
        assert called(here) == ["first"]
        end = await the_end(here)
        assert (end["outcome"], end["cost_nanousd"]) == ("failed", 0)
        assert outcomes(end) == [("first", "non_retryable", status)]


async def test_after_the_first_byte_nobody_else_is_tried(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site(settings_for(**QUICK), accounts(dialect, "first", "second")) as here:
        script(here, "chunks=9,reset_after=3,delay_ms=5")
        sent = await here.post(path, ask(stream=True))
        assert b"upstream_mid_stream_failure" in await sent.read_broken()
        assert called(here) == ["first"]
        end = await the_end(here)
        assert end["outcome"] == "truncated"
        assert "provider_id" not in end


async def test_when_all_fail_the_last_ones_own_answer_is_what_the_client_gets(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second", "third")) as here:
        script(here, "status=500,close", "reset_head", "status=503,retry_after=7")
        got = await (await here.post(path, ask())).read()
        assert got.status == 503
        assert got.headers["retry-after"] == "7"
        assert got.headers["x-langwatch-fallback-count"] == "2"
        assert "x-langwatch-handled-error" not in got.headers
        end = await the_end(here)
        assert (end["outcome"], end["code"], end["cost_nanousd"]) == ("failed", "503", 0)
        assert [o for _, o, _ in outcomes(end)] == ["retryable_5xx", "network", "retryable_5xx"]


@pytest.mark.parametrize(
    ("failures", "status", "code"),
    [
        (("status=500,close", "reset_head"), 502, "provider_error"),
        (("status=500", "hang_head"), 504, "upstream_timeout"),
        (("hang_head", "close_head"), 502, "provider_error"),
    ],
)
async def test_when_the_last_says_nothing_the_error_is_ours_and_true(
    dialect, failures, status, code
) -> None:
    path, ask = DIALECTS[dialect]
    async with site(settings_for(**QUICK), accounts(dialect, "first", "second")) as here:
        script(here, *failures)
        got = await (await here.post(path, ask(stream=True))).read()
        assert (got.status, got.json["error"]["code"]) == (status, code)
        assert got.json["error"]["fault"] == "provider"
        end = await the_end(here)
        assert (end["outcome"], end["code"], end["cost_nanousd"]) == ("failed", code, 0)


async def test_no_more_attempts_are_made_than_allowed(dialect) -> None:
    path, ask = DIALECTS[dialect]
    for config, calls in (({}, 3), ({"fallback": {"max_attempts": 2}}, 2)):
        async with site(providers=accounts(dialect, "a", "b", "c", "d")) as here:
            here.keyring.bundle.config.update(config)
            here.fake._script({"behaviour": "status=500", "times": 9})
            got = await (await here.post(path, ask())).read()
            assert got.status == 500
            assert len(called(here)) == calls
            assert len(outcomes(await the_end(here))) == calls


@pytest.mark.parametrize("config", [{"routing_mode": "none"}, {"fallback": {"max_attempts": 1}}])
async def test_a_key_may_do_without_fallback(dialect, config) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second")) as here:
        here.keyring.bundle.config.update(config)
        script(here, "status=500")
        got = await (await here.post(path, ask())).read()
        assert got.status == 500
        assert called(here) == ["first"]
        assert "facts" not in await the_end(here)


async def test_a_key_says_how_long_an_attempt_may_wait(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second")) as here:
        here.keyring.bundle.config.update({"fallback": {"timeout_ms": 300}})
        script(here, "hang_head")
        got = await (await here.post(path, ask())).read()
        assert (got.status, got.headers["x-langwatch-fallback-count"]) == (200, "1")


async def test_the_whole_call_has_an_end_whatever_is_left_to_try(dialect) -> None:
    path, ask = DIALECTS[dialect]
    settings = settings_for(**(QUICK | {"LANGWATCH_UPSTREAM_TOTAL_SECONDS": 0.2}))
    async with site(settings, accounts(dialect, "first", "second")) as here:
        script(here, "hang_head", "hang_head")
        got = await (await here.post(path, ask())).read()
        assert (got.status, got.json["error"]["code"]) == (504, "upstream_timeout")
        assert called(here) == ["first"]


async def test_an_alias_takes_the_chain_from_vendor_to_vendor_at_the_price_of_the_winner() -> None:
    def both(port: int) -> list[ProviderBinding]:
        return [account("openai", port, "cheap"), account("openai", port, "dear")]

    async with site(providers=both) as here:
        aliases = {"smart": {"cheap": "gpt-4o-mini", "dear": "gpt-4o"}}
        here.keyring.bundle.config["model_aliases"] = aliases
        script(here, "status=529", "prompt=1000,completion=1000")
        got = await (await here.post("/v1/chat/completions", chat("smart"))).read()
        assert got.status == 200
        assert got.headers["x-langwatch-model"] == "gpt-4o"
        assert [call.model for call in here.fake.record.calls] == ["gpt-4o-mini", "gpt-4o"]
        end = await the_end(here)
        assert (end["model"], end["facts"]["alias"]) == ("gpt-4o", "smart")
        assert end["facts"]["model_source"] == "alias"
        assert end["cost_nanousd"] == 1000 * 2_500 + 1000 * 10_000
        admitted = next(line for line in here.lines if line["command"] == "admitSpend")
        assert admitted["payload"]["model"] == "gpt-4o-mini"


async def test_the_hold_covers_the_dearest_that_may_be_tried() -> None:
    aliases = {"smart": {"cheap": "gpt-4o-mini", "dear": "gpt-4o"}}
    held = {}
    for mode in ("none", "fallback_all"):
        async with site(providers=accounts("openai", "cheap", "dear")) as here:
            here.keyring.bundle.config.update({"model_aliases": aliases, "routing_mode": mode})
            script(here, "hang_head")
            sent = await here.post("/v1/chat/completions", chat("smart"))
            await until(lambda: here.fake.record.open_calls == 1)
            held[mode] = here.limit.current.held
            await sent.client.stream.aclose()
            await here.at_rest()
    assert held["fallback_all"] > 10 * held["none"] > 0


async def test_what_a_failed_attempt_told_of_its_usage_is_a_fact_and_is_not_billed() -> None:
    body = b'{"error":{"message":"late"},"usage":{"prompt_tokens":7,"completion_tokens":5}}'
    head = b"HTTP/1.1 503 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.say(head % len(body) + body)
        await peer.gone()

    async with upstream(answer) as up:
        port = up.target.port

        def both(own: int) -> list[ProviderBinding]:
            return [account("openai", port, "first"), account("openai", own, "second")]

        async with site(providers=both) as here:
            script(here, "prompt=3,completion=2")
            got = await (await here.post("/v1/chat/completions", chat())).read()
            assert got.status == 200
            end = await the_end(here)
            assert (end["input_tokens"], end["output_tokens"]) == (3, 2)
            usage = end["facts"]["attempts"][0]["usage"]
            assert usage == {"input_tokens": 7, "output_tokens": 5}


async def test_leaving_during_the_second_attempt_frees_everything_and_books_once(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second", "third")) as here:
        script(here, "status=500", "hang_head")
        sent = await here.post(path, ask(stream=True))
        await until(lambda: called(here) == ["first", "second"])
        await trio.testing.wait_all_tasks_blocked(0.02)
        await sent.client.stream.aclose()
        end = await the_end(here)
        assert (end["outcome"], end["provider_id"]) == ("cancelled", "prov_second")
        assert outcomes(end)[-1] == ("second", "context_done", None)
        assert called(here) == ["first", "second"]
        assert here.gateway.circuits.states().keys() == {"prov_first"}


async def test_a_drain_during_a_fallback_says_so(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site(providers=accounts(dialect, "first", "second", "third")) as here:
        script(here, "status=500", "hang_head")
        sent = await here.post(path, ask(stream=True))
        await until(lambda: called(here) == ["first", "second"])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.front.server.drain, 0)
            got = await sent.read()
            assert (got.status, got.json["error"]["code"]) == (503, "service_unavailable")
        end = await the_end(here)
        assert (end["outcome"], end["code"]) == ("failed", "gateway_draining")
        assert called(here) == ["first", "second"]


async def test_an_unreachable_provider_is_passed_by() -> None:
    free = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = free.socket.getsockname()[1]
    await free.aclose()

    def both(own: int) -> list[ProviderBinding]:
        return [account("openai", port, "first"), account("openai", own, "second")]

    async with site(providers=both) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.headers["x-langwatch-fallback-count"]) == (200, "1")
        assert outcomes(await the_end(here))[0] == ("first", "network", None)


STORM = (
    *("ok", "ok", "status=500", "status=503", "status=429", "status=404", "status=400"),
    *("reset_head", "close_head", "hang_head", "chunks=6,reset_after=0", "chunks=6,end_after=0"),
    *("chunks=6,reset_after=3,delay_ms=1", "chunks=6,end_after=2", "no_usage", "close"),
)


async def test_in_a_storm_every_call_has_one_end_one_row_and_one_charge(dialect) -> None:
    path, ask = DIALECTS[dialect]
    chance = random.Random(20)
    settings = settings_for(**QUICK, LW_GATEWAY_CIRCUIT_THRESHOLD=10**6)
    ends: Counter[str] = Counter()

    async def one(here: Site, is_streamed: bool) -> None:
        sent = await here.post(path, ask(stream=is_streamed))
        try:
            got = await sent.read()
        except (trio.BrokenResourceError, AssertionError):
            ends["broken off"] += 1
            return
        ends["answered" if got.status == 200 else "told"] += 1
        if got.status != 200:
            assert got.json["error"]["message"]

    async with site(settings, accounts(dialect, "a", "b", "c")) as here:
        for _ in range(4):
            script(here, *(chance.choice(STORM) for _ in range(40)))
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(one, here, chance.random() < 0.5)
            here.fake._scripts.clear()
        await until(lambda: len(here.settled) == 80)
        await here.at_rest()
        rows = here.settled
        assert len({row["call_id"] for row in rows}) == 80
        assert sum(line["command"] == "admitSpend" for line in here.lines) == 80
        assert here.limit.current.unacked == sum(row["cost_nanousd"] for row in rows)
        assert ends.total() == 80
        assert min(ends["answered"], ends["told"] + ends["broken off"]) > 5
        for row in rows:
            outcomes_of = [attempt["outcome"] for attempt in row["facts"]["attempts"]]
            assert 1 <= len(outcomes_of) <= 3
            assert not {"success", "fallback_success", "non_retryable"} & set(outcomes_of[:-1])
            if row["outcome"] == "failed":
                assert row["cost_nanousd"] == 0 or row["status"] == 200
