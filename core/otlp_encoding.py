"""Writes records as OTLP JSON, for payloads that are stored cleaned. Holds what ``core.otlp`` reads, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import orjson

from core.otlp import TRACES
from rules.telemetry_events import TelemetryRecord

JSON_TYPE = "application/json"
_STATUS_ERROR = 2
_SEVERITY_ERROR = 17


def encoded(signal: str, records: Sequence[TelemetryRecord]) -> bytes:
    """Return a body from which ``core.otlp.records`` reads the same records again."""
    groups, scopes, items, write = (
        ("resourceSpans", "scopeSpans", "spans", _span)
        if signal == TRACES
        else ("resourceLogs", "scopeLogs", "logRecords", _log)
    )
    told = [
        {
            "resource": {"attributes": _pairs(resource)},
            scopes: [{items: [write(record) for record in group]}],
        }
        for resource, group in groupby(records, key=lambda record: record.resource)
    ]
    return orjson.dumps({groups: told})


def _span(record: TelemetryRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "traceId": record.trace_id,
        "spanId": record.span_id,
        "parentSpanId": record.parent_span_id,
        "startTimeUnixNano": str(record.start_ns),
        "endTimeUnixNano": str(record.end_ns),
        "attributes": _pairs(record.attributes),
        "status": {"code": _STATUS_ERROR} if record.is_error else {},
    }


def _log(record: TelemetryRecord) -> dict[str, Any]:
    return {
        "eventName": record.name,
        "traceId": record.trace_id,
        "spanId": record.span_id,
        "timeUnixNano": str(record.start_ns),
        "severityNumber": _SEVERITY_ERROR if record.is_error else 0,
        "attributes": _pairs(record.attributes),
        "body": _value(record.body),
    }


def _pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _pairs(value)}}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {}
