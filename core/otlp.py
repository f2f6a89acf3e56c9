"""Decodes OTLP/HTTP bodies, JSON or protobuf, into records. Says nothing about what a record means."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from rules.telemetry_events import TelemetryRecord

TRACES = "otlp_traces"
LOGS = "otlp_logs"
_DEEPEST_VALUE = 32
_STATUS_ERROR = 2
_SEVERITY_ERROR = 17
_NO_ID = frozenset("0")


class Undecodable(ValueError):
    """The body is neither OTLP JSON nor OTLP protobuf."""


def records(signal: str, body: bytes, content_type: str) -> list[TelemetryRecord]:
    """Return every span or log record of a body. ``signal`` is TRACES or LOGS.

    The content type says which encoding is tried first; the other is tried too, because senders
    mislabel. Raises Undecodable.
    """
    readers = [_from_json, _from_protobuf]
    if "json" not in content_type.lower():
        readers.reverse()
    for read in readers:
        try:
            return read(signal, body)
        except Undecodable:
            continue
    raise Undecodable(f"the body is not an {signal} payload")


def _from_json(signal: str, body: bytes) -> list[TelemetryRecord]:
    try:
        document = orjson.loads(body)
        if not isinstance(document, dict):
            raise Undecodable("the body is not a JSON object")
        groups = _list(document, "resourceSpans" if signal == TRACES else "resourceLogs")
        return list(_walk(signal, groups))
    except (orjson.JSONDecodeError, TypeError, AttributeError, RecursionError) as error:
        raise Undecodable(f"not OTLP JSON: {type(error).__name__}") from None


def _walk(signal: str, groups: Sequence[Any]) -> Iterator[TelemetryRecord]:
    scopes, items = ("scopeSpans", "spans") if signal == TRACES else ("scopeLogs", "logRecords")
    for group in groups:
        resource = _attributes(_get(group, "resource") or {})
        for scope in _list(group, scopes):
            for item in _list(scope, items):
                yield _span(item, resource) if signal == TRACES else _log(item, resource)


def _span(item: Mapping[str, Any], resource: Mapping[str, Any]) -> TelemetryRecord:
    status = _get(item, "status") or {}
    code = _get(status, "code")
    return TelemetryRecord(
        name=str(_get(item, "name") or ""),
        attributes=_attributes(item),
        resource=resource,
        trace_id=_hex(_get(item, "traceId"), 16),
        span_id=_hex(_get(item, "spanId"), 8),
        parent_span_id=_hex(_get(item, "parentSpanId"), 8),
        start_ns=_whole(_get(item, "startTimeUnixNano")),
        end_ns=_whole(_get(item, "endTimeUnixNano")),
        is_error=code in (_STATUS_ERROR, "STATUS_CODE_ERROR"),
    )


def _log(item: Mapping[str, Any], resource: Mapping[str, Any]) -> TelemetryRecord:
    attributes = _attributes(item)
    body = _value(_get(item, "body"), 0)
    moment = _whole(_get(item, "timeUnixNano")) or _whole(_get(item, "observedTimeUnixNano"))
    name = _get(item, "eventName") or attributes.get("event.name")
    return TelemetryRecord(
        name=str(name or (body if isinstance(body, str) else ""))[:200],
        attributes=attributes,
        resource=resource,
        trace_id=_hex(_get(item, "traceId"), 16),
        span_id=_hex(_get(item, "spanId"), 8),
        start_ns=moment,
        is_error=_whole(_get(item, "severityNumber")) >= _SEVERITY_ERROR,
        is_log=True,
        body=body,
    )


def _get(item: Mapping[str, Any], name: str) -> Any:
    """Return a field by its camel-case name; senders also write it in snake case."""
    found = item.get(name)
    if found is None:
        found = item.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name))
    return found


def _list(item: Mapping[str, Any], name: str) -> list[Any]:
    found = _get(item, name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Undecodable(f"{name} is not a list")
    return found


def _attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(pair["key"]): _value(pair.get("value"), 0)
        for pair in _list(item, "attributes")
        if isinstance(pair, dict) and "key" in pair
    }


def _value(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > _DEEPEST_VALUE:
        return None
    for kind in ("stringValue", "boolValue", "doubleValue"):
        found = _get(value, kind)
        if found is not None:
            return found
    whole = _get(value, "intValue")
    if whole is not None:
        return _whole(whole)
    array = _get(value, "arrayValue")
    if array is not None:
        return [_value(entry, depth + 1) for entry in _list(array, "values")]
    pairs = _get(value, "kvlistValue")
    if pairs is not None:
        return {
            str(pair.get("key")): _value(pair.get("value"), depth + 1)
            for pair in _list(pairs, "values")
        }
    return _get(value, "bytesValue")


def _whole(value: Any) -> int:
    """Return a 64-bit number; OTLP JSON writes those as text. What is none, or larger, counts as 0."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if abs(number) < 2**63 else 0


def _hex(value: Any, size_bytes: int) -> str:
    """Return an id in lower hex; OTLP JSON has hex, protobuf's own JSON mapping base64."""
    if not isinstance(value, str) or not value:
        return ""
    text = value.lower()
    if len(text) == 2 * size_bytes and all(c in "0123456789abcdef" for c in text):
        return "" if set(text) == _NO_ID else text
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error:
        return ""
    return decoded.hex() if len(decoded) == size_bytes and any(decoded) else ""


def _from_protobuf(signal: str, body: bytes) -> list[TelemetryRecord]:
    try:
        if signal == TRACES:
            return list(_proto_spans(ExportTraceServiceRequest.FromString(body)))
        return list(_proto_logs(ExportLogsServiceRequest.FromString(body)))
    except (DecodeError, RecursionError) as error:
        raise Undecodable(f"not OTLP protobuf: {type(error).__name__}") from None


def _proto_spans(request: ExportTraceServiceRequest) -> Iterator[TelemetryRecord]:
    for group in request.resource_spans:
        resource = _proto_attributes(group.resource.attributes)
        for span in (span for scope in group.scope_spans for span in scope.spans):
            yield TelemetryRecord(
                name=span.name,
                attributes=_proto_attributes(span.attributes),
                resource=resource,
                trace_id=_proto_id(span.trace_id),
                span_id=_proto_id(span.span_id),
                parent_span_id=_proto_id(span.parent_span_id),
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                is_error=span.status.code == _STATUS_ERROR,
            )


def _proto_logs(request: ExportLogsServiceRequest) -> Iterator[TelemetryRecord]:
    for group in request.resource_logs:
        resource = _proto_attributes(group.resource.attributes)
        for log in (log for scope in group.scope_logs for log in scope.log_records):
            attributes = _proto_attributes(log.attributes)
            body = _proto_value(log.body, 0)
            name = log.event_name or attributes.get("event.name")
            yield TelemetryRecord(
                name=str(name or (body if isinstance(body, str) else ""))[:200],
                attributes=attributes,
                resource=resource,
                trace_id=_proto_id(log.trace_id),
                span_id=_proto_id(log.span_id),
                start_ns=log.time_unix_nano or log.observed_time_unix_nano,
                is_error=log.severity_number >= _SEVERITY_ERROR,
                is_log=True,
                body=body,
            )


def _proto_id(value: bytes) -> str:
    return value.hex() if any(value) else ""


def _proto_attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _proto_value(pair.value, 0) for pair in pairs}


def _proto_value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth > _DEEPEST_VALUE:
        return None
    if kind == "array_value":
        return [_proto_value(entry, depth + 1) for entry in value.array_value.values]
    if kind == "kvlist_value":
        return {p.key: _proto_value(p.value, depth + 1) for p in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)
