"""What the gateway chose for a call shows in the metrics, and the ids that its caller named show in its row."""

import pytest

from proxy.bundle import GuardrailBinding
from tests.component.proxy.observe.test_metrics_of_calls import scrape, value
from tests.component.proxy.pipeline.chains import QUICK, accounts, script
from tests.component.proxy.pipeline.site import chat, message, settings_for, site
from tests.component.proxy.pipeline.test_guardrails import SIGNING
from tests.component.proxy.pipeline.test_guardrails import row as guardrail
from tests.component.proxy.transport.peers import until
from tests.unit.proxy.guarding.streams import SECRET

pytestmark = pytest.mark.trio

NO_SECRETS = guardrail("secrets", "block", "request")
AWAY = NO_SECRETS | {
    "id": "guardrail_2",
    "name": "nobody listens there",
    "type": "evaluator",
    "settings": {"url": "http://127.0.0.1:1/", "timeout_ms": 2000},
    "directions": ["response"],
    "on_failure": "fail_open",
}
RULE = {"id": "cacherule_1", "priority": 9, "mode": "force", "matchers": {"model": "claude-*"}}


async def test_another_provider_caches_untold_usage_and_verdicts_are_each_counted() -> None:
    async with site(providers=accounts("anthropic", "first", "second")) as here:
        here.keyring.bundle.cache_rules = (RULE,)
        away = GuardrailBinding(AWAY, SIGNING)
        here.keyring.bundle.guardrails = (GuardrailBinding(NO_SECRETS, None), away)
        path = "/v1/messages"
        script(here, "status=500")
        assert (await (await here.post(path, message())).read()).status == 200
        script(here, "prompt=40,completion=9,cached=25")
        assert (await (await here.post(path, message())).read()).status == 200
        script(here, "no_usage")
        assert (await (await here.post(path, message(stream=True))).read()).status == 200
        leak = message(messages=[{"role": "user", "content": f"use {SECRET}"}])
        assert (await (await here.post(path, leak)).read()).status == 403
        await here.at_rest()
        text = await scrape(here)
    moved = {"from_credential": "prov_first", "to_credential": "prov_second"}
    assert value(text, "gateway_fallback_events_total", **moved) == 1
    attempts = "gateway_provider_attempts_total"
    assert value(text, attempts, credential_id="prov_first", outcome="retryable_5xx") == 1
    assert value(text, attempts, credential_id="prov_second", outcome="fallback_success") == 1
    assert value(text, "gateway_cache_hits_total", outcome="hit") == 1
    assert value(text, "gateway_cache_hits_total", outcome="miss") == 2
    rule = {"rule_id": "cacherule_1", "mode_applied": "force"}
    assert value(text, "gateway_cache_rule_hits_total", **rule) == 4
    untold = {"provider": "anthropic", "model": "claude-haiku-4-5"}
    assert value(text, "gateway_streaming_usage_missing_total", **untold) == 1
    verdicts = "gateway_guardrail_verdicts_total"
    assert value(text, verdicts, direction="request", verdict="block") == 1
    assert value(text, verdicts, direction="request", verdict="allow") == 3
    assert value(text, verdicts, direction="response", verdict="fail_open") == 2
    assert value(text, verdicts, direction="response", verdict="error") is None


async def test_a_tools_session_and_our_own_trace_headers_are_the_calls() -> None:
    trace, span, other = "a" * 32, "b" * 16, f"00-{'c' * 32}-{'d' * 16}-01"
    async with site() as here:
        said = [
            ({"x_claude_code_session_id": "claude-1"}, "claude-1"),
            ({"x_session_affinity": "opencode-1"}, "opencode-1"),
            ({"session_id": "codex-1"}, "codex-1"),
            ({"x_session_affinity": "", "session_id": "codex-2"}, "codex-2"),
        ]
        own = {"x_langwatch_trace_id": trace, "x_langwatch_parent_span_id": span}
        for headers, _ in said:
            sent = await here.post(
                "/v1/chat/completions", chat(), **headers, **own, traceparent=other
            )
            got = await sent.read()
            assert got.status == 200
            assert got.headers["x-langwatch-trace-id"] == trace
            assert got.headers["traceparent"].startswith(f"00-{trace}-")
        await until(lambda: len(here.settled) == len(said))
        begun = [line["payload"] for line in here.lines if line["command"] == "admitSpend"]
        assert [one["session_id"] for one in begun] == [name for _, name in said]
        assert {one["trace_id"] for one in begun} == {trace}
        assert {one["parent_span_id"] for one in begun} == {span}
        calls = [{n.lower() for n, _ in call.headers} for call in here.fake.record.calls]
        assert not any("x-langwatch-trace-id" in names for names in calls)


async def test_the_only_attempt_of_a_call_is_counted_in_the_words_of_a_chain() -> None:
    failures = {
        "reset_head": "network",  # first: on a connection used before, it would be sent once more
        "status=503": "retryable_5xx",
        "status=429": "rate_limit",
        "status=404": "not_found",
        "status=400": "non_retryable",
        "hang_head": "timeout",
    }
    async with site(settings_for(**QUICK)) as here:
        for behaviour in failures:
            script(here, behaviour)
            await (await here.post("/v1/chat/completions", chat())).read()
        await here.at_rest()
        text = await scrape(here)
    for outcome in failures.values():
        labels = {"credential_id": "prov_openai", "outcome": outcome}
        assert value(text, "gateway_provider_attempts_total", **labels) == 1, outcome
