"""Whole calls in both dialects: bytes pass, usage is booked, keys are swapped."""

import hashlib

import pytest

from tests.component.proxy.pipeline.site import ANTHROPIC_KEY, KEY, OPENAI_KEY, chat, message, site

pytestmark = pytest.mark.trio

DIALECTS = {"openai": ("/v1/chat/completions", chat), "anthropic": ("/v1/messages", message)}


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


async def test_a_plain_call_passes_and_is_booked(dialect) -> None:
    path, ask = DIALECTS[dialect]
    async with site() as here:
        sent = await here.post(path, ask(), x_fake_behaviour="prompt=40,completion=9")
        got = await sent.read()
        assert got.status == 200
        call = here.fake.record.calls[-1]
        assert hashlib.sha256(got.body).hexdigest() == call.answer_sha256
        seen = dict((name.lower(), value) for name, value in call.headers)
        wanted = {"openai": f"Bearer {OPENAI_KEY}", "anthropic": ANTHROPIC_KEY}[dialect]
        assert seen["authorization" if dialect == "openai" else "x-api-key"] == wanted
        assert KEY not in str(call.headers)
        told = await here.the_settlement()
        assert told["outcome"] == "completed"
        assert (told["input_tokens"], told["output_tokens"]) == (40, 9)
        assert told["cost_nanousd"] > 0
        assert told["is_estimated"] is False
        await here.at_rest()
        assert here.limit.current.unacked_nanousd == told["cost_nanousd"]
