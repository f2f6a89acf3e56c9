"""Finds what a file names among the rows of one organization. Reads only."""

from typing import Any

from cli.apply.privacy import PRIVACY_RULE, RETENTION_POLICY, scope_of
from cli.apply.traces import TRACE_DESTINATION
from core.authoring import privacy, retention
from core.authoring.governance_project import KIND as HIDDEN
from core.models import (
    AnomalyRule,
    Budget,
    CacheRule,
    CustomRole,
    Department,
    Group,
    Guardrail,
    IngestionSource,
    Member,
    PolicyRuleSet,
    Project,
    Provider,
    RoutingPolicy,
    ServiceAccount,
    SignInConnection,
    Team,
    TraceDestination,
    User,
    VirtualKey,
)

# kind -> (its table, the column that holds the name a file uses)
_NAMED: dict[str, tuple[Any, str]] = {
    "department": (Department, "name"),
    "team": (Team, "slug"),
    "project": (Project, "slug"),
    "provider": (Provider, "name"),
    "routing policy": (RoutingPolicy, "name"),
    "policy rule set": (PolicyRuleSet, "name"),
    "guardrail": (Guardrail, "name"),
    "cache rule": (CacheRule, "name"),
    "virtual key": (VirtualKey, "name"),
    "budget": (Budget, "name"),
    "ingestion source": (IngestionSource, "name"),
    "anomaly rule": (AnomalyRule, "name"),
    "custom role": (CustomRole, "name"),
    "group": (Group, "name"),
    "service account": (ServiceAccount, "name"),
    "sign-in connection": (SignInConnection, "name"),
    TRACE_DESTINATION: (TraceDestination, "name"),
}
KINDS = frozenset({"user", *_NAMED})
"""The kinds whose rows have a name that a file can use."""


def find(organization_id: str, kind: str, name: str) -> Any:
    """Return the row of a kind with this name that is neither archived nor revoked, or None."""
    if kind == "user":
        return _user(organization_id, name)
    if kind in (PRIVACY_RULE, RETENTION_POLICY):
        return _at_scope(organization_id, kind, name)
    model, column = _NAMED[kind]
    query = model.select().where(
        model.organization_id == organization_id, getattr(model, column) == name
    )
    if model is Project:
        query = query.where(Project.kind != HIDDEN)
    if model is VirtualKey:
        query = query.where(VirtualKey.status != "revoked")
    elif hasattr(model, "archived_at"):
        query = query.where(model.archived_at.is_null())
    return query.first()


def id_of(organization_id: str, kind: str, name: str) -> str | None:
    """Return the id of the row of a kind with this name."""
    row = find(organization_id, kind, name)
    return None if row is None else str(row.id)


def _at_scope(organization_id: str, kind: str, name: str) -> Any:
    scope, target, is_personal_only = scope_of(name)
    scope_id = organization_id
    if scope != "organization":
        scope_id = id_of(organization_id, scope, target) or ""
    if kind == RETENTION_POLICY:
        return retention.at_scope(organization_id, scope, scope_id)
    return privacy.at_scope(organization_id, scope, scope_id, is_personal_only)


def _user(organization_id: str, email: str) -> User | None:
    user: User | None = User.get_or_none(User.email == email)
    if user is None:
        return None
    member = Member.get_or_none(
        Member.user_id == user.id, Member.organization_id == organization_id
    )
    return None if member is None else user
