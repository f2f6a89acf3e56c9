"""The entities of the control database. Each module holds one concern's tables and the queries on them."""

from core.models.capturing import CapturedContent
from core.models.erasing import Erasure
from core.models.gateway import ChangeEvent, Provider, VirtualKey
from core.models.governance import AlertDelivery, Anomaly, AnomalyRule, IngestionSource
from core.models.guarding import CacheRule, Guardrail, PolicyRuleSet
from core.models.idempotency import IdempotencyKey
from core.models.increases import BudgetIncrease
from core.models.ledger import InboxRow, LedgerRow
from core.models.limits import Budget, Lease, LimitPeriod
from core.models.operations import AuditRow, JobHeartbeat
from core.models.organization import Member, OneTimeLink, Organization, Project, Team, User
from core.models.permissions import CustomRole, Group, GroupMember, RoleBinding, TeamMember
from core.models.principals import ApiKey, Department, Invitation, ServiceAccount
from core.models.privacy import PrivacyRule, RetentionPolicy
from core.models.routing import RoutingPolicy
from core.models.searching import SearchWord
from core.models.sign_in import ExternalIdentity, ScimToken, SignInConnection
from core.models.tracing import SpanBatch, TraceDestination

ALL_MODELS = (
    Organization,
    User,
    Member,
    Team,
    Project,
    OneTimeLink,
    TeamMember,
    CustomRole,
    Group,
    GroupMember,
    RoleBinding,
    Department,
    Invitation,
    ServiceAccount,
    ApiKey,
    SignInConnection,
    ExternalIdentity,
    ScimToken,
    Provider,
    VirtualKey,
    RoutingPolicy,
    ChangeEvent,
    PolicyRuleSet,
    CacheRule,
    Guardrail,
    Budget,
    BudgetIncrease,
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
    TraceDestination,
    SpanBatch,
    IdempotencyKey,
    CapturedContent,
    PrivacyRule,
    RetentionPolicy,
    Erasure,
    SearchWord,
)

__all__ = [
    "ALL_MODELS",
    "AlertDelivery",
    "Anomaly",
    "AnomalyRule",
    "ApiKey",
    "AuditRow",
    "Budget",
    "BudgetIncrease",
    "CacheRule",
    "CapturedContent",
    "ChangeEvent",
    "CustomRole",
    "Department",
    "Erasure",
    "ExternalIdentity",
    "Group",
    "GroupMember",
    "Guardrail",
    "IdempotencyKey",
    "InboxRow",
    "IngestionSource",
    "Invitation",
    "JobHeartbeat",
    "Lease",
    "LedgerRow",
    "LimitPeriod",
    "Member",
    "OneTimeLink",
    "Organization",
    "PolicyRuleSet",
    "PrivacyRule",
    "Project",
    "Provider",
    "RetentionPolicy",
    "RoleBinding",
    "RoutingPolicy",
    "ScimToken",
    "SearchWord",
    "ServiceAccount",
    "SignInConnection",
    "SpanBatch",
    "Team",
    "TeamMember",
    "TraceDestination",
    "User",
    "VirtualKey",
]
