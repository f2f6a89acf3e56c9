"""What a provider says that it charged is what a call costs, whole or streamed, and nonsense is not believed."""

from typing import Any

import pytest

from tests.component.proxy.pipeline.site import binding, chat, site
from tests.component.proxy.pipeline.test_guardrails import json_answer, listening, sse
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio
TOKENS = {"prompt_tokens": 194, "completion_tokens": 2, "total_tokens": 196}
OWN_KEY = {"cost": 0.0005, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}
CASES = {
    "openrouter": ("openrouter", {"cost": 0.00123}, 1_230_000),
    "free": ("openrouter", {"cost": 0}, 0),
    "own key": ("openrouter", OWN_KEY, 10_500_000),
    "xai": ("xai", {"cost_in_usd_ticks": 37_756_000}, 3_775_600),
    "nothing said": ("xai", {}, None),
    "nonsense": ("openrouter", {"cost": "much"}, None),
    "a negative": ("openrouter", {"cost": -1}, None),
    "too much": ("xai", {"cost_in_usd_ticks": 1e30}, None),
    "another vendor's word": ("groq", {"cost": 7}, None),
}


@pytest.mark.parametrize(("type_", "told", "cost"), CASES.values(), ids=CASES)
async def test_a_told_cost_counts(type_: str, told: dict[str, Any], cost: int | None) -> None:
    usage = TOKENS | told
    choice = {"index": 0, "finish_reason": "stop"}
    whole = {"id": "c", "model": "m", "choices": [choice | {"message": {"content": "hi"}}]}
    events = [
        b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n',
        b"data: %b\n\n" % json_answer({"choices": [], "usage": usage})[0].partition(b"\r\n\r\n")[2],
        b"data: [DONE]\n\n",
    ]

    def answer(body: bytes, _: dict[bytes, bytes]) -> list[bytes]:
        return sse(events) if b'"stream":true' in body else json_answer(whole | {"usage": usage})

    async with (
        listening(answer) as (_, port),
        site(providers=lambda _: [binding(type_, port, "/v1")]) as here,
    ):
        for stream in (False, True):
            got = await (await here.post("/v1/chat/completions", chat(stream=stream))).read()
            assert got.status == 200
        await until(lambda: len(here.settled) == 2)
        for row in here.settled:
            assert (row["input_tokens"], row["output_tokens"]) == (194, 2)
            if cost is None:
                assert row["price_source"] != "provider"
            else:
                assert (row["cost_nanousd"], row["price_source"]) == (cost, "provider")
        await here.at_rest()
