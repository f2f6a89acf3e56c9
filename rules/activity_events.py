"""The activity event: what any tool did, in one shape, whether the gateway saw it or a source told us.

Pure: reading payloads into events is ``rules.otlp`` and ``rules.webhook_events``; storing them is the lake's work.
"""

from dataclasses import dataclass
from datetime import datetime

GATEWAY_SOURCE = "gateway"
"""Source type and source id of what the gateway itself carried."""
API_CALL = "api.call"
API_REFUSED = "api.refused"
TOOL_INVOCATION = "tool.invocation"
AGENT_ACTION = "agent.action"
KEY_ACTOR_PREFIX = "key:"
"""Marks an actor that is a service key and not a person."""
RAW_PAYLOAD_MAX_BYTES = 64 * 1024

COST_REPORTED = "reported"
"""The source stated the cost."""
COST_UNPRICED = "unpriced"
"""Nobody stated a cost and no price is known; the cost counts as zero and the event as unpriced."""


@dataclass(frozen=True, slots=True)
class ActivityEvent:
    """One thing that happened. ``event_id`` is unique within its source; unknown texts are empty.

    ``tokens_input`` is every token that was read, cached or not; the classes below it never overlap.
    """

    event_id: str
    organization_id: str
    source_type: str
    source_id: str
    event_type: str
    event_timestamp: datetime
    ingested_at: datetime
    actor: str = ""
    action: str = ""
    target: str = ""
    cost_nanousd: int = 0
    cost_source: str = ""
    """``reported``, ``unpriced``, ``flat``, or the catalogue that priced it."""
    is_estimated: bool = False
    tokens_input: int = 0
    tokens_output: int = 0
    fresh_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    model: str = ""
    requested_model: str = ""
    provider_id: str | None = None
    provider_type: str = ""
    outcome: str = ""
    code: str = ""
    status: int | None = None
    team_id: str | None = None
    project_id: str | None = None
    virtual_key_id: str | None = None
    principal_user_id: str | None = None
    is_streamed: bool = False
    duration_ms: int | None = None
    first_byte_ms: int | None = None
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    session_id: str = ""
    raw_payload: str = ""

    @property
    def is_refused(self) -> bool:
        """True for a call that was turned away: an event, but neither spend nor activity."""
        return self.event_type == API_REFUSED


def cut_payload(text: str, limit_bytes: int = RAW_PAYLOAD_MAX_BYTES) -> str:
    """Return at most ``limit_bytes`` of a payload as UTF-8, never half a character."""
    if len(text) <= limit_bytes // 4:
        return text
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    return data[:limit_bytes].decode(errors="ignore")


def envelope_event_id(received_ms: int, inbox_id: int) -> str:
    """Return the id of an event that arrived as one opaque body: ``envelope-<unix ms>-<8 base36>``.

    It follows from the inbox row, so that the receiver can answer with it and a second drain finds it again.
    """
    digits = ""
    while inbox_id:
        inbox_id, digit = divmod(inbox_id, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"envelope-{received_ms}-{digits[-8:]:0>8}"
