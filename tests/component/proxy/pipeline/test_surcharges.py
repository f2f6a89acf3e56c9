"""Calls that ask to be served before others are held and booked at what that costs."""

import orjson
import pytest

from rules.pricing import FLAT_PRICE
from rules.surcharges import surcharged
from tests.component.proxy.pipeline.site import chat, message, site
from tests.component.proxy.pipeline.test_injection import OK, before

pytestmark = pytest.mark.trio
TIMES = [
    ("/v1/chat/completions", chat("gpt-5"), {"service_tier": "priority"}, 2),
    ("/v1/responses", {"model": "gpt-5.5", "input": "hello"}, {"service_tier": "priority"}, 2.5),
    ("/v1/messages", message("claude-opus-4-6"), {"speed": "fast"}, 6),
    ("/v1/messages", message("claude-opus-4-8"), {"speed": "fast"}, 2),
    ("/v1/messages", message("claude-haiku-4-5"), {"speed": "fast"}, 1),
    ("/v1/chat/completions", chat("gpt-5"), {"service_tier": "flex"}, 1),
]


@pytest.mark.parametrize(("path", "body", "asked", "times"), TIMES)
async def test_a_dearer_service_is_held_and_booked_as_such(path, body, asked, times) -> None:
    [(name, word)] = asked.items()
    async with site() as here:
        for said in ("x" * len(word), word):
            await (await here.post(path, body | {name: said})).read()
        plain, dear = here.settled
        assert dear["output_tokens"] == plain["output_tokens"] > 0
        # OpenAI says in the recorded answer that it served the call like any other.
        booked = times if path == "/v1/messages" else 1
        assert dear["cost_nanousd"] == pytest.approx(plain["cost_nanousd"] * booked, rel=0.01)
        assert dear["price_source"].endswith((", priority", ", fast")) is (booked > 1)
        admitted = [line["payload"] for line in here.lines if line["command"] == "admitSpend"]
        held = [one["estimate_nanousd"] for one in admitted]
        assert held[1] == pytest.approx(held[0] * times, rel=0.01)


ANSWERS = {
    "/v1/chat/completions": {
        "choices": [],
        "usage": {"prompt_tokens": 100, "completion_tokens": 9},
    },
    "/v1/responses": {"output": [], "usage": {"input_tokens": 100, "output_tokens": 9}},
}


@pytest.mark.parametrize("path", ANSWERS)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_what_the_provider_says_of_its_service_counts(path, is_streamed) -> None:
    for served, times in (("default", 1), ("priority", 2)):
        answer = {"id": "c", "model": "gpt-5", "service_tier": served, **ANSWERS[path]}
        body, media = orjson.dumps(answer), b"application/json"
        if is_streamed:
            done = {"type": "response.completed", "response": answer}
            told = orjson.dumps(done) if "responses" in path else body
            body, media = b"data: %b\n\ndata: [DONE]\n\n" % told, b"text/event-stream"
        head = OK.replace(b"application/json", media) + b"content-length: %d\r\n\r\n"
        async with before(head % len(body) + body) as here:
            for asked in ("default", "priority"):
                told = {"service_tier": asked, "stream": is_streamed, "input": "hello"}
                await (await here.post(path, chat("gpt-5") | told)).read()
            costs = {row["cost_nanousd"] for row in here.settled}
            assert costs == {(100 * 1_250 + 9 * 10_000) * times}


async def test_a_price_by_the_piece_or_of_another_vendor_stays() -> None:
    assert surcharged(FLAT_PRICE, "custom", "gpt-5", "priority") is FLAT_PRICE
    dear = surcharged(FLAT_PRICE, "openai", "unheard-of", "priority")
    assert dear.base.output_nanousd == 2 * FLAT_PRICE.base.output_nanousd
    assert not dear.is_known
