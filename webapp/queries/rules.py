"""Reads anomaly rules of one organization."""

from __future__ import annotations

from core.models import AnomalyRule


def has_active_rule(organization_id: str) -> bool:
    """Say whether anything is watched at all."""
    rows = AnomalyRule.select().where(
        AnomalyRule.organization_id == organization_id,
        AnomalyRule.archived_at.is_null(),
        AnomalyRule.status == "active",
    )
    return bool(rows.exists())


def live_rules(organization_id: str) -> list[AnomalyRule]:
    """Return the rules that are not archived, by name."""
    return list(
        AnomalyRule.select()
        .where(AnomalyRule.organization_id == organization_id, AnomalyRule.archived_at.is_null())
        .order_by(AnomalyRule.name)
    )
