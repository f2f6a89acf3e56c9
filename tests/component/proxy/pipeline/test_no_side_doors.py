"""Every row of the route table goes through the one pipeline: keys, rules, limits and the ledger, without exception."""

from dataclasses import dataclass
from typing import Any

import pytest
import trio

from core.fault import Fault, Refused
from proxy.routes import MODEL, TABLE, Guard, Pricing, Route, Serves
from tests.component.proxy.pipeline.site import Exchange, Site, binding, chat, message, site
from tests.component.proxy.pipeline.test_dialects import FORM, form, pictures
from tests.component.proxy.pipeline.test_rate_limits import add, rate
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio
EVIL = "see https://evil.test/x"
PARTS = {"parts": [{"text": EVIL}]}


@dataclass(frozen=True)
class Said:
    """What a call of one dialect says; each says the same address somewhere."""

    model: str
    body: Any
    headers: dict[str, str]


def said(model: str, body: Any, **headers: str) -> Said:
    return Said(model, body, headers)


CALLS = {
    "openai_chat": said("", chat(messages=[{"role": "user", "content": EVIL}])),
    "openai_completions": said("", {"model": "gpt-3.5-turbo-instruct", "prompt": EVIL}),
    "openai_responses": said("", {"model": "gpt-5.1", "input": EVIL}),
    "openai_embeddings": said("", {"model": "text-embedding-3-small", "input": EVIL}),
    "openai_moderations": said("", {"input": EVIL}),
    "openai_images": said("", {"model": "gpt-image-1", "prompt": EVIL}),
    "openai_image_forms": said("", pictures("gpt-image-1", 1, ("prompt", EVIL)), **FORM),
    "openai_speech": said("", {"model": "tts-1", "input": EVIL, "voice": "alloy"}),
    "openai_transcriptions": said(
        "", form("whisper-1").replace(b"RIFF", EVIL.encode() + b" RIFF"), **FORM
    ),
    "anthropic_messages": said("", message(messages=[{"role": "user", "content": EVIL}])),
    "gemini": said("gemini-2.5-flash", {"contents": [PARTS]}),
    "gemini_count": said("gemini-2.5-flash", {"contents": [PARTS]}),
    "gemini_embeddings": said("gemini-embedding-001", {"content": PARTS}),
}
BATCH = {"requests": [{"model": "models/gemini-embedding-001", "content": PARTS}]}
EXCHANGES = [route for route in TABLE if route.serves is Serves.EXCHANGE]


def vendors(port: int) -> list[Any]:
    openai = binding("openai", port, "/v1")
    return [openai, binding("anthropic", port), binding("gemini", port, "/v1beta")]


async def call(here: Site, route: Route, **more: str) -> Exchange:
    assert route.dialect is not None
    one = CALLS[route.dialect.name]
    body = BATCH if "batch" in route.path else one.body
    path = route.path.replace(MODEL, one.model)
    return await (await here.post(path, body, **one.headers, **more)).read()


def code_of(got: Exchange) -> str:
    return got.headers.get("x-langwatch-handled-error", "")


async def test_each_route_asks_for_a_key_and_leaves_a_row_for_whoever_has_one() -> None:
    async with site(providers=vendors) as here:
        for route in EXCHANGES:
            got = await call(here, route, authorization="")
            assert (got.status, code_of(got)) == (401, "missing_api_key"), route.path
        assert here.settled == []
        for number, route in enumerate(EXCHANGES, 1):
            got = await call(here, route)
            assert got.status == 200, (route.path, got.body)
            await until(lambda number=number: len(here.settled) == number)  # type: ignore[misc]
        admitted = [n["payload"] for n in here.lines if n["command"] == "admitSpend"]
        assert [a["request_type"] for a in admitted] == [r.request_type for r in EXCHANGES]
        await here.at_rest()


async def test_each_route_keeps_to_rules_budgets_and_rates() -> None:
    async with site(providers=vendors, limit_nanousd=10**9, leased_nanousd=10**9) as here:
        bundle = here.keyring.bundle
        bundle.config = {"policy_rules": {"urls": {"deny": ["evil"]}}}
        for route in EXCHANGES:
            assert route.guard is not Guard.NOTHING, "a call of a provider that nobody looks at"
            got = await call(here, route)
            assert (got.status, code_of(got)) == (403, "url_not_allowed"), route.path
        bundle.config = {}
        here.gateway.plans.__init__()  # type: ignore[misc]
        here.limit.current.settled = 10**9
        here.limit.current.available = 0
        for route in EXCHANGES:
            got = await call(here, route)
            is_free = route.pricing is Pricing.FREE
            assert got.status == (200 if is_free else 402), route.path
        here.limit.current.settled, here.limit.current.available = 0, 10**9
        add(here, rate("rpm", 60, used=60))
        for route in EXCHANGES:
            got = await call(here, route)
            is_free = route.pricing is Pricing.FREE
            assert got.status == (200 if is_free else 429), route.path
        free = [route for route in EXCHANGES if route.pricing is Pricing.FREE]
        assert here.fake.record.total == 2 * len(free)
        assert {route.request_type for route in free} == {
            *("moderations", "count_tokens", "responses_input_tokens", "count_gemini_tokens"),
        }


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/chat/completions", chat), ("/v1/messages", message)]
)
async def test_a_stream_that_runs_ends_whole_whatever_becomes_of_its_key_and_its_budget(
    path, body
) -> None:
    async with site(limit_nanousd=10**12, leased_nanousd=10**12) as here:
        sent = await here.post(path, body(stream=True), x_fake_behaviour="chunks=6,step")
        await until(lambda: here.fake.record.open_streams == 1)

        async def gone(_: str) -> None:
            raise Refused(Fault.VIRTUAL_KEY_REVOKED)

        here.limit.current.settled, here.limit.current.available = 10**12, 0
        here.keyring.is_cold, here.keyring.resolve = True, gone  # type: ignore[assignment,method-assign]
        refused = await (await here.post(path, body())).read()
        assert refused.status == 403
        for _ in range(40):
            here.fake._steps.release()
        with trio.fail_after(5):
            got = await sent.read()
        assert got.status == 200
        await until(lambda: bool(here.settled))
        assert {row["outcome"] for row in here.settled} == {"completed"}
