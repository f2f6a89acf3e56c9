"""``/api/gateway/v1``: what calls are checked against and where they and their traces go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from core.authoring import (
    cache_rules,
    guardrails,
    policy_rule_sets,
    routing_policies,
    trace_destinations,
)
from core.authoring.actor import Actor
from core.models import CacheRule, Guardrail, PolicyRuleSet, RoutingPolicy, TraceDestination
from webapp.api.endpoint import Call
from webapp.api.resource import Permissions, Resource
from webapp.api.shared import DATES, GATEWAY, SEEN_AND_MANAGED
from webapp.places import guardrail_place, routing_policy_place, rule_set_place
from webapp.queries.ruled import refuse_at, within_reach

_SCOPED = {"id": str, "name": str, "description": str, "scope": str, "scope_id": str}
Priority = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]
Rules = dict[str, Any]


def _within(permission: str) -> Callable[[Call, Any], Any]:
    """Return what narrows a list to rows that stand where the caller holds a permission."""
    return lambda call, rows: rows.where(within_reach(rows.model, call.viewer.reach(permission)))


def _judged(call: Call, permission: str, new: Any) -> Actor:
    """Return the caller as an actor. Raises Refused unless they hold a permission where a rule shall stand."""
    refuse_at(call.viewer, permission, new.scope, new.scope_id)
    return call.actor


CACHE_RULES = Resource(
    noun="cache rule",
    root=f"{GATEWAY}/cache-rules",
    tag="Cache rules",
    model=CacheRule,
    permissions=Permissions.of("gatewayCacheRules"),
    takes=cache_rules.NewCacheRule,
    types={"priority": Priority},
    shown={
        "id": str,
        "name": str,
        "description": str,
        "priority": int,
        "enabled": bool,
        "matchers": Rules,
        "mode": str,
        **DATES,
    },
    find=cache_rules.find,
    make=lambda call, new: cache_rules.create(call.actor, new, call.now),
    alter=lambda call, row, new: cache_rules.update(
        call.actor, row.id, new, call.now, call.expected
    ),
    end=lambda call, rule_id: cache_rules.archive(call.actor, rule_id, call.now),
)

GUARDRAILS = Resource(
    noun="guardrail",
    root=f"{GATEWAY}/guardrails",
    tag="Guardrails",
    model=Guardrail,
    permissions=Permissions.of("gatewayGuardrails"),
    takes=guardrails.NewGuardrail,
    hidden=("is_operator_address",),
    addresses=("type", "settings"),
    shown={
        **_SCOPED,
        "type": str,
        "settings": Rules,
        "action": str,
        "directions": list[str],
        "on_failure": str,
        "is_automatic": bool,
        "enabled": bool,
        **DATES,
    },
    find=guardrails.find,
    at=guardrail_place,
    within=_within("gatewayGuardrails:view"),
    made_anywhere=True,
    make=lambda call, new: guardrails.create(
        _judged(call, "gatewayGuardrails:create", new), new, call.plane.sealer, call.now
    ),
    alter=lambda call, row, new: guardrails.update(
        _judged(call, "gatewayGuardrails:update", new),
        row.id,
        new,
        call.plane.sealer,
        call.now,
        call.expected,
    ),
    end=lambda call, row_id: guardrails.archive(call.actor, row_id, call.now),
)

POLICY_RULE_SETS = Resource(
    noun="policy rule set",
    root=f"{GATEWAY}/policy-rule-sets",
    tag="Policy rules",
    model=PolicyRuleSet,
    permissions=Permissions.managed("routingPolicies"),
    takes=policy_rule_sets.NewPolicyRuleSet,
    shown={**_SCOPED, "rules": Rules, "enabled": bool, **DATES},
    find=policy_rule_sets.find,
    at=rule_set_place,
    within=_within("routingPolicies:view"),
    made_anywhere=True,
    make=lambda call, new: policy_rule_sets.create(
        _judged(call, "routingPolicies:manage", new), new, call.now
    ),
    alter=lambda call, row, new: policy_rule_sets.update(
        _judged(call, "routingPolicies:manage", new), row.id, new, call.now, call.expected
    ),
    end=lambda call, row_id: policy_rule_sets.archive(call.actor, row_id, call.now),
)

ROUTING_POLICIES = Resource(
    noun="routing policy",
    root=f"{GATEWAY}/routing-policies",
    tag="Routing policies",
    model=RoutingPolicy,
    permissions=Permissions.managed("routingPolicies"),
    takes=routing_policies.NewRoutingPolicy,
    shown={
        **_SCOPED,
        "strategy": str,
        "provider_ids": list[str],
        "models_allowed": list[str],
        "model_aliases": Rules,
        "is_default": bool,
        **DATES,
    },
    find=routing_policies.find,
    at=routing_policy_place,
    within=_within("routingPolicies:view"),
    made_anywhere=True,
    make=lambda call, new: routing_policies.create(
        _judged(call, "routingPolicies:manage", new), new, call.now
    ),
    alter=lambda call, row, new: routing_policies.update(
        _judged(call, "routingPolicies:manage", new), row.id, new, call.now, call.expected
    ),
    end=lambda call, row_id: routing_policies.archive(call.actor, row_id, call.now),
)

TRACE_DESTINATIONS = Resource(
    noun="trace destination",
    root=f"{GATEWAY}/trace-destinations",
    tag="Trace destinations",
    model=TraceDestination,
    permissions=SEEN_AND_MANAGED,
    takes=trace_destinations.NewTraceDestination,
    hidden=("is_operator_address",),
    addresses=("endpoint",),
    shown={
        "id": str,
        "name": str,
        "scope": str,
        "scope_id": str,
        "endpoint": str,
        "header_names": list[str],
        "is_enabled": bool,
        "failures": int,
        "last_error": str,
        "last_sent_at": datetime,
        "sent_spans": int,
        "dropped_spans": int,
        **DATES,
    },
    find=trace_destinations.find,
    make=lambda call, new: trace_destinations.create(call.actor, new, call.plane.sealer, call.now),
    alter=lambda call, row, new: trace_destinations.update(
        call.actor, row.id, new, call.plane.sealer, call.now, call.expected
    ),
    end=lambda call, row_id: trace_destinations.archive(call.actor, row_id, call.now),
)
