"""Reads anomalies of one organization and where each was sent."""

from __future__ import annotations

from collections.abc import Iterable

from peewee import fn

from core.fault import Fault, Refused
from core.models import AlertDelivery, Anomaly


def open_by_severity(organization_id: str) -> dict[str, int]:
    """Return how many anomalies are open, by severity; a severity without any is absent."""
    query = (
        Anomaly.select(Anomaly.severity, fn.COUNT(Anomaly.id))
        .where(Anomaly.organization_id == organization_id, Anomaly.state == "open")
        .group_by(Anomaly.severity)
    )
    rows: Iterable[tuple[str, int]] = query.tuples().iterator()
    return dict(rows)


def newest_anomalies(organization_id: str, limit: int, state: str = "") -> list[Anomaly]:
    """Return at most ``limit`` anomalies, newest first; an empty ``state`` means all."""
    rows = Anomaly.select().where(Anomaly.organization_id == organization_id)
    if state:
        rows = rows.where(Anomaly.state == state)
    return list(rows.order_by(Anomaly.detected_at.desc(), Anomaly.id.desc()).limit(limit))


def anomaly_of(organization_id: str, anomaly_id: str) -> Anomaly:
    """Return one anomaly; raises Refused(NOT_FOUND) for another organization's."""
    anomaly = Anomaly.get_or_none(
        Anomaly.id == anomaly_id, Anomaly.organization_id == organization_id
    )
    if anomaly is None:
        raise Refused(Fault.NOT_FOUND, "There is no such anomaly.")
    return anomaly


def deliveries_of(anomaly: Anomaly) -> list[AlertDelivery]:
    """Return the anomaly's deliveries in the order they were queued."""
    return list(
        AlertDelivery.select()
        .where(AlertDelivery.anomaly_id == anomaly.id)
        .order_by(AlertDelivery.id)
    )
