"""The part of a key's bundle that its calls are checked against: policies, guardrails, cache rules."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from core.authoring import guardrails
from core.models import CacheRule, Guardrail, PolicyRuleSet, Project, VirtualKey
from core.secrets import Sealer, SealError

LOG = logging.getLogger(__name__)
Row = PolicyRuleSet | CacheRule | Guardrail


class Checks:
    """What applies to one key, as rows; three statements."""

    def __init__(self, key: VirtualKey, project: Project) -> None:
        scopes = {
            ("organization", key.organization_id),
            ("team", project.team_id),
            ("project", project.id),
        }
        named = {
            guardrail_id
            for ids in (key.config.get("guardrails") or {}).values()
            for guardrail_id in ids
        }
        self.policies = [
            row for row in _enabled(PolicyRuleSet, key) if (row.scope, row.scope_id) in scopes
        ]
        self.cache_rules: list[CacheRule] = list(_enabled(CacheRule, key))
        self.guardrails = [
            row
            for row in _enabled(Guardrail, key)
            if (row.scope, row.scope_id) in scopes and (row.is_automatic or row.id in named)
        ]

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


def _enabled(model: Any, key: VirtualKey) -> Any:
    query = model.select().where(
        model.organization_id == key.organization_id, model.archived_at.is_null(), model.enabled
    )
    return query.order_by(model.created_at, model.id)


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
