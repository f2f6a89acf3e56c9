"""What may be kept of prompts and answers: a key's mode, and whether its organization allows any of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.authoring.actor import Actor
from core.authoring.record import Target, announced, audited, change
from core.authoring.validation import not_found
from core.changes import Change, ChangeKind
from core.models import Organization

NONE, METADATA, REDACTED, RAW = "none", "metadata", "redacted", "raw"
MODES = (NONE, METADATA, REDACTED, RAW)
RAW_PERMISSION = "virtualKeys:capturePayload:raw"
"""What whoever asks for unredacted capture must hold besides changing the key."""


def capture_error(value: Any) -> str:
    """Return what is wrong with a key's capture mode, or an empty string."""
    return "" if value in MODES else f"Choose one of {', '.join(MODES)}."


def permission_for(config: Mapping[str, Any] | None) -> str | None:
    """Return the permission that a key's configuration asks for beyond the usual, or None."""
    return RAW_PERMISSION if (config or {}).get("capture") == RAW else None


def mode_of(config: Mapping[str, Any], is_allowed: bool) -> str:
    """Return what is captured with a key: what it asks for, unless its organization forbids it."""
    mode = config.get("capture")
    return mode if mode in MODES and is_allowed else NONE


def set_allowed(actor: Actor, is_allowed: bool, now: datetime) -> Organization:
    """Allow or forbid capture for every key of the organization. Raises Refused(NOT_FOUND).

    What was captured before stays for its time.
    """
    with change():
        row = Organization.get_or_none(Organization.id == actor.organization_id)
        if row is None:
            raise not_found("organization")
        if row.is_capture_allowed is is_allowed:
            return row
        row.is_capture_allowed = is_allowed
        row.save(only=["is_capture_allowed"])
        verb = "allowed" if is_allowed else "forbidden"
        target = Target(f"organization.capture.{verb}", "organization", row.id)
        audited(actor, target, now, {"capture": not is_allowed}, {"capture": is_allowed})
        announced(Change(row.id, ChangeKind.ORGANIZATION_UPDATED), now)
    return row
