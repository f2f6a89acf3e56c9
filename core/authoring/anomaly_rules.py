"""Creates anomaly rules and changes them. Evaluating them is the streamer's work."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from core.authoring import destinations
from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.scopes import scope_error
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.authoring.versions import hold
from core.ids import new_id
from core.models import AnomalyRule
from core.secrets import Sealer
from rules.anomaly_rules import RULE_TYPES, SCOPES, SEVERITIES, validate_threshold

STATUSES = ("active", "disabled")
THRESHOLD_BYTES = 8192


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule as it shall be. ``destinations`` is any accepted shape; None on update keeps those stored.

    ``scope_id`` may stay empty for the organization scope.
    """

    name: str
    severity: str
    type: str
    scope: str
    scope_id: str
    threshold: Mapping[str, Any]
    destinations: Any = None
    description: str = ""
    is_operator: bool = False
    """True for a rule from the operator's configuration file: its destinations may be private addresses."""


def create(actor: Actor, new: NewRule, sealer: Sealer, now: datetime) -> AnomalyRule:
    """Create a rule. Raises Refused(VALIDATION_ERROR)."""
    with change():
        found = _check(actor, new, own_id="")
        rule_id = new_id("rule", now)
        row = AnomalyRule.create(
            id=rule_id,
            organization_id=actor.organization_id,
            destinations=destinations.sealed(found, rule_id, sealer),
            created_by_id=actor.actor_id,
            created_at=now,
            updated_at=now,
            **_columns(actor, new),
        )
        _audit(actor, row, "created", now, None)
    return row


def differences(actor: Actor, row: AnomalyRule, wanted: NewRule, sealer: Sealer) -> list[str]:
    """Return the names of the fields in which a stored rule differs from the wanted one."""
    columns = _columns(actor, wanted)
    fields = [name for name, value in columns.items() if getattr(row, name) != value]
    if wanted.destinations is not None:
        found, errors = _destinations(wanted)
        if errors or found != destinations.opened(row, sealer):
            fields.append("destinations")
    return fields


def update(
    actor: Actor,
    rule_id: str,
    wanted: NewRule,
    sealer: Sealer,
    now: datetime,
    expected: str | None = None,
) -> AnomalyRule:
    """Make a rule what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, rule_id)
        hold(row, expected, Target("", "anomaly_rule", row.id))
        if not differences(actor, row, wanted, sealer):
            return row
        found = _check(actor, wanted, own_id=row.id)
        before = _public(row)
        for name, value in _columns(actor, wanted).items():
            setattr(row, name, value)
        if wanted.destinations is not None:
            row.destinations = destinations.sealed(found, row.id, sealer)
        row.updated_at = now
        row.save()
        _audit(actor, row, "updated", now, before)
    return row


def set_status(actor: Actor, rule_id: str, status: str, now: datetime) -> AnomalyRule:
    """Turn a rule on (active) or off (disabled). Raises Refused."""
    complaints = Complaints()
    complaints.need(status in STATUSES, "status", f"Choose one of {', '.join(STATUSES)}.")
    complaints.refuse_any()
    with change():
        row = find(actor.organization_id, rule_id)
        if row.status == status:
            return row
        before = _public(row)
        row.status, row.updated_at = status, now
        row.save()
        _audit(actor, row, "enabled" if status == "active" else "disabled", now, before)
    return row


def archive(actor: Actor, rule_id: str, now: datetime) -> AnomalyRule:
    """End a rule; the anomalies it found stay. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, rule_id)
        before = _public(row)
        row.archived_at = row.updated_at = now
        row.save()
        _audit(actor, row, "archived", now, before)
    return row


def find(organization_id: str, rule_id: str) -> AnomalyRule:
    """Return a rule of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = AnomalyRule.get_or_none(
        AnomalyRule.id == rule_id,
        AnomalyRule.organization_id == organization_id,
        AnomalyRule.archived_at.is_null(),
    )
    if row is None:
        raise not_found("anomaly rule")
    return row


def _columns(actor: Actor, new: NewRule) -> dict[str, Any]:
    is_whole = new.scope == "organization"
    return {
        "name": new.name.strip(),
        "description": new.description,
        "severity": new.severity,
        "type": new.type,
        "scope": new.scope,
        "scope_id": actor.organization_id if is_whole else new.scope_id,
        "threshold": dict(new.threshold) if isinstance(new.threshold, Mapping) else new.threshold,
    }


def _public(row: AnomalyRule) -> dict[str, Any]:
    """Return a rule as the audit log has it: of its destinations, the types alone."""
    types = [entry["type"] for entry in row.destinations]
    return snapshot(row, hidden=("destinations",)) | {"destination_types": types}


def _audit(
    actor: Actor, row: AnomalyRule, action: str, now: datetime, before: dict[str, Any] | None
) -> None:
    target = Target(f"governance.anomaly_rule.{action}", "anomaly_rule", row.id)
    audited(actor, target, now, before, _public(row))


def _check(actor: Actor, new: NewRule, own_id: str) -> list[dict[str, str]]:
    """Return the destinations in their one shape. Raises Refused with every complaint."""
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    for field, value, allowed in (
        ("severity", new.severity, SEVERITIES),
        ("type", new.type, RULE_TYPES),
        ("scope", new.scope, SCOPES),
    ):
        complaints.need(value in allowed, field, f"Choose one of {', '.join(allowed)}.")
    if new.scope in SCOPES and new.scope != "organization":
        complaints.add("scope_id", scope_error(actor.organization_id, new.scope, new.scope_id))
    complaints.add("threshold", _threshold_error(new))
    found, errors = _destinations(new)
    complaints.add("destinations", " ".join(errors))
    complaints.add(
        "name", taken_error(AnomalyRule, actor.organization_id, new.name, own_id, "rule")
    )
    complaints.refuse_any()
    return found


def _destinations(new: NewRule) -> tuple[list[dict[str, str]], list[str]]:
    found, errors = destinations.normalised(new.destinations)
    if new.is_operator:
        # Nobody can write this mark in a page: `operator` is not a field that is taken there.
        found = [destination | {"operator": "true"} for destination in found]
    return found, errors


def _threshold_error(new: NewRule) -> str:
    try:
        size_bytes = len(orjson.dumps(new.threshold))
    except (TypeError, orjson.JSONEncodeError):
        return "The threshold is a JSON object."
    if size_bytes > THRESHOLD_BYTES:
        return f"Keep the threshold to {THRESHOLD_BYTES} bytes."
    return " ".join(validate_threshold(new.type, new.threshold)) if new.type in RULE_TYPES else ""
