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
        assert dear["cost_nanousd"] == pytest.approx(plain["cost_nanousd"] * times, rel=0.01)
        assert dear["price_source"].endswith((", priority", ", fast")) is (times > 1)
        admitted = [line["payload"] for line in here.lines if line["command"] == "admitSpend"]
        held = [one["estimate_nanousd"] for one in admitted]
        assert held[1] == pytest.approx(held[0] * times, rel=0.01)


async def test_what_was_served_like_others_costs_no_more() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 100, "speed": "standard"}
    body = orjson.dumps({"id": "c", "model": "gpt-5", "choices": [], "usage": usage})
    async with before(OK + b"content-length: %d\r\n\r\n" % len(body) + body) as here:
        for more in ({}, {"service_tier": "priority"}):
            await (await here.post("/v1/chat/completions", chat("gpt-5", **more))).read()
        first, second = here.settled
        assert first["cost_nanousd"] == second["cost_nanousd"] > 0


async def test_a_price_by_the_piece_or_of_another_vendor_stays() -> None:
    assert surcharged(FLAT_PRICE, "custom", "gpt-5", "priority") is FLAT_PRICE
    dear = surcharged(FLAT_PRICE, "openai", "unheard-of", "priority")
    assert dear.base.output_nanousd == 2 * FLAT_PRICE.base.output_nanousd
    assert not dear.is_known
