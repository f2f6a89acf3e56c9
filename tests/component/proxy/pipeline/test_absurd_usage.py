"""Providers whose usage can't be true: each call is still booked once, in amounts that the ledger can hold."""

import orjson
import pytest

from tests.component.proxy.pipeline.site import chat
from tests.component.proxy.pipeline.test_injection import OK, before

pytestmark = pytest.mark.trio
MOST_STORED = 2**63 - 1
MODEST = {"prompt_tokens": 1, "completion_tokens": 1}
ABSURD = {
    "more tokens than there are": {"prompt_tokens": 2**53 - 1, "completion_tokens": 2**53 - 1},
    "a total beyond its parts": MODEST | {"total_tokens": 2**53 - 1},
    "fewer than none": {"prompt_tokens": -5, "completion_tokens": -(2**40)},
    "a deep object": b'{"prompt_tokens":1,"completion_tokens":1,"x":%b1%b}'
    % (b'{"a":' * 400, b"}" * 400),
    "half tokens": {"prompt_tokens": 0.5, "completion_tokens": 1e300},
    "words": {"prompt_tokens": "9" * 400, "completion_tokens": "many"},
    "an integer of no machine": b'{"prompt_tokens":1,"completion_tokens":%b}' % (b"9" * 60),
    "one in a detail": b'{"prompt_tokens":1,"completion_tokens":1,"x":%b}' % (b"9" * 60),
}


@pytest.mark.parametrize("name", ABSURD)
async def test_a_usage_that_cannot_be_true_is_booked_within_reason(name) -> None:
    usage = ABSURD[name]
    told = usage if isinstance(usage, bytes) else orjson.dumps(usage)
    body = b'{"id":"c","model":"gpt-4o-mini","choices":[],"usage":%b}' % told
    answer = OK + b"content-length: %d\r\n\r\n" % len(body) + body
    async with before(answer) as here:
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert (got.status, got.body) == (200, body)
        row = await here.the_settlement()
        assert row["outcome"] == "completed"
        assert 0 < row["cost_nanousd"] < MOST_STORED // 1000
        assert 0 <= row["output_tokens"] < 2**31
        await here.at_rest()
        assert here.gateway.metrics.in_flight == 0
