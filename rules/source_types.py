"""The ingestion-source types: how each delivers and what its settings may be. Pure; nothing is received here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GATEWAY_SOURCE_TYPE = "gateway"
"""Stands for the gateway's own calls wherever a source type is asked for; nobody creates such a source."""
_TEXT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class SourceType:
    """One type. ``receivers`` are the paths it may deliver to; ``settings`` are its optional text settings."""

    name: str
    label: str
    receivers: frozenset[str]
    settings: tuple[str, ...]


OTEL = "otel"
WEBHOOK = "webhook"
_PUSH = (
    SourceType(
        "otel_generic",
        "OpenTelemetry (generic)",
        frozenset({OTEL, WEBHOOK}),
        ("allowedSourceTypeLabel",),
    ),
    SourceType("claude_cowork", "Claude Cowork", frozenset({OTEL}), ("workspaceId",)),
    SourceType("workato", "Workato", frozenset({WEBHOOK}), ("sharedSecretLastFour",)),
)
CREATABLE: Mapping[str, SourceType] = {row.name: row for row in _PUSH}
SOURCE_TYPES = frozenset(CREATABLE) | {GATEWAY_SOURCE_TYPE}


def settings_errors(source_type: str, settings: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a source's settings, one sentence each."""
    known = CREATABLE[source_type].settings
    errors = []
    for name, value in settings.items():
        if name not in known:
            errors.append(f"`{name}` is not a setting of {source_type}.")
        elif not isinstance(value, str) or len(value) > _TEXT_CHARACTERS:
            errors.append(f"`{name}` is a text of up to {_TEXT_CHARACTERS} characters.")
    return errors
