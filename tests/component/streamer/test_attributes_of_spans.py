"""Every attribute that a span is promised, told by calls through a socket to a real OTLP endpoint, one by one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from core.authoring import trace_destinations, virtual_keys
from core.authoring.trace_destinations import NewTraceDestination
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.models import bookkeeping, inbox
from core.secrets import sealer_for
from core.settings import Settings, load
from proxy.bundle import GuardrailBinding
from streamer.exporters.queueing import enqueue
from streamer.exporters.sending import Exporter, export_due
from tests.component.core.authoring.acme import PEPPER, Acme, acme
from tests.component.proxy.pipeline.chains import account, script
from tests.component.proxy.pipeline.site import Site, binding, chat, lent, message, site
from tests.component.proxy.pipeline.test_dialects import FORM, form
from tests.component.proxy.pipeline.test_guardrails import SIGNING
from tests.component.proxy.pipeline.test_guardrails import row as guardrail
from tests.component.streamer.otlp_peer import OtlpPeer, facts, otlp_peer

pytestmark = pytest.mark.trio
TRACE, PARENT = "ab" * 16, "cd" * 8
SAID = {
    "traceparent": f"00-{TRACE}-{PARENT}-01",
    "x_langwatch_end_user_id": "u-7",
    "x_langwatch_thread_id": "t-1",
    "x_langwatch_metadata": '{"order":7}',
    "x_langwatch_trace_metadata": '{"feature":"search","depth":2,"odd name!":1,"more":{"a":[1]}}',
    "x_langwatch_cache": "force",
}
SAMPLING = {
    "temperature": 0,
    "top_p": 0.5,
    "max_tokens": 60,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "stop": ["END"],
}
RULE = {"id": "cr_1", "priority": 70, "mode": "force", "matchers": {"model": "gpt-*"}}
FAR = "http://127.0.0.1:9/judge"


@pytest.fixture
def settings(tmp_path: Path, sqlite_db: str) -> Settings:
    names = {
        "LANGWATCH_DATA_DIR": str(tmp_path / "var"),
        "DATABASE_URL": sqlite_db,
        "LANGWATCH_MASTER_KEY": "m" * 40,
    }
    return load(names)


@pytest.fixture
def peer() -> Iterator[OtlpPeer]:
    with otlp_peer() as running:
        yield running


@pytest.fixture
def exporter(settings: Settings) -> Exporter:
    sealer = sealer_for(settings.master_key)
    return Exporter(sealer, settings, trio.Event(), utcnow, 3.0)  # type: ignore[arg-type]


def key_of(org: Acme, here: Site) -> None:
    """Let the gateway's one key be one of the database, with tags, and everything that leaves a mark on a span."""
    new = NewVirtualKey("dev-cli", org.project.id, (org.openai.id,), org.ada.id, tags=("cli", "eu"))
    made, _ = virtual_keys.create(org.actor, new, PEPPER, utcnow())
    bundle = here.keyring.bundle
    bundle.vk_id, bundle.tags = made.id, ("cli", "eu")
    bundle.organization_id, bundle.project_id = org.organization.id, org.project.id
    bundle.team_id, bundle.principal_id = org.team.id, org.ada.id
    bundle.is_traced, bundle.capture, bundle.keeps_content = True, "raw", True
    bundle.config = {"model_aliases": {"fast": "gpt-4o-mini"}}
    bundle.cache_rules = (RULE,)


def equipped(here: Site, **changes: Any) -> None:
    """Change what the key's calls are checked against."""
    for name, value in changes.items():
        setattr(here.keyring.bundle, name, value)
    here.gateway.plans.__init__()  # type: ignore[misc]


async def called(here: Site, path: str, body: Any, **headers: str) -> str:
    got = await (await here.post(path, body, **headers)).read()
    return got.headers["x-langwatch-request-id"]


async def all_calls(here: Site) -> dict[str, str]:
    """Make one call of each kind; return their request ids."""
    ids: dict[str, str] = {}
    paths = {"chat": "/v1/chat/completions", "speech": "/v1/audio/speech"}
    limit = here.limit
    limit.current.settled = limit.terms.amount * 85 // 100
    script(here, "prompt=40,completion=9,cached=12")
    asked = {**SAMPLING, "stream": True, "stream_options": {"include_usage": True}}
    headers = {**SAID, "x_langwatch_cache": ""}
    ids["plain"] = await called(here, paths["chat"], chat("fast", **asked), **headers)
    ids["bare"] = await called(here, paths["chat"], chat("gpt-4o", user="eve"))
    script(here, "prompt=40,completion=9,cached=12,cache_write=8,cache_write_1h=3")
    ids["claude"] = await called(
        here, "/v1/messages", message(system="Be brief."), x_claude_code_session_id="s-1"
    )
    script(here, "status=503")
    ids["fallback"] = await called(here, paths["chat"], chat("openai/gpt-4o-mini"))
    script(here, "status=500", "status=500", "status=500")
    ids["failed"] = await called(here, paths["chat"], chat())
    script(here, "no_usage")
    ids["untold"] = await called(here, paths["chat"], chat(stream=True))
    said = {"model": "tts-1", "input": "Hello there", "voice": "alloy"}
    ids["speech"] = await called(here, paths["speech"], said)
    heard = form("whisper-1")
    ids["whisper"] = await called(here, "/v1/audio/transcriptions", heard, **FORM)
    rules = {"rules": {"tools": {"deny": ["^bash$"]}}, "id": "p_1", "name": "no shells"}
    equipped(here, policies=(rules,))
    tools = [{"type": "function", "function": {"name": "bash", "parameters": {}}}]
    ids["denied"] = await called(here, paths["chat"], chat(tools=tools))
    words = guardrail("keywords", "redact", "stream_chunk", settings={"keywords": ["a"]})
    away = guardrail(
        "evaluator",
        id="guardrail_2",
        settings={"url": FAR, "timeout_ms": 500},
        on_failure="fail_open",
    )
    equipped(here, guardrails=(GuardrailBinding(words), GuardrailBinding(away, SIGNING)))
    ids["judged"] = await called(here, paths["chat"], chat(stream=True))
    limit.current.settled = limit.terms.amount
    lent(limit, 0)
    ids["spent"] = await called(here, paths["chat"], chat())
    return ids


async def spans(
    peer: OtlpPeer, exporter: Exporter, settings: Settings
) -> tuple[dict[str, dict[str, Any]], Acme]:
    """Make the calls and export them; return each span's attributes by the kind of its call."""
    org = acme(sealer=exporter.sealer)
    new = NewTraceDestination(
        "all", "organization", org.organization.id, peer.url, is_operator_address=True
    )
    trace_destinations.create(org.actor, new, exporter.sealer, utcnow())

    def providers(port: int) -> list[Any]:
        own = [account("openai", port, name) for name in ("one", "two")]
        return [*own, binding("anthropic", port)]

    async with site(providers=providers) as here:
        key_of(org, here)
        ids = await all_calls(here)
        await here.at_rest()
        await here.gateway.captures.flush(here.gateway.spool)
        lines = here.lines
    booked = bookkeeping.record(lines, utcnow())
    assert booked.rejected == ()
    enqueue(inbox.next_rows(0))
    export_due(exporter, utcnow())
    found = {str(f["langwatch.gateway_request_id"]): f for f in map(facts, peer.spans)}
    assert {span.trace_id.hex() for span in peer.spans} >= {TRACE}
    return {kind: found[call_id] for kind, call_id in ids.items()}, org


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def is_count(value: Any) -> bool:
    return type(value) is int and value > 0


Expected = tuple[str, Any]
"""The kind of the call that tells it, and the value, or what must hold of it."""


def contract(org: Acme) -> dict[str, Expected]:
    """The attributes of the contract, each with a call that has it."""
    usage = "gen_ai.usage"
    return {
        "langwatch.origin": ("plain", "gateway"),
        "langwatch.virtual_key_id": ("plain", is_text),
        "langwatch.vk_id": ("plain", is_text),
        "langwatch.vk_display_prefix": ("plain", lambda v: v.startswith("lw_vk_live_")),
        "langwatch.project_id": ("plain", org.project.id),
        "langwatch.team_id": ("plain", org.team.id),
        "langwatch.org_id": ("plain", org.organization.id),
        "langwatch.organization_id": ("plain", org.organization.id),
        "langwatch.principal_id": ("plain", org.ada.id),
        "langwatch.gateway_request_id": ("plain", lambda v: v.startswith("req_")),
        "langwatch.model": ("plain", "gpt-4o-mini"),
        "langwatch.provider": ("claude", "anthropic"),
        "langwatch.model_source": ("plain", "alias"),
        "langwatch.model_provider_id": ("plain", "prov_one"),
        "langwatch.requested_model": ("plain", "fast"),
        "langwatch.streaming": ("plain", True),
        "langwatch.duration_ms": ("plain", lambda v: type(v) is int),
        "langwatch.cost_usd": ("claude", lambda v: v > 0),
        "langwatch.status": ("plain", "success"),
        "langwatch.budget.decision": ("plain", "soft_warn"),
        "langwatch.budget.warnings": ("plain", ["project:85"]),
        "langwatch.budget.breached_scope": ("spent", "project:month"),
        "langwatch.guardrail.verdict": ("judged", lambda v: set(v) == {"modify", "error"}),
        "langwatch.guardrail.fail_open": ("judged", True),
        "langwatch.guardrail.direction": ("judged", lambda v: "stream_chunk" in v),
        "langwatch.guardrail.stream_chunk_fail_open": ("judged", is_text),
        "langwatch.guardrail.post_flag": ("judged", True),
        "langwatch.policy.violation": ("denied", ["tools:^bash$"]),
        "langwatch.policy.blocked": ("denied", True),
        "langwatch.cache.rule_id": ("plain", "cr_1"),
        "langwatch.cache.rule_priority": ("plain", 70),
        "langwatch.cache.mode_applied": ("plain", "FORCE"),
        "langwatch.fallback.attempt": ("fallback", 1),
        "langwatch.fallback.reason": ("fallback", "retryable_5xx"),
        "langwatch.fallback.attempts_count": ("fallback", 2),
        "langwatch.fallback.winning_provider": ("fallback", "openai"),
        "langwatch.fallback.winning_credential": ("fallback", "prov_two"),
        "langwatch.thread_id": ("plain", "t-1"),
        "gen_ai.conversation.id": ("claude", "s-1"),
        "langwatch.vk.tags": ("plain", ["cli", "eu"]),
        "langwatch.labels": ("plain", ["cli", "eu"]),
        "langwatch.end_user_id": ("plain", "u-7"),
        "langwatch.reserved.request_metadata": ("plain", '{"order":7}'),
        "langwatch.upstream.status_code": ("failed", 500),
        "http.response.status_code": ("spent", 402),
        "error.type": ("denied", "tool_not_allowed"),
        "gen_ai.operation.name": ("plain", "chat"),
        "gen_ai.system": ("plain", "openai"),
        "gen_ai.provider.name": ("plain", "openai"),
        "gen_ai.request.model": ("plain", "fast"),
        "gen_ai.request.temperature": ("plain", 0),
        "gen_ai.request.top_p": ("plain", 0.5),
        "gen_ai.request.max_tokens": ("plain", 60),
        "gen_ai.request.stream": ("plain", True),
        "gen_ai.request.frequency_penalty": ("plain", 0.1),
        "gen_ai.request.presence_penalty": ("plain", 0.2),
        "gen_ai.request.stop_sequences": ("plain", ["END"]),
        "gen_ai.response.id": ("plain", is_text),
        "gen_ai.response.model": ("plain", is_text),
        "gen_ai.response.finish_reasons": ("plain", ["stop"]),
        f"{usage}.input_tokens": ("plain", 28),
        f"{usage}.output_tokens": ("plain", 9),
        f"{usage}.total_tokens": ("plain", 49),
        f"{usage}.cache_read.input_tokens": ("plain", 12),
        f"{usage}.cache_creation.input_tokens": ("claude", 8),
        f"{usage}.cache_creation_1h.input_tokens": ("claude", 3),
        f"{usage}.input_chars": ("speech", len("Hello there")),
        f"{usage}.audio_seconds": ("whisper", is_count),
        "langwatch.usage.input_tokens": ("plain", 28),
        "langwatch.usage.output_tokens": ("plain", 9),
        "gen_ai.input.messages": ("plain", lambda v: "hello" in v),
        "gen_ai.output.messages": ("plain", lambda v: "assistant" in v),
        "gen_ai.system_instructions": ("claude", lambda v: "Be brief." in v),
        # By which prices the cost was worked out.
        "langwatch.price_source": ("plain", lambda v: v.startswith("genai-prices ")),
        # What a caller gave for the span alone.
        "langwatch.metadata.feature": ("plain", "search"),
        "langwatch.metadata.depth": ("plain", 2),
        "langwatch.metadata.more": ("plain", '{"a": [1]}'),
    }


def is_as_told(value: Any, expected: Any) -> bool:
    if isinstance(expected, Callable):  # type: ignore[arg-type]
        return value is not None and bool(expected(value))
    return bool(value == expected) and type(value) is type(expected)


async def test_every_attribute_of_the_contract_is_on_the_span_of_a_call_that_has_it(
    peer: OtlpPeer, exporter: Exporter, settings: Settings
) -> None:
    told, org = await spans(peer, exporter, settings)
    wrong = {
        name: (kind, told[kind].get(name))
        for name, (kind, expected) in contract(org).items()
        if not is_as_told(told[kind].get(name), expected)
    }
    assert wrong == {}
    assert "langwatch.metadata.odd name!" not in told["plain"]
    assert {kind: found["langwatch.status"] for kind, found in told.items()} == {
        "plain": "success",
        "bare": "success",
        "claude": "success",
        "fallback": "success",
        "failed": "provider_error",
        "untold": "success_no_usage",
        "speech": "success",
        "whisper": "success",
        "denied": "blocked_by_policy",
        "judged": "success",
        "spent": "budget_exceeded",
    }
    bare = told["bare"]
    assert bare["langwatch.end_user_id"] == "eve", "the body's own user, where no header names one"
    assert bare["langwatch.model_source"] == "implicit"
    assert (bare["langwatch.fallback.attempt"], bare["langwatch.cache.mode_applied"]) == (
        0,
        "FORCE",
    )
    assert told["fallback"]["langwatch.model_source"] == "explicit_slash"
    assert told["claude"]["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert "langwatch.fallback.winning_provider" not in told["failed"]
    for kind in ("failed", "denied", "spent"):
        assert not [name for name in told[kind] if ".usage." in name], kind
