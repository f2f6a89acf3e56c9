"""The one table from a call to the attributes of its span. Pure; ids, times and protocol are the exporter's.

Names follow OpenTelemetry's semantic conventions for generative AI. Those are still moving: with
``gen_ai_latest_experimental`` in OTEL_SEMCONV_STABILITY_OPT_IN only the newest names are written, without it
the names before them as well, so that older dashboards go on working.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SEMCONV_VERSION = "1.37.0"
SCHEMA_URL = f"https://opentelemetry.io/schemas/{SEMCONV_VERSION}"
LATEST = "gen_ai_latest_experimental"
_NANOUSD = 1_000_000_000
_OPERATIONS = {
    "chat": "chat",
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "embed_content": "embeddings",
    "generate_content": "generate_content",
    "stream_generate_content": "generate_content",
}
_PROVIDERS = {
    "azure": ("azure.ai.openai", "az.ai.openai"),
    "azure_openai": ("azure.ai.openai", "az.ai.openai"),
    "bedrock": ("aws.bedrock", "aws.bedrock"),
    "gemini": ("gcp.gemini", "gcp.gemini"),
    "vertex": ("gcp.vertex_ai", "gcp.vertex_ai"),
    "vertex_ai": ("gcp.vertex_ai", "gcp.vertex_ai"),
    "mistral": ("mistral_ai", "mistral_ai"),
    "xai": ("x_ai", "xai"),
}
"""Provider type to its name today and its name before."""
_REFUSALS = {
    "budget_exceeded": "budget_exceeded",
    "rate_limit_exceeded": "rate_limited",
    "vk_rate_limit_exceeded": "rate_limited",
    "guardrail_blocked": "blocked_by_guardrail",
    "tool_not_allowed": "blocked_by_policy",
    "url_not_allowed": "blocked_by_policy",
    "model_not_allowed": "blocked_by_policy",
}
_FAILED = frozenset({"failed", "truncated", "refused", "unsettled"})
_WON = frozenset({"success", "fallback_success"})
"""What an attempt is called that answered the call."""
_POST_VERDICTS = frozenset({"block", "modify"})
_METADATA_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_METADATA = 32
_REQUEST_FIELDS = (
    *("temperature", "top_p", "top_k", "max_tokens", "frequency_penalty", "presence_penalty"),
    *("seed", "stop_sequences"),
)
Value = str | bool | int | float | Sequence[str]


@dataclass(frozen=True, slots=True)
class SpanCall:
    """A settled ledger row with what belongs to it elsewhere. Token classes of ``row`` never overlap."""

    row: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    display_prefix: str = ""
    key_tags: Sequence[str] = ()
    content: Mapping[str, str] = field(default_factory=dict)
    """``input``, ``output`` and ``system``: captured messages as JSON texts."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    """The provider's own usage object."""

    @property
    def operation(self) -> str:
        """What the conventions call this kind of call."""
        request_type = str(self.row["request_type"])
        return _OPERATIONS.get(request_type, request_type)

    @property
    def is_error(self) -> bool:
        """The client did not get a whole answer, for a reason that was not its own leaving."""
        return self.row["outcome"] in _FAILED

    @property
    def error_type(self) -> str:
        """The condition behind an error; empty when there is none."""
        if not self.is_error:
            return ""
        return str(self.row["code"] or self.row["status"] or self.row["outcome"])


def span_name(call: SpanCall) -> str:
    """Return the span's name: operation and model."""
    model = call.row["requested_model"] or call.row["model"]
    return f"{call.operation} {model}".strip()


def attributes(call: SpanCall, opt_in: Sequence[str] = ()) -> dict[str, Value]:
    """Return the attributes of a call's span; what is not known is left out, what is zero is 0."""
    found: dict[str, Any] = {}
    for name, read in _TABLE.items():
        found[name] = read(call)
    if LATEST not in opt_in:
        found["gen_ai.system"] = _provider(call, 1)
    if not call.is_error:
        found |= _usage(call.row) | _sound(call)
    found |= _request(call.facts)
    found |= _checks(call.facts) | _guardrails(call.facts) | _fallback(call)
    found |= _metadata(call.facts)
    return {name: value for name, value in found.items() if value not in (None, "", (), [])}


def _provider(call: SpanCall, age: int) -> str:
    kind = str(call.row["provider_type"] or "")
    return _PROVIDERS.get(kind, (kind, kind))[age]


def _status(call: SpanCall) -> str:
    row = call.row
    if row["outcome"] == "completed":
        return "success_no_usage" if row["is_estimated"] else "success"
    if row["outcome"] == "refused":
        return _REFUSALS.get(str(row["code"]), "refused")
    return "provider_error" if row["outcome"] in ("failed", "truncated") else str(row["outcome"])


def _budget(call: SpanCall) -> str:
    if call.row["code"] == "budget_exceeded":
        return "blocked"
    return "soft_warn" if call.facts.get("budget_warnings") else "allowed"


def _rewritten(call: SpanCall) -> str | None:
    row = call.row
    return row["requested_model"] if row["requested_model"] != row["model"] else None


def _source(call: SpanCall) -> str | None:
    if not call.row["provider_id"]:
        return None
    return str(call.facts.get("model_source") or "implicit")


def _upstream_status(call: SpanCall) -> Any:
    """Return what the provider that was asked last answered with; None where none did."""
    attempts = call.facts.get("attempts") or ()
    if attempts:
        return attempts[-1].get("status")
    row = call.row
    if row["outcome"] == "refused" or call.facts.get("response_cache") == "hit":
        return None
    return row["status"]


def _row(name: str) -> Callable[[SpanCall], Any]:
    return lambda call: call.row.get(name)


def _fact(name: str) -> Callable[[SpanCall], Any]:
    return lambda call: call.facts.get(name)


_TABLE: Mapping[str, Callable[[SpanCall], Any]] = {
    "langwatch.origin": lambda _: "gateway",
    "langwatch.gateway_request_id": _row("call_id"),
    "langwatch.organization_id": _row("organization_id"),
    "langwatch.org_id": _row("organization_id"),
    "langwatch.team_id": _row("team_id"),
    "langwatch.project_id": _row("project_id"),
    "langwatch.virtual_key_id": _row("virtual_key_id"),
    "langwatch.vk_id": _row("virtual_key_id"),
    "langwatch.vk_display_prefix": lambda call: call.display_prefix,
    "langwatch.vk.tags": lambda call: list(call.key_tags),
    "langwatch.labels": lambda call: list(call.facts.get("tags") or call.key_tags),
    "langwatch.principal_id": _row("principal_user_id"),
    "langwatch.model": _row("model"),
    "langwatch.requested_model": _rewritten,
    "langwatch.model_source": _source,
    "langwatch.provider": _row("provider_type"),
    "langwatch.model_provider_id": _row("provider_id"),
    "langwatch.streaming": lambda call: bool(call.row["is_streamed"]),
    "langwatch.duration_ms": _row("duration_ms"),
    "langwatch.first_byte_ms": _row("first_byte_ms"),
    "langwatch.cost_usd": lambda call: int(call.row["cost_nanousd"]) / _NANOUSD,
    "langwatch.cost_nanousd": lambda call: int(call.row["cost_nanousd"]),
    "langwatch.price_source": _row("price_source"),
    "langwatch.status": _status,
    "langwatch.budget.decision": _budget,
    "langwatch.end_user_id": _fact("end_user"),
    "langwatch.reserved.request_metadata": _fact("metadata"),
    "langwatch.gateway.params_dropped": lambda call: list(call.facts.get("dropped") or ()),
    "langwatch.thread_id": _fact("thread_id"),
    "gen_ai.conversation.id": lambda call: call.facts.get("thread_id") or call.row["session_id"],
    "gen_ai.operation.name": lambda call: call.operation,
    "gen_ai.provider.name": lambda call: _provider(call, 0),
    "gen_ai.request.model": lambda call: call.row["requested_model"] or call.row["model"],
    "gen_ai.request.stream": lambda call: bool(call.row["is_streamed"]),
    "gen_ai.response.id": _fact("answer_id"),
    "gen_ai.response.model": _fact("answer_model"),
    "gen_ai.response.finish_reasons": lambda call: list(call.facts.get("finish_reasons") or ()),
    "gen_ai.system_instructions": lambda call: call.content.get("system"),
    "gen_ai.input.messages": lambda call: call.content.get("input"),
    "gen_ai.output.messages": lambda call: call.content.get("output"),
    "http.response.status_code": _row("status"),
    "langwatch.upstream.status_code": _upstream_status,
    "error.type": lambda call: call.error_type,
}


def _usage(row: Mapping[str, Any]) -> dict[str, int]:
    """Return the tokens; on an error there are none, which is not the same as zero."""
    fresh, output = int(row["input_tokens"]), int(row["output_tokens"])
    read, written = int(row["cache_read_tokens"]), int(row["cache_write_tokens"])
    written_1h = int(row["cache_write_1h_tokens"])
    usage = {
        "gen_ai.usage.input_tokens": fresh,
        "gen_ai.usage.output_tokens": output,
        "gen_ai.usage.total_tokens": fresh + output + read + written + written_1h,
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.cache_creation.input_tokens": written + written_1h,
        "langwatch.usage.input_tokens": fresh,
        "langwatch.usage.output_tokens": output,
    }
    return usage | (
        {"gen_ai.usage.cache_creation_1h.input_tokens": written_1h} if written_1h else {}
    )


def _sound(call: SpanCall) -> dict[str, Any]:
    """Return what was spoken or heard, and the tokens that a usage says were sound."""
    units, usage = call.facts.get("units") or {}, call.usage
    heard = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
    spoken = ("completion_tokens_details", "output_tokens_details", "output_token_details")
    return {
        "gen_ai.usage.input_audio_tokens": _audio(usage, *heard, "promptTokensDetails"),
        "gen_ai.usage.output_audio_tokens": _audio(usage, *spoken, "candidatesTokensDetails"),
        "gen_ai.usage.input_chars": units.get("characters"),
        "gen_ai.usage.audio_seconds": units.get("seconds"),
    }


def _audio(usage: Mapping[str, Any], *names: str) -> int | None:
    """Return the tokens that are sound; Gemini lists a count for each medium, the others name it."""
    for name in names:
        details = usage.get(name)
        if isinstance(details, list):
            named = {d.get("modality"): d.get("tokenCount") for d in details if isinstance(d, dict)}
            details = {"audio_tokens": named.get("AUDIO")}
        if isinstance(details, dict) and isinstance(details.get("audio_tokens"), int):
            return int(details["audio_tokens"])
    return None


def _request(facts: Mapping[str, Any]) -> dict[str, Any]:
    asked = facts.get("request") or {}
    return {f"gen_ai.request.{name}": asked.get(name) for name in _REQUEST_FIELDS}


def _checks(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what budgets, cache rules and policies said of the call."""
    found: dict[str, Any] = {
        "langwatch.cache.rule_id": facts.get("cache_rule_id"),
        "langwatch.cache.rule_priority": facts.get("cache_rule_priority"),
        "langwatch.cache.mode_applied": str(facts.get("cache_mode") or "respect").upper(),
        "langwatch.budget.warnings": list(facts.get("budget_warnings") or ()),
        "langwatch.budget.breached_scope": facts.get("breached_scope"),
    }
    blocked = facts.get("policy_blocked") or ()
    found["langwatch.policy.violation"] = [
        f"{block.get('dimension')}:{block.get('pattern')}" for block in blocked
    ]
    found["langwatch.policy.blocked"] = True if blocked else None
    return found


def _guardrails(facts: Mapping[str, Any]) -> dict[str, Any]:
    verdicts = facts.get("guardrails") or ()
    found: dict[str, Any] = {
        "langwatch.guardrail.verdict": [str(v.get("verdict")) for v in verdicts],
        "langwatch.guardrail.direction": [str(v.get("direction")) for v in verdicts],
    }
    passed = [v for v in verdicts if v.get("fail_open")]
    if passed:
        found["langwatch.guardrail.fail_open"] = True
        streams = [v["fail_open"] for v in passed if v.get("direction") == "stream_chunk"]
        found["langwatch.guardrail.stream_chunk_fail_open"] = streams[0] if streams else None
    if any(v["verdict"] in _POST_VERDICTS for v in verdicts if v.get("direction") != "request"):
        found["langwatch.guardrail.post_flag"] = True
    return found


def _fallback(call: SpanCall) -> dict[str, Any]:
    """Return how many providers were tried; a call whose key has but one for the model was tried there."""
    attempts = call.facts.get("attempts") or ()
    if not attempts:
        if call.row["outcome"] != "completed":
            return {}
        attempts = [{"outcome": "success", "provider_id": call.row["provider_id"]}]
    last = attempts[-1]
    found = {
        "langwatch.fallback.attempt": int(call.facts.get("fallback_count") or 0),
        "langwatch.fallback.attempts_count": len(attempts),
        "langwatch.fallback.reason": attempts[-2].get("outcome") if len(attempts) > 1 else None,
    }
    if last.get("outcome") in _WON:
        found["langwatch.fallback.winning_credential"] = last.get("provider_id")
        found["langwatch.fallback.winning_provider"] = call.row["provider_type"]
    return found


def _metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the caller gave for the span alone, a name an attribute."""
    try:
        given = json.loads(facts.get("trace_metadata") or "{}")
    except ValueError:
        return {}
    names = [name for name in given if _METADATA_NAME.fullmatch(name)][:_MAX_METADATA]
    return {f"langwatch.metadata.{name}": _plain(given[name]) for name in names}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float) else json.dumps(value)
