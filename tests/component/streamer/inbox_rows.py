"""Writes inbox and ledger rows for the streamer's tests, through the function the internal API books calls with."""

from datetime import datetime, timedelta
from typing import Any

import orjson

from core.clock import to_ms
from core.database import serialise_inbox, transaction
from core.models import InboxRow, IngestionSource, bookkeeping

ORG = "org_1"


def spend_commands(numbers: range, at: datetime, **changes: Any) -> list[dict[str, Any]]:
    """An admission and a settlement for each number; the cost is the number in nano-USD."""
    made: list[dict[str, Any]] = []
    for number in numbers:
        call_id = f"req_{number:030x}"
        admitted_ms = to_ms(at + timedelta(milliseconds=number))
        admission = {
            "call_id": call_id,
            "admitted_at_ms": admitted_ms,
            "organization_id": ORG,
            "project_id": "project_1",
            "team_id": "team_1",
            "virtual_key_id": "vk_1",
            "principal_user_id": None,
            "provider_id": "provider_1",
            "provider_type": "openai",
            "request_type": "chat",
            "model": "gpt-5",
            "estimate_nanousd": 1_000,
            "price_source": "list",
            "trace_id": "ab" * 16,
            **changes,
        }
        settlement = {
            "call_id": call_id,
            "settled_at_ms": admitted_ms + 900,
            "outcome": "completed",
            "status": 200,
            "model": "gpt-5",
            "duration_ms": 900,
            "first_byte_ms": 100,
            "input_tokens": 11,
            "output_tokens": 7,
            "cache_read_tokens": 5,
            "cost_nanousd": number,
            "is_estimated": False,
            "price_source": "list",
            "usage_raw": {"prompt_tokens": 16, "completion_tokens": 7},
            "owner": "worker",
        } | {
            k: v
            for k, v in changes.items()
            if k in ("outcome", "code", "status", "price_source", "facts")
        }
        made.append({"command": "admitSpend", "payload": admission})
        made.append({"command": "confirmSpend", "payload": settlement})
    return made


def book(numbers: range, at: datetime, **changes: Any) -> None:
    """Book calls as one batch of a gateway worker: ledger rows and one inbox row."""
    bookkeeping.record(spend_commands(numbers, at, **changes), at)


def source(source_id: str, now: datetime, **changes: Any) -> IngestionSource:
    """Create an ingestion source."""
    values: dict[str, Any] = {
        "id": source_id,
        "organization_id": ORG,
        "type": "otel_generic",
        "name": source_id,
        "secret_hash": source_id,
        "created_at": now,
        "updated_at": now,
    }
    with transaction():
        return IngestionSource.create(**(values | changes))


def receive(kind: str, payload: bytes, source_id: str, now: datetime) -> int:
    """Commit a payload to the inbox as a receiver does; return the row's id."""
    with transaction():
        serialise_inbox()
        row = InboxRow.create(
            kind=kind,
            organization_id=ORG,
            source_id=source_id,
            content_type="application/json",
            payload=payload,
            received_at=now,
        )
    return int(row.id)


def span(
    span_id: str, at: datetime, name: str = "chat_completion", **attributes: Any
) -> dict[str, Any]:
    """A span as OTLP JSON writes it; in attribute names, ``__`` stands for a dot."""
    start_ns = to_ms(at) * 1_000_000
    pairs = [
        {"key": key.replace("__", "."), "value": _value(value)} for key, value in attributes.items()
    ]
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": span_id,
        "name": name,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + 250_000_000),
        "attributes": pairs,
    }


def traces(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    """An OTLP JSON body with one resource."""
    pairs = [{"key": key, "value": _value(value)} for key, value in (resource or {}).items()]
    group = {"resource": {"attributes": pairs}, "scopeSpans": [{"spans": list(spans)}]}
    return orjson.dumps({"resourceSpans": [group]})


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
