"""Turns one span or log record of an ingestion source into an activity event. Pure: decoding it is ``core.otlp``.

Which attribute counts is a list of names, the first that holds a usable value wins; a record's own attributes go
before those of its resource.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import orjson

from rules.activity_events import (
    AGENT_ACTION,
    API_CALL,
    COST_REPORTED,
    COST_UNPRICED,
    TOOL_INVOCATION,
    ActivityEvent,
    cut_payload,
)
from rules.catalogue import price_of
from rules.pricing import NANOUSD_PER_USD, cost_nanousd
from rules.usage import Usage

RESERVED_PREFIXES = ("langwatch.origin.", "langwatch.ingestion_source.", "langwatch.governance.")
"""What a caller sends under these is dropped; the receiver's own stamps stand there."""
SOURCE_TYPE_LABEL = "LangWatchSourceType"
_ACTOR = ("langwatch.user.id", "user.email", "user.id", "enduser.id")
_ACTION = "gen_ai.operation.name"
_MODEL = ("gen_ai.request.model", "gen_ai.response.model", "llm.model", "model")
_TARGET = (*_MODEL, "tool.name")
_COST = (
    "gen_ai.usage.cost_usd",
    "gen_ai.usage.cost",
    "llm.cost.usd",
    "langwatch.cost.usd",
    "cost_usd",
)
_TOKENS_IN = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "input_tokens",
)
_TOKENS_OUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "output_tokens",
)
_CACHE_READ = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "cache_read_tokens",
)
_CACHE_WRITE = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "cache_creation_tokens",
)
_SESSION = ("session.id", "gen_ai.conversation.id")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_TEXT_CHARACTERS = 500
# Beyond these a number is a mistake of the sender, and would overflow a sum.
_MOST_TOKENS = 10**12
_MOST_USD = Decimal(10**6)
_CLOCK_SKEW = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TelemetryRecord:
    """A span or a log record as it was sent. Ids are lower hex, empty when absent; times are ns, 0 when absent."""

    name: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    start_ns: int = 0
    end_ns: int = 0
    is_error: bool = False
    is_log: bool = False
    body: Any = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The source a record came through, which is stamped on it."""

    organization_id: str
    source_id: str
    source_type: str
    team_id: str | None = None
    allowed_label: str = ""
    """When set, only records whose resource carries it as ``LangWatchSourceType`` are taken."""


def is_allowed(record: TelemetryRecord, origin: Origin) -> bool:
    """Say whether the source takes this record."""
    return (
        not origin.allowed_label or record.resource.get(SOURCE_TYPE_LABEL) == origin.allowed_label
    )


def event_from(record: TelemetryRecord, origin: Origin, received_at: datetime) -> ActivityEvent:
    """Return the event. What can't be made out stays empty or zero; the event is kept all the same."""
    own = _without_reserved(record.attributes)
    merged = _without_reserved(record.resource) | own
    payload = _payload(record, own, origin)
    action = _text(merged, (_ACTION,)) or record.name[:_TEXT_CHARACTERS]
    model = _text(merged, _MODEL)
    usage, tokens_input = _usage(merged)
    moment = _moment(record.start_ns, received_at)
    cost, cost_source = _cost(merged, usage, model, moment)
    return ActivityEvent(
        event_id=_event_id(record, payload),
        organization_id=origin.organization_id,
        source_type=origin.source_type,
        source_id=origin.source_id,
        event_type=_event_type(f"{record.name} {action}", merged, model),
        event_timestamp=moment,
        ingested_at=received_at,
        actor=_actor(merged),
        action=action,
        target=_text(merged, _TARGET),
        cost_nanousd=cost,
        cost_source=cost_source,
        is_estimated=cost_source not in ("", COST_REPORTED),
        tokens_input=tokens_input,
        tokens_output=usage.output_tokens,
        fresh_input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        model=model,
        provider_type=_text(merged, _PROVIDER),
        outcome="failed" if record.is_error else "completed",
        team_id=origin.team_id,
        duration_ms=_duration_ms(record),
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id,
        session_id=_text(merged, _SESSION),
        raw_payload=cut_payload(payload),
    )


def _without_reserved(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in attributes.items() if not k.startswith(RESERVED_PREFIXES)}


def _payload(record: TelemetryRecord, own: Mapping[str, Any], origin: Origin) -> str:
    stamps = {
        "langwatch.origin.kind": "ingestion_source",
        "langwatch.ingestion_source.id": origin.source_id,
        "langwatch.ingestion_source.organization_id": origin.organization_id,
        "langwatch.ingestion_source.source_type": origin.source_type,
    }
    shown = {
        "name": record.name,
        "traceId": record.trace_id,
        "spanId": record.span_id,
        "parentSpanId": record.parent_span_id,
        "startTimeUnixNano": str(record.start_ns),
        "endTimeUnixNano": str(record.end_ns),
        "attributes": dict(own) | stamps,
        "resource": _without_reserved(record.resource),
    }
    if record.is_log:
        shown["body"] = record.body
    return orjson.dumps(shown, default=str).decode()


def _event_id(record: TelemetryRecord, payload: str) -> str:
    """A span has an id of its own; several log records share one, so theirs follows from what they say."""
    if record.span_id and not record.is_log:
        return record.span_id
    return f"log-{hashlib.sha256(payload.encode()).hexdigest()[:32]}"


def _event_type(names: str, merged: Mapping[str, Any], model: str) -> str:
    lowered = names.lower()
    if "tool" in lowered or merged.get("tool.name") or merged.get("gen_ai.tool.name"):
        return TOOL_INVOCATION
    if model or any(word in lowered for word in ("chat", "messages", "completion")):
        return API_CALL
    return AGENT_ACTION


def _actor(merged: Mapping[str, Any]) -> str:
    actor = _text(merged, _ACTOR)
    # The gateway knows people by their lower-case address; one person must not become two.
    return actor.lower() if "@" in actor else actor


def _text(merged: Mapping[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = merged.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()[:_TEXT_CHARACTERS]
    return ""


def _count(merged: Mapping[str, Any], names: Sequence[str]) -> int:
    for name in names:
        number = _number(merged.get(name))
        if number is not None and 0 <= number <= _MOST_TOKENS:
            return int(number)
    return 0


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _usage(merged: Mapping[str, Any]) -> tuple[Usage, int]:
    """Return the token classes and all tokens read. Some senders count cached tokens as input, some beside it:
    what is more than the input can't be part of it."""
    stated = _count(merged, _TOKENS_IN)
    read, written = _count(merged, _CACHE_READ), _count(merged, _CACHE_WRITE)
    fresh = stated - read - written if read + written <= stated else stated
    usage = Usage(fresh, _count(merged, _TOKENS_OUT), read, written)
    return usage, usage.prompt_tokens


def _cost(merged: Mapping[str, Any], usage: Usage, model: str, moment: datetime) -> tuple[int, str]:
    for name in _COST:
        usd = _number(merged.get(name))
        if usd is not None and 0 <= usd <= _MOST_USD:
            return int((usd * NANOUSD_PER_USD).to_integral_value(ROUND_HALF_EVEN)), COST_REPORTED
    if usage == Usage():
        return 0, ""
    price = price_of(_text(merged, _PROVIDER).lower(), model, moment) if model else None
    if price is None or not price.is_known:
        return 0, COST_UNPRICED
    return cost_nanousd(usage, price), price.source


def _moment(nanoseconds: int, received_at: datetime) -> datetime:
    """Return the record's own time; the time of receipt when it has none or lies in the future."""
    if nanoseconds <= 0 or nanoseconds > 10**19:
        return received_at
    try:
        moment = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return received_at
    return received_at if moment > received_at + _CLOCK_SKEW else moment


def _duration_ms(record: TelemetryRecord) -> int | None:
    if not 0 < record.start_ns <= record.end_ns:
        return None
    return min((record.end_ns - record.start_ns) // 1_000_000, 2**31)
