"""What people do about an anomaly: acknowledge it, resolve it. Rules raise anomalies, in the streamer."""

from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import not_found
from core.models import Anomaly


def acknowledge(actor: Actor, anomaly_id: str, now: datetime) -> Anomaly:
    """Turn an open anomaly into an acknowledged one; in any other state it stays as it is. Raises Refused."""
    with change():
        row = _find(actor.organization_id, anomaly_id)
        if row.state != "open":
            return row
        before = snapshot(row)
        row.state, row.acknowledged_at, row.acknowledged_by_id = "acknowledged", now, actor.actor_id
        row.save()
        target = Target("governance.anomaly_alert.acknowledged", "anomaly", row.id)
        audited(actor, target, now, before, snapshot(row))
    return row


def resolve(actor: Actor, anomaly_id: str, now: datetime) -> Anomaly:
    """Turn an anomaly that is not resolved into a resolved one. Raises Refused(NOT_FOUND)."""
    with change():
        row = _find(actor.organization_id, anomaly_id)
        if row.state == "resolved":
            return row
        before = snapshot(row)
        row.state, row.resolved_at, row.resolved_by_id = "resolved", now, actor.actor_id
        row.save()
        target = Target("governance.anomaly_alert.resolved", "anomaly", row.id)
        audited(actor, target, now, before, snapshot(row))
    return row


def _find(organization_id: str, anomaly_id: str) -> Anomaly:
    row = Anomaly.get_or_none(Anomaly.id == anomaly_id, Anomaly.organization_id == organization_id)
    if row is None:
        raise not_found("anomaly")
    return row
