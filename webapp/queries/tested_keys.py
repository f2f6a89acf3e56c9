"""Reads what a test of a request is about: a key and all that applies to it, or what holds for every key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.authoring import guardrails, policy_rule_sets, routing_policies
from core.models import (
    Budget,
    Guardrail,
    PolicyRuleSet,
    Project,
    Provider,
    RoutingPolicy,
    VirtualKey,
)
from webapp.queries.bundle import budgets_on
from webapp.queries.bundle_checks import checks_on

_OFFERED = 100


@dataclass(frozen=True, slots=True)
class Setup:
    """What a call would be held against. ``key`` is None for what holds for every key."""

    key: VirtualKey | None
    config: dict[str, Any]
    providers: Sequence[Provider]
    """In the order of the key."""
    routing_policy: RoutingPolicy | None
    rule_sets: Sequence[PolicyRuleSet]
    guardrails: Sequence[Guardrail]
    budgets: Sequence[Budget]


def setup_of_key(key: VirtualKey) -> Setup:
    """Return what calls with a key are held against, as its bundle has it."""
    project: Project = Project.get_by_id(key.project_id)
    checks = checks_on([(key, project)])[key.id]
    by_id = {row.id: row for row in _providers(key.organization_id)}
    return Setup(
        key,
        key.config,
        [by_id[each] for each in key.provider_ids if each in by_id],
        routing_policies.applying_to(key, project),
        checks.policies,
        checks.guardrails,
        budgets_on(key, project),
    )


def setup_of_everybody(organization_id: str) -> Setup:
    """Return what every call of an organization is held against; all of its providers may serve."""
    policies = routing_policies.all_of(organization_id)
    default = [row for row in policies if row.scope == "organization" and row.is_default]
    sets = policy_rule_sets.all_of(organization_id)
    guards = guardrails.all_of(organization_id)
    budgets = Budget.select().where(
        Budget.organization_id == organization_id,
        Budget.scope == "organization",
        Budget.archived_at.is_null(),
    )
    return Setup(
        None,
        {},
        _providers(organization_id),
        default[0] if default else None,
        [row for row in sets if row.enabled and row.scope == "organization"],
        [r for r in guards if r.enabled and r.is_automatic and r.scope == "organization"],
        list(budgets.order_by(Budget.id)),
    )


def named_key(organization_id: str, text: str, personal_of: str | None) -> VirtualKey | None:
    """Return the key that a text names by its id, its shown beginning or its name; one in use first.

    ``personal_of`` leaves out the personal keys of everybody else; None leaves out none.
    """
    rows = VirtualKey.select().where(
        VirtualKey.organization_id == organization_id,
        (VirtualKey.id == text) | (VirtualKey.display_prefix == text) | (VirtualKey.name == text),
        _visible(personal_of),
    )
    found: VirtualKey | None = rows.order_by(VirtualKey.status, VirtualKey.id).first()
    return found


def offered_keys(organization_id: str, personal_of: str | None) -> list[tuple[str, str]]:
    """Return the name and the shown beginning of the newest keys in use, to choose from."""
    rows = (
        VirtualKey.select(VirtualKey.name, VirtualKey.display_prefix)
        .where(
            VirtualKey.organization_id == organization_id,
            VirtualKey.status == "active",
            _visible(personal_of),
        )
        .order_by(VirtualKey.id.desc())
        .limit(_OFFERED)
    )
    return [(row.name, row.display_prefix) for row in rows]


def _visible(personal_of: str | None) -> Any:
    if personal_of is None:
        return VirtualKey.organization_id.is_null(False)
    own: Any = VirtualKey.principal_user_id == personal_of
    return VirtualKey.principal_user_id.is_null() | own


def _providers(organization_id: str) -> list[Provider]:
    rows = Provider.select().where(
        Provider.organization_id == organization_id, Provider.archived_at.is_null()
    )
    return list(rows.order_by(Provider.name))
