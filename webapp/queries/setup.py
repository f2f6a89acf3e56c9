"""Reads how far an organisation has come with governance: which of the first steps are done."""

from __future__ import annotations

from dataclasses import dataclass

from core.models import AnomalyRule, IngestionSource, VirtualKey


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Whether each of the first steps is done."""

    has_virtual_key: bool
    has_source: bool
    has_rule: bool


def first_steps(organization_id: str) -> FirstSteps:
    """Return which kinds of entity exist and are not archived or revoked."""
    keys = VirtualKey.select().where(
        VirtualKey.organization_id == organization_id, VirtualKey.status != "revoked"
    )
    sources = IngestionSource.select().where(
        IngestionSource.organization_id == organization_id, IngestionSource.archived_at.is_null()
    )
    rules = AnomalyRule.select().where(
        AnomalyRule.organization_id == organization_id, AnomalyRule.archived_at.is_null()
    )
    return FirstSteps(keys.exists(), sources.exists(), rules.exists())
