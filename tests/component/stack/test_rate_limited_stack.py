"""Rate limits on the whole stack: exact over several workers, told in words both SDKs read."""

from pathlib import Path

import anthropic
import openai
import pytest

from tests.component.stack.traffic import MODEL, at_once, chat
from tests.provider.handle import FakeProvider
from tests.stack import StackOptions, running
from tests.stack_config import CI_KEY, DEV_KEY

RPM = 12
CLAUDE = "claude-haiku-4-5"


def test_over_two_workers_exactly_as_many_calls_pass_as_the_rate_allows(
    tmp_path: Path, provider: FakeProvider
) -> None:
    options = StackOptions(
        workers=2, budgets=(), key_extras={"dev-cli": f"rate_limits: {{rpm: {RPM}}}"}
    )
    with running(tmp_path, provider, options) as stack:

        def call(_: int) -> int:
            with stack.client(DEV_KEY) as client:
                return client.post("/v1/chat/completions", json=chat()).status_code

        statuses = at_once(40, call)
        assert sorted(set(statuses)) == [200, 429]
        assert statuses.count(200) == RPM == provider.state()["calls"]
        client = openai.OpenAI(api_key=DEV_KEY, base_url=f"{stack.gateway}/v1", max_retries=0)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
        answer = refused.value.response
        assert refused.value.code == "vk_rate_limit_exceeded"
        assert answer.headers["x-langwatch-ratelimit-dimension"] == "rpm"
        assert 1 <= int(answer.headers["retry-after"]) <= 65
        other = anthropic.Anthropic(api_key=DEV_KEY, base_url=stack.gateway, max_retries=0)
        with pytest.raises(anthropic.RateLimitError):
            other.messages.create(
                model=CLAUDE, max_tokens=10, messages=[{"role": "user", "content": "x"}]
            )
        # Counting tokens is apart, and so is another key.
        counted = other.messages.count_tokens(
            model=CLAUDE, messages=[{"role": "user", "content": "x"}]
        )
        assert counted.input_tokens >= 0
        with stack.client(CI_KEY) as service:
            assert service.post("/v1/chat/completions", json=chat()).status_code == 200
        client.close()
        other.close()
