"""Spans and log records into activity events: which attribute counts, and what a stranger's values can't do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.activity_events import cut_payload, envelope_event_id
from rules.telemetry_events import Origin, TelemetryRecord, event_from, is_allowed

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ORIGIN = Origin("org_1", "src_1", "otel_generic", "team_1")


def record(name: str = "chat_completion", resource: Any = None, **more: Any) -> TelemetryRecord:
    attributes = more.pop("attributes", {})
    return TelemetryRecord(name, attributes, resource or {}, span_id="ab" * 8, **more)


def event(name: str = "chat_completion", **attributes: Any) -> Any:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return event_from(record(name, attributes=named), ORIGIN, NOW)


def test_the_seed_example_is_an_api_call() -> None:
    found = event(
        gen_ai__operation__name="chat_completion", **{"gen_ai.request.model": "claude-3-5-sonnet"}
    )
    assert (found.event_type, found.action, found.target) == (
        "api.call",
        "chat_completion",
        "claude-3-5-sonnet",
    )


@pytest.mark.parametrize(
    ("name", "attributes", "event_type"),
    [
        ("execute_tool search", {}, "tool.invocation"),
        ("run", {"tool.name": "search"}, "tool.invocation"),
        ("POST /v1/messages", {}, "api.call"),
        ("generate", {"llm.model": "o3"}, "api.call"),
        ("plan", {}, "agent.action"),
        ("", {}, "agent.action"),
    ],
)
def test_the_kind_follows_from_names_and_model(
    name: str, attributes: dict[str, str], event_type: str
) -> None:
    assert event_from(record(name, attributes=attributes), ORIGIN, NOW).event_type == event_type


def test_the_first_usable_attribute_wins_and_a_spans_own_beats_its_resources() -> None:
    resource = {"langwatch.user.id": "team-account", "user.email": "x@acme.test"}
    own = {"langwatch.user.id": "Ada@Acme.test", "user.id": "u7"}
    assert (
        event_from(record(resource=resource, attributes=own), ORIGIN, NOW).actor == "ada@acme.test"
    )
    assert event(user__id="u7", enduser__id="e9").actor == "u7"
    assert event(**{"user.email": "", "user.id": 7}).actor == "7"


def test_a_stated_cost_is_taken_and_a_missing_one_is_priced_by_its_tokens() -> None:
    stated = event(**{"gen_ai.usage.cost_usd": "0.001234567891", "gen_ai.usage.cost": 9})
    assert (stated.cost_nanousd, stated.cost_source, stated.is_estimated) == (
        1234568,
        "reported",
        False,
    )
    tokens = {"gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": 100}
    priced = event(**{"gen_ai.request.model": "gpt-5", "gen_ai.system": "openai"}, **tokens)
    assert priced.cost_nanousd == 1000 * 1250 + 100 * 10_000
    assert priced.is_estimated and priced.cost_source.startswith("genai-prices")
    unknown = event(**{"gen_ai.request.model": "house-model-7"}, **tokens)
    assert (unknown.cost_nanousd, unknown.cost_source) == (0, "unpriced")
    assert event().cost_source == ""


def test_cached_tokens_are_counted_once_whether_inside_or_beside_the_input() -> None:
    inside = event(input_tokens=1000, cache_read_tokens=800)
    assert (inside.fresh_input_tokens, inside.cache_read_tokens, inside.tokens_input) == (
        200,
        800,
        1000,
    )
    beside = event(input_tokens=4, cache_read_tokens=800, cache_creation_tokens=10)
    assert (beside.fresh_input_tokens, beside.tokens_input) == (4, 814)


@pytest.mark.parametrize(
    "bad", ["NaN", "-1", "1e400", "a lot", True, [], {}, None, float("inf"), 10**18]
)
def test_a_number_that_is_none_counts_as_nothing(bad: Any) -> None:
    found = event(**{"gen_ai.usage.cost_usd": bad, "input_tokens": bad, "llm.cost.usd": 0.5})
    assert (found.cost_nanousd, found.tokens_input) == (500_000_000, 0)


def test_reserved_attributes_are_replaced_by_our_stamps() -> None:
    forged = {"langwatch.ingestion_source.id": "src_9", "langwatch.governance.level": "root"}
    found = event_from(record(resource=forged, attributes=forged), ORIGIN, NOW)
    shown = orjson.loads(found.raw_payload)
    assert shown["resource"] == {}
    assert shown["attributes"] == {
        "langwatch.origin.kind": "ingestion_source",
        "langwatch.ingestion_source.id": "src_1",
        "langwatch.ingestion_source.organization_id": "org_1",
        "langwatch.ingestion_source.source_type": "otel_generic",
    }


@pytest.mark.parametrize("start_ns", [0, -1, 10**19 + 1, 2**62 * 2, 4 * 10**18])
def test_a_time_that_is_none_or_lies_in_the_future_is_the_time_of_receipt(start_ns: int) -> None:
    assert event_from(record(start_ns=start_ns), ORIGIN, NOW).event_timestamp == NOW


def test_an_old_event_keeps_its_time() -> None:
    at = NOW - timedelta(days=400)
    nanoseconds = int(at.timestamp()) * 10**9
    found = event_from(record(start_ns=nanoseconds, end_ns=nanoseconds + 5_000_000), ORIGIN, NOW)
    assert (found.event_timestamp, found.duration_ms) == (at, 5)


def test_log_records_of_one_span_are_told_apart_and_a_replay_is_the_same() -> None:
    one, two = (
        TelemetryRecord("api_request", {"n": n}, {}, span_id="ab" * 8, is_log=True) for n in (1, 2)
    )
    ids = [event_from(log, ORIGIN, NOW).event_id for log in (one, two, one)]
    assert ids[0] == ids[2] != ids[1]


def test_a_label_lets_only_its_own_records_in() -> None:
    origin = Origin("org_1", "src_1", "otel_generic", allowed_label="crew")
    assert is_allowed(record(resource={"LangWatchSourceType": "crew"}), origin)
    assert not is_allowed(record(attributes={"LangWatchSourceType": "crew"}), origin)
    assert is_allowed(record(), ORIGIN)


@given(st.text(max_size=300), st.integers(min_value=0, max_value=600))
def test_a_cut_payload_is_text_of_the_size(text: str, limit: int) -> None:
    cut = cut_payload(text, limit)
    assert len(cut.encode()) <= limit and text.startswith(cut)
    assert cut == text or len(cut.encode()) > limit - 4


@given(
    st.dictionaries(
        st.sampled_from(["user.email", "model", "input_tokens", "cost_usd", "tool.name", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    ),
    st.text(max_size=30),
)
def test_whatever_a_sender_writes_becomes_an_event(attributes: dict[str, Any], name: str) -> None:
    found = event_from(record(name, attributes=attributes), ORIGIN, NOW)
    assert 0 <= found.cost_nanousd <= 10**15 and 0 <= found.tokens_input <= 2 * 10**12


def test_an_envelopes_id_follows_from_its_inbox_row() -> None:
    assert envelope_event_id(1_700_000_000_000, 36) == "envelope-1700000000000-00000010"
