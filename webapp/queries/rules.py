"""Reads anomaly rules of one organisation."""

from __future__ import annotations

from core.models import AnomalyRule


def live_rules(organization_id: str) -> list[AnomalyRule]:
    """Return the rules that are not archived, by name."""
    return list(
        AnomalyRule.select()
        .where(AnomalyRule.organization_id == organization_id, AnomalyRule.archived_at.is_null())
        .order_by(AnomalyRule.name)
    )
