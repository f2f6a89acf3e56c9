"""From a ledger row to a span's attributes: the names, what is left out, what is zero."""

from typing import Any

from rules.span_attributes import LATEST, SpanCall, attributes, span_name

ROW: dict[str, Any] = {
    "call_id": "req_1",
    "organization_id": "org_1",
    "team_id": "team_1",
    "project_id": "prj_1",
    "virtual_key_id": "vk_1",
    "principal_user_id": None,
    "provider_id": "prv_1",
    "provider_type": "azure",
    "request_type": "chat",
    "model": "gpt-5",
    "requested_model": "fast",
    "outcome": "completed",
    "code": "",
    "status": 200,
    "is_streamed": True,
    "is_estimated": False,
    "duration_ms": 900,
    "first_byte_ms": 100,
    "cost_nanousd": 1_500_000,
    "session_id": "sess",
    "input_tokens": 10,
    "output_tokens": 7,
    "cache_read_tokens": 0,
    "cache_write_tokens": 4,
    "cache_write_1h_tokens": 2,
}


def of(
    facts: dict[str, Any] | None = None, opt_in: tuple[str, ...] = (), **row: Any
) -> dict[str, Any]:
    return attributes(SpanCall(ROW | row, facts or {}, "lw_vk_live_01ARZ3", ["ci"]), opt_in)


def test_a_completed_call_has_its_ids_its_usage_and_its_cost() -> None:
    found = of()
    assert found["langwatch.gateway_request_id"] == "req_1"
    assert (found["langwatch.project_id"], found["langwatch.virtual_key_id"]) == ("prj_1", "vk_1")
    assert found["langwatch.vk_display_prefix"] == "lw_vk_live_01ARZ3"
    assert found["langwatch.labels"] == ["ci"]
    assert found["langwatch.status"] == "success"
    assert found["langwatch.cost_usd"] == 0.0015
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.request.model"] == found["langwatch.requested_model"] == "fast"
    assert found["gen_ai.conversation.id"] == "sess"
    assert found["gen_ai.usage.input_tokens"] == 10
    assert found["gen_ai.usage.total_tokens"] == 23
    assert found["gen_ai.usage.cache_creation.input_tokens"] == 6
    assert "langwatch.principal_id" not in found, "what is not known is not said"


def test_a_bypassed_cache_is_zero_and_not_absent() -> None:
    assert of()["gen_ai.usage.cache_read.input_tokens"] == 0


def test_usage_on_an_error_is_absent_and_not_zero() -> None:
    for outcome, code, status in (
        ("failed", "provider_error", "provider_error"),
        ("refused", "budget_exceeded", "budget_exceeded"),
        ("refused", "rate_limit_exceeded", "rate_limited"),
        ("refused", "vk_rate_limit_exceeded", "rate_limited"),
        ("refused", "url_not_allowed", "blocked_by_policy"),
        ("truncated", "upstream_mid_stream_failure", "provider_error"),
    ):
        found = of(outcome=outcome, code=code, status=402)
        assert not [name for name in found if "usage" in name]
        assert found["error.type"] == code
        assert found["langwatch.status"] == status
    assert of(outcome="refused", code="budget_exceeded")["langwatch.budget.decision"] == "blocked"


def test_a_client_that_left_is_no_error() -> None:
    found = of(outcome="cancelled", code="client_gone", status=None)
    assert found["langwatch.status"] == "cancelled"
    assert "error.type" not in found
    assert found["gen_ai.usage.output_tokens"] == 7


def test_names_before_the_newest_are_there_unless_one_opts_in() -> None:
    assert of()["gen_ai.provider.name"] == "azure.ai.openai"
    assert of()["gen_ai.system"] == "az.ai.openai"
    assert "gen_ai.system" not in of(opt_in=("http", LATEST))


def test_what_the_stages_noted_is_said() -> None:
    found = of(
        {
            "attempts": [
                {"provider_id": "prv_1", "outcome": "timeout", "status": None},
                {"provider_id": "prv_2", "outcome": "fallback_success", "status": 200},
            ],
            "policy_blocked": [{"dimension": "tools", "pattern": "rm.*", "value": "rm_rf"}],
            "guardrails": [{"id": "g", "direction": "request", "verdict": "allow"}],
            "cache_mode": "force",
            "cache_rule_id": "cr_1",
            "end_user": "u-7",
            "thread_id": "t-1",
            "request": {"temperature": 0, "max_tokens": 5, "unknown": "x"},
            "answer_id": "chatcmpl-1",
        }
    )
    assert found["langwatch.fallback.attempts_count"] == 2
    assert found["langwatch.fallback.reason"] == "timeout"
    assert found["langwatch.fallback.winning_credential"] == "prv_2"
    assert found["langwatch.policy.violation"] == ["tools:rm.*"]
    assert found["langwatch.guardrail.verdict"] == ["allow"]
    assert found["langwatch.cache.mode_applied"] == "FORCE"
    assert found["langwatch.end_user_id"] == "u-7"
    assert found["gen_ai.conversation.id"] == found["langwatch.thread_id"] == "t-1"
    assert found["gen_ai.request.temperature"] == 0
    assert found["gen_ai.response.id"] == "chatcmpl-1"
    assert "gen_ai.request.unknown" not in found


def test_sound_is_counted_in_tokens_as_each_vendor_tells_it() -> None:
    heard = {"prompt_tokens_details": {"audio_tokens": 5}}
    spoken = {"completion_tokens_details": {"audio_tokens": 9}}
    gemini = {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}]}
    name = "gen_ai.usage.%sput_audio_tokens"
    for usage, told in (
        (heard, {name % "in": 5}),
        (heard | spoken, {name % "in": 5, name % "out": 9}),
        ({"input_token_details": {"audio_tokens": 0}}, {name % "in": 0}),
        (gemini, {name % "in": 5}),
        ({}, {}),
    ):
        found = attributes(SpanCall(ROW, usage=usage))
        assert {n: v for n, v in found.items() if "audio" in n} == told


def test_content_is_there_only_where_it_was_captured() -> None:
    assert not [name for name in of() if "messages" in name or "instructions" in name]
    call = SpanCall(ROW, {}, content={"input": "[]", "output": '[{"role":"assistant"}]'})
    assert attributes(call)["gen_ai.output.messages"] == '[{"role":"assistant"}]'


def test_a_span_is_named_by_operation_and_model() -> None:
    assert span_name(SpanCall(ROW)) == "chat fast"
    assert span_name(SpanCall(ROW | {"request_type": "moderations"})) == "moderations fast"
