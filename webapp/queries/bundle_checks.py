"""The part of a key's bundle that its calls are checked against: policies, guardrails, cache rules."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.authoring import guardrails
from core.models import CacheRule, Guardrail, PolicyRuleSet, Project, VirtualKey
from core.secrets import Sealer, SealError

LOG = logging.getLogger(__name__)
Row = PolicyRuleSet | CacheRule | Guardrail


@dataclass(frozen=True, slots=True)
class Checks:
    """What applies to a key, as rows."""

    policies: Sequence[PolicyRuleSet]
    cache_rules: Sequence[CacheRule]
    guardrails: Sequence[Guardrail]

    @property
    def rows(self) -> Iterable[Row]:
        """Every row, for the tag that tells one bundle from another."""
        return (*self.policies, *self.cache_rules, *self.guardrails)

    def told(self, stored: Sealer, travelling: Sealer) -> dict[str, Any]:
        """Return the members of the bundle; the secrets of evaluators are sealed for the gateway."""
        return {
            "policies": [{"id": r.id, "name": r.name, "rules": r.rules} for r in self.policies],
            "cache_rules": [
                {"id": r.id, "priority": r.priority, "mode": r.mode, "matchers": r.matchers}
                for r in self.cache_rules
            ],
            "guardrails": [_guardrail(row, stored, travelling) for row in self.guardrails],
        }


def checks_on(placed: Sequence[tuple[VirtualKey, Project]]) -> dict[str, Checks]:
    """Return what applies to keys, by key, in three statements; keys to which the same applies share it."""
    homes = {key.organization_id for key, _ in placed}
    policies, cache_rules, guards = (
        _enabled(model, homes) for model in (PolicyRuleSet, CacheRule, Guardrail)
    )
    shared: dict[tuple[Any, ...], Checks] = {}
    found = {}
    for key, project in placed:
        home, named = key.organization_id, _named(key)
        kind = (home, project.team_id, project.id, named)
        if kind not in shared:
            scopes = {
                ("organization", home),
                ("team", project.team_id),
                ("project", project.id),
            }
            shared[kind] = Checks(
                [row for row in policies.get(home, ()) if (row.scope, row.scope_id) in scopes],
                cache_rules.get(home, ()),
                [
                    row
                    for row in guards.get(home, ())
                    if (row.scope, row.scope_id) in scopes and (row.is_automatic or row.id in named)
                ],
            )
        found[key.id] = shared[kind]
    return found


def _named(key: VirtualKey) -> frozenset[str]:
    """Return the guardrails that a key names itself."""
    named = (key.config.get("guardrails") or {}).values()
    return frozenset(guardrail_id for ids in named for guardrail_id in ids)


def _enabled(model: Any, homes: Collection[str]) -> dict[str, list[Any]]:
    """Return the rows that are in force, by organization, oldest first."""
    query = model.select().where(
        model.organization_id.in_(homes), model.archived_at.is_null(), model.enabled
    )
    found: dict[str, list[Any]] = {}
    for row in query.order_by(model.created_at, model.id):
        found.setdefault(row.organization_id, []).append(row)
    return found


def _guardrail(row: Guardrail, stored: Sealer, travelling: Sealer) -> dict[str, Any]:
    """Return a guardrail; without its secret when another master key sealed it, so that it can't be asked."""
    secret = None
    try:
        opened = guardrails.secret_of(row, stored)
        if opened is not None:
            secret = travelling.seal(opened.reveal(), f"guardrail:{row.id}")
    except SealError:
        LOG.error("guardrail_secret_unreadable", extra={"guardrail_id": row.id})
    return {
        "id": row.id,
        "name": row.name,
        "type": row.type,
        "settings": row.settings,
        "action": row.action,
        "directions": row.directions,
        "on_failure": row.on_failure,
        "is_automatic": row.is_automatic,
        "secret": secret,
        "allow_private": row.is_operator_address,
    }
