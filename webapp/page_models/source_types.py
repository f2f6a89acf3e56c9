"""What the composer offers of each source type, and how a source of that type is first delivered to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from rules.source_types import CREATABLE, OTEL, WEBHOOK

NS_PER_MICROSECOND = 1000
_LAST_FOUR = 4


@dataclass(frozen=True, slots=True)
class TypeChoice:
    """One type in the composer with its one field of its own: ``field`` in the form, ``setting`` where it is kept."""

    type: str
    blurb: str
    field: str
    setting: str
    label: str
    help: str
    placeholder: str = ""
    characters: int = 200
    required: bool = True

    def complaint(self, typed: str) -> str:
        """Return what is wrong with the field of a new source, empty when nothing is."""
        if self.required and not typed:
            return f"A {CREATABLE[self.type].label} source needs this."
        if self.characters == _LAST_FOUR and len(typed) != _LAST_FOUR:
            return "Enter exactly the last four characters."
        return ""


CHOICES: Mapping[str, TypeChoice] = {
    choice.type: choice
    for choice in (
        TypeChoice(
            "otel_generic",
            "Takes traces and logs from any OTLP/HTTP exporter, as JSON or protobuf.",
            "label",
            "allowedSourceTypeLabel",
            "Accept only this source label",
            "When set, only events whose resource attribute LangWatchSourceType has exactly this value are kept.",
            required=False,
        ),
        TypeChoice(
            "claude_cowork",
            "Takes the OpenTelemetry that Claude Cowork exports for a workspace.",
            "workspace_id",
            "workspaceId",
            "Workspace ID",
            "Tells apart the workspaces that report here.",
            "wsp_…",
        ),
        TypeChoice(
            "workato",
            "Takes webhooks from Workato recipes; each request is kept as one event.",
            "last_four",
            "sharedSecretLastFour",
            "Last four characters of the shared secret",
            "Only to recognise the secret that Workato holds; the whole secret is never asked for.",
            characters=_LAST_FOUR,
        ),
    )
}
TYPE_FIELDS = tuple(choice.field for choice in CHOICES.values())


def type_label(source_type: str) -> str:
    """Return a type's name as people know it; the type itself when this version does not know it."""
    known = CREATABLE.get(source_type)
    return f"{known.label} ({source_type})" if known else source_type


def family_of(source_type: str) -> str:
    """Return the receiver a source is told to deliver to: OTLP wherever the type takes it, else webhooks."""
    known = CREATABLE.get(source_type)
    return WEBHOOK if known and OTEL not in known.receivers else OTEL


def endpoint_of(base_url: str, source_id: str, source_type: str) -> str:
    """Return the address a source's sender delivers to."""
    return f"{base_url.rstrip('/')}/api/ingest/{family_of(source_type)}/{source_id}"


def first_command(source_type: str, endpoint: str, secret: str, now: datetime) -> str:
    """Return a command that delivers one event of the kind this type takes, dated ``now``."""
    is_webhook = family_of(source_type) == WEBHOOK
    return _curl(endpoint, secret, _webhook_body(now) if is_webhook else _span_body(now))


def _curl(endpoint: str, secret: str, body: str) -> str:
    return (
        f"curl -sS -X POST {endpoint} \\\n"
        f"  -H 'Authorization: Bearer {secret}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )


def _webhook_body(now: datetime) -> str:
    at = now.astimezone(UTC).isoformat(timespec="seconds")
    return json.dumps({"event": "recipe.success", "actor": "ada@example.com", "timestamp": at})


def _span_body(now: datetime) -> str:
    start_ns = int(now.timestamp() * 1_000_000) * NS_PER_MICROSECOND
    attributes = {
        "gen_ai.request.model": {"stringValue": "claude-sonnet-4-5"},
        "user.email": {"stringValue": "ada@example.com"},
        "gen_ai.usage.cost_usd": {"doubleValue": 0.0125},
        "gen_ai.usage.input_tokens": {"intValue": "1200"},
        "gen_ai.usage.output_tokens": {"intValue": "300"},
    }
    span = {
        "traceId": f"{start_ns:032x}",
        "spanId": f"{start_ns % 2**64:016x}",
        "name": "chat_completion",
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + 850_000_000),
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
