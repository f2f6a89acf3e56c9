"""The entities of the control database. Each module holds one concern's tables and the queries on them."""

from core.models.gateway import ChangeEvent, Provider, VirtualKey
from core.models.governance import AlertDelivery, Anomaly, AnomalyRule, IngestionSource
from core.models.ledger import InboxRow, LedgerRow
from core.models.limits import Budget, Lease, LimitPeriod
from core.models.operations import AuditRow, JobHeartbeat
from core.models.organization import Member, OneTimeLink, Organization, Project, Team, User

ALL_MODELS = (
    Organization,
    User,
    Member,
    Team,
    Project,
    OneTimeLink,
    Provider,
    VirtualKey,
    ChangeEvent,
    Budget,
    LimitPeriod,
    Lease,
    LedgerRow,
    InboxRow,
    IngestionSource,
    AnomalyRule,
    Anomaly,
    AlertDelivery,
    AuditRow,
    JobHeartbeat,
)

__all__ = [
    "ALL_MODELS",
    "AlertDelivery",
    "Anomaly",
    "AnomalyRule",
    "AuditRow",
    "Budget",
    "ChangeEvent",
    "InboxRow",
    "IngestionSource",
    "JobHeartbeat",
    "Lease",
    "LedgerRow",
    "LimitPeriod",
    "Member",
    "OneTimeLink",
    "Organization",
    "Project",
    "Provider",
    "Team",
    "User",
    "VirtualKey",
]
