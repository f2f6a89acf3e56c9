"""How far an organization has come with governance; cheap enough to ask on every page. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.database import connection
from core.lake import LakeReader, activity
from core.models import AnomalyRule, IngestionSource, RoutingPolicy, VirtualKey

ACTIVITY_DAYS = 30


@dataclass(frozen=True, slots=True)
class SetupState:
    """What exists."""

    has_personal_keys: bool
    has_ingestion_sources: bool
    has_anomaly_rules: bool
    has_recent_activity: bool
    has_routing_policies: bool

    @property
    def is_governance_active(self) -> bool:
        """True once anything of governance exists."""
        return (
            self.has_personal_keys
            or self.has_routing_policies
            or self.has_ingestion_sources
            or self.has_anomaly_rules
            or self.has_recent_activity
        )

    def as_json(self) -> dict[str, bool]:
        """Return the public form."""
        return {
            "hasPersonalVKs": self.has_personal_keys,
            "hasRoutingPolicies": self.has_routing_policies,
            "hasIngestionSources": self.has_ingestion_sources,
            "hasAnomalyRules": self.has_anomaly_rules,
            "hasRecentActivity": self.has_recent_activity,
            "governanceActive": self.is_governance_active,
        }


def setup_state(lake: LakeReader, organization_id: str, now: datetime) -> SetupState:
    """Return everything."""
    with connection():
        return SetupState(
            _has_personal_keys(organization_id),
            _has_sources(organization_id),
            _has_rules(organization_id),
            activity.has_recent_activity(lake, organization_id, now, ACTIVITY_DAYS),
            _has_routing_policies(organization_id),
        )


def is_governance_active(lake: LakeReader, organization_id: str, now: datetime) -> bool:
    """Return that one answer; the lake is asked only when the control database does not settle it."""
    with connection():
        return (
            _has_personal_keys(organization_id)
            or _has_sources(organization_id)
            or _has_rules(organization_id)
            or _has_routing_policies(organization_id)
            or activity.has_recent_activity(lake, organization_id, now, ACTIVITY_DAYS)
        )


def _has_personal_keys(organization_id: str) -> bool:
    query = VirtualKey.select().where(
        VirtualKey.organization_id == organization_id,
        # Not IS NOT NULL, which no index of every database answers.
        VirtualKey.principal_user_id > "",
        VirtualKey.status != "revoked",
    )
    return bool(query.exists())


def _has_routing_policies(organization_id: str) -> bool:
    query = RoutingPolicy.select().where(
        RoutingPolicy.organization_id == organization_id, RoutingPolicy.archived_at.is_null()
    )
    return bool(query.exists())


def _has_sources(organization_id: str) -> bool:
    query = IngestionSource.select().where(
        IngestionSource.organization_id == organization_id, IngestionSource.archived_at.is_null()
    )
    return bool(query.exists())


def _has_rules(organization_id: str) -> bool:
    query = AnomalyRule.select().where(
        AnomalyRule.organization_id == organization_id, AnomalyRule.archived_at.is_null()
    )
    return bool(query.exists())
