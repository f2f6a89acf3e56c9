"""Turns settled calls into OTLP spans, as protobuf. Pure; what a span says is decided in ``rules.span_attributes``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from rules.span_attributes import SCHEMA_URL, SpanCall, Value, attributes, span_name

SCOPE_NAME = "langwatch.gateway"
_RESOURCE = {"service.name": "langwatch-gateway", "langwatch.origin": "gateway"}
_SPAN_ID_BYTES, _TRACE_ID_BYTES = 8, 16


def request_of(calls: Iterable[SpanCall], opt_in: Sequence[str] = ()) -> ExportTraceServiceRequest:
    """Return one export request with a span a call. A call without a trace of its own is left out."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(_pairs(_RESOURCE))
    scope = group.scope_spans.add()
    scope.scope.name = SCOPE_NAME
    scope.schema_url = SCHEMA_URL
    for call in calls:
        span = span_of(call, opt_in)
        if span is not None:
            scope.spans.append(span)
    return request


def facts_of(row: Mapping[str, Any], column: str = "facts") -> Mapping[str, Any]:
    """Return a ledger row's facts, or its usage, which it holds as a text."""
    facts = row.get(column)
    found = orjson.loads(facts) if isinstance(facts, str) else facts
    return found if isinstance(found, dict) else {}


def span_of(call: SpanCall, opt_in: Sequence[str] = ()) -> Span | None:
    """Return the span of a call, or None when its ids are not those of a span."""
    row = call.row
    trace_id, span_id = _id(row["trace_id"], _TRACE_ID_BYTES), _id(row["span_id"], _SPAN_ID_BYTES)
    if trace_id is None or span_id is None:
        return None
    settled_us = row["settled_at"] or row["admitted_at"]
    # A refused call was never admitted, so its beginning is counted back from its end.
    begun_us = settled_us - (row["duration_ms"] or 0) * 1000
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=_id(row["parent_span_id"], _SPAN_ID_BYTES) or b"",
        name=span_name(call),
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=begun_us * 1000,
        end_time_unix_nano=settled_us * 1000,
        attributes=_pairs(attributes(call, opt_in)),
    )
    if call.is_error:
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = call.error_type
    for name, facts in _events(call.facts):
        span.events.add(name=name, time_unix_nano=settled_us * 1000, attributes=_pairs(facts))
    return span


def _events(facts: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Value]]]:
    for attempt in facts.get("attempts") or ():
        yield "langwatch.provider_attempt", _plain(attempt)
    for name in ("policy_blocked", "policy_shadow"):
        for block in facts.get(name) or ():
            yield f"langwatch.{name}", _plain(block)
    for verdict in facts.get("guardrails") or ():
        yield "langwatch.guardrail", _plain(verdict)


def _plain(fact: Mapping[str, Any]) -> dict[str, Value]:
    return {
        f"langwatch.{name}": value
        for name, value in fact.items()
        if isinstance(value, str | bool | int | float)
    }


def _pairs(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in values.items()]


def _value(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(array_value=ArrayValue(values=[_value(entry) for entry in value]))


def _id(text: Any, size_bytes: int) -> bytes | None:
    try:
        found = bytes.fromhex(str(text or ""))
    except ValueError:
        return None
    return found if len(found) == size_bytes and any(found) else None
