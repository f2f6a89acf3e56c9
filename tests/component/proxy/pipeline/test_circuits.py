"""A provider that fails too often is left alone, asked again by one call, and taken back when it answers."""

import pytest

from proxy.metrics import page as metrics_page
from rules.breaker import State
from tests.component.proxy.pipeline.chains import (
    QUICK,
    accounts,
    called,
    outcomes,
    script,
)
from tests.component.proxy.pipeline.site import Site, chat, settings_for, site
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio

PATH = "/v1/chat/completions"
TERMS = {"LW_GATEWAY_CIRCUIT_THRESHOLD": 3, "LW_GATEWAY_CIRCUIT_COOLDOWN_S": 0.15}
PATIENT = TERMS | {"LW_GATEWAY_CIRCUIT_COOLDOWN_S": 60}


def state(here: Site, name: str = "first") -> State:
    return here.gateway.circuits.states().get(f"prov_{name}", State.CLOSED)


async def fail(here: Site, *behaviours: str) -> None:
    for behaviour in behaviours:
        script(here, behaviour)
        await (await here.post(PATH, chat())).read()


async def test_an_open_breaker_is_a_503_that_says_when_to_come_back() -> None:
    async with site(settings_for(**PATIENT), accounts("openai", "first")) as here:
        await fail(here, "status=500,close", "reset_head", "status=503")
        assert state(here) is State.OPEN
        got = await (await here.post(PATH, chat())).read()
        assert (got.status, got.json["error"]["code"]) == (503, "circuit_open")
        assert 55 <= int(got.headers["retry-after"]) <= 60
        assert "x-should-retry" not in got.headers
        assert len(called(here)) == 3
        told = here.settled[-1]
        assert (told["outcome"], told["code"], told["cost_nanousd"]) == (
            "refused",
            "circuit_open",
            0,
        )
        await here.at_rest()
        assert 'gateway_circuit_state{credential_id="prov_first"} 1' in page(here)


def page(here: Site) -> str:
    return metrics_page([here.gateway.metrics.snapshot()])


@pytest.mark.parametrize("status", [429, 404, 400, 401])
async def test_a_provider_that_refuses_is_alive(status) -> None:
    async with site(settings_for(**PATIENT), accounts("openai", "first")) as here:
        await fail(here, *[f"status={status}"] * 5)
        assert here.gateway.circuits.states() == {}


async def test_a_stream_that_breaks_off_counts_as_a_failure() -> None:
    async with site(settings_for(**PATIENT | QUICK), accounts("openai", "first")) as here:
        for behaviour in (
            "chunks=9,reset_after=3,delay_ms=2",
            "chunks=9,end_after=3",
            "hang_after=2",
        ):
            script(here, behaviour)
            await (await here.post(PATH, chat(stream=True))).read_broken()
        await until(lambda: state(here) is State.OPEN)


async def test_clients_that_leave_count_nothing() -> None:
    async with site(settings_for(**PATIENT), accounts("openai", "first")) as here:
        for number in range(4):
            script(here, "hang_head")
            sent = await here.post(PATH, chat())
            await until(lambda: here.fake.record.open_calls == 1)
            await sent.client.stream.aclose()
            await until(lambda seen=number: len(here.settled) == seen + 1)
        assert here.gateway.circuits.states() == {}


async def test_a_probe_that_succeeds_takes_the_provider_back() -> None:
    async with site(settings_for(**TERMS), accounts("openai", "first")) as here:
        await fail(here, *["status=500"] * 3)
        await until(lambda: state(here) is State.HALF_OPEN)
        assert (await (await here.post(PATH, chat())).read()).status == 200
        assert state(here) is State.CLOSED


async def test_one_call_probes_and_the_others_wait_for_its_word() -> None:
    async with site(settings_for(**TERMS), accounts("openai", "first")) as here:
        await fail(here, *["status=500"] * 3)
        await until(lambda: state(here) is State.HALF_OPEN)
        script(here, "hang_head")
        probe = await here.post(PATH, chat())
        await until(lambda: here.fake.record.open_calls == 1)
        got = await (await here.post(PATH, chat())).read()
        assert (got.status, got.json["error"]["code"]) == (503, "circuit_open")
        await probe.client.stream.aclose()
        await until(lambda: here.fake.record.open_calls == 0)
        await here.at_rest()
        assert (await (await here.post(PATH, chat())).read()).status == 200


async def test_a_storm_opens_the_breaker_and_the_chain_goes_round_it() -> None:
    async with site(settings_for(**PATIENT), accounts("openai", "first", "second")) as here:
        for _ in range(3):
            script(here, "status=500")
            got = await (await here.post(PATH, chat())).read()
            assert got.status == 200
        assert state(here) is State.OPEN
        got = await (await here.post(PATH, chat())).read()
        assert (got.status, got.headers["x-langwatch-fallback-count"]) == (200, "1")
        assert called(here) == ["first", "second"] * 3 + ["second"]
        await until(lambda: len(here.settled) == 4)
        assert outcomes(here.settled[-1]) == [
            ("first", "circuit_open", None),
            ("second", "fallback_success", 200),
        ]


async def test_when_every_breaker_is_open_nobody_is_called() -> None:
    async with site(settings_for(**PATIENT), accounts("openai", "first", "second")) as here:
        await fail(here, *["status=500"] * 6)
        assert (state(here), state(here, "second")) == (State.OPEN, State.OPEN)
        before = len(called(here))
        got = await (await here.post(PATH, chat())).read()
        assert (got.status, got.json["error"]["code"]) == (503, "circuit_open")
        assert int(got.headers["retry-after"]) > 0
        assert len(called(here)) == before
        assert here.settled[-1]["outcome"] == "refused"
