"""Turns a settled ledger row into an activity event. Pure; who and which key it was are looked up by the caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.clock import EPOCH
from rules.activity_events import (
    API_CALL,
    API_REFUSED,
    GATEWAY_SOURCE,
    KEY_ACTOR_PREFIX,
    ActivityEvent,
    cut_payload,
)
from rules.usage import Usage


@dataclass(frozen=True, slots=True)
class Names:
    """E-mail addresses by user id and names by virtual-key id, for the rows of one batch."""

    emails: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


def event_from(row: Mapping[str, Any], names: Names, received_at: datetime) -> ActivityEvent:
    """Return the event of one ledger row, whose times are microseconds as stored.

    Raises KeyError, TypeError or ValueError for a row that is not one.
    """
    is_refused = row["outcome"] == "refused"
    usage = _usage(row)
    moment = EPOCH + timedelta(microseconds=row["admitted_at"])
    same: dict[str, Any] = {name: row[name] for name in _SAME}
    same |= {name: row[name] or "" for name in _TEXTS}
    return ActivityEvent(
        event_id=str(row["call_id"]),
        organization_id=str(row["organization_id"]),
        source_type=GATEWAY_SOURCE,
        source_id=GATEWAY_SOURCE,
        event_type=API_REFUSED if is_refused else API_CALL,
        event_timestamp=moment,
        ingested_at=received_at,
        actor=_actor(row, names),
        action=row["request_type"],
        target=row["model"],
        cost_nanousd=int(row["cost_nanousd"]),
        cost_source=row["price_source"] or "",
        is_estimated=bool(row["is_estimated"]),
        tokens_input=usage.prompt_tokens,
        tokens_output=usage.output_tokens,
        fresh_input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        raw_payload=cut_payload(orjson.dumps(row).decode()),
        is_streamed=bool(row["is_streamed"]),
        **same,
    )


# Columns that the ledger and the lake share by name; the second list may be null in neither.
_SAME = (
    "provider_id",
    "status",
    "team_id",
    "project_id",
    "virtual_key_id",
    "principal_user_id",
    "duration_ms",
    "first_byte_ms",
)
_TEXTS = (
    "model",
    "requested_model",
    "provider_type",
    "outcome",
    "code",
    "trace_id",
    "span_id",
    "parent_span_id",
    "session_id",
)


def _actor(row: Mapping[str, Any], names: Names) -> str:
    principal = row["principal_user_id"]
    if principal:
        return names.emails.get(str(principal), str(principal))
    key_id = str(row["virtual_key_id"])
    return KEY_ACTOR_PREFIX + names.keys.get(key_id, key_id)


def _usage(row: Mapping[str, Any]) -> Usage:
    return Usage(
        row["input_tokens"],
        row["output_tokens"],
        row["cache_read_tokens"],
        row["cache_write_tokens"],
        row["cache_write_1h_tokens"],
    )
