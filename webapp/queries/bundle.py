"""Builds what a gateway is told of a virtual key: claims, providers, budgets, checks. Changes nothing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from core.authoring import routing_policies
from core.authoring.providers import SANDBOX, credential_of
from core.clock import to_ms
from core.database import connection
from core.models import Budget, LimitPeriod, Project, Provider, RoutingPolicy, VirtualKey
from core.secrets import Sealer, SealError, Secret
from rules.windows import Window, period
from webapp.queries.bundle_checks import Checks
from webapp.queries.observed import observed

LOG = logging.getLogger(__name__)
ISSUER = "langwatch-control-plane"
AUDIENCE = "langwatch-gateway"
CLAIMS_LIFETIME = timedelta(minutes=15)
_ETAG_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Sealers:
    """``stored`` opens what the database holds; ``travelling`` seals it for the gateway."""

    stored: Sealer
    travelling: Sealer


@dataclass(frozen=True, slots=True)
class Bundle:
    """A key's bundle; ``etag`` changes with everything but what was spent."""

    config: dict[str, Any]
    etag: str


def bundle_of(key: VirtualKey, sealers: Sealers, now: datetime) -> Bundle:
    """Return the bundle of a key as of now, in ten statements; in two more where departments have
    privacy rules."""
    with connection():
        project: Project = Project.get_by_id(key.project_id)
        providers = _providers(key)
        budgets = budgets_on(key, project)
        checks = Checks(key, project)
        policy = routing_policies.applying_to(key, project)
        seen = observed(key, project)
        settled = _settled(budgets, now)
    config = {
        **identity_of(key, project),
        "providers": [told for row in providers if (told := _provider(row, sealers))],
        "budgets": [_budget(row, settled, now) for row in budgets],
        "config": key.config,
        "routing_policy": None if policy is None else _routing_policy(policy),
        **checks.told(sealers.stored, sealers.travelling),
        **seen,
    }
    rows = [*providers, *budgets, *checks.rows, *([policy] if policy else [])]
    return Bundle(config, _etag(key, project, rows, str(seen)))


def claims_of(config: dict[str, Any], secret: Secret, now: datetime) -> str:
    """Return the signed claims of a bundle; they hold for 15 minutes or until the key expires."""
    expires_at_ms = to_ms(now + CLAIMS_LIFETIME)
    if config["expires_at_ms"] is not None:
        expires_at_ms = min(expires_at_ms, config["expires_at_ms"])
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": to_ms(now) // 1000,
        "exp": expires_at_ms // 1000,
        "vk_id": config["vk_id"],
        "project_id": config["project_id"],
        "team_id": config["team_id"],
        "organization_id": config["organization_id"],
        "org_id": config["organization_id"],
        "principal_id": config["principal_id"],
        "personal": config["personal"],
        "revision": config["revision"],
        "vk_expires_at": config["expires_at_ms"],
    }
    return jwt.encode(claims, secret.reveal(), algorithm="HS256")


def identity_of(key: VirtualKey, project: Project) -> dict[str, Any]:
    """Return the members of a bundle that say who a key is."""
    return {
        "vk_id": key.id,
        "revision": key.revision,
        "status": key.status,
        "name": key.name,
        "display_prefix": key.display_prefix,
        "organization_id": key.organization_id,
        "project_id": project.id,
        "team_id": project.team_id,
        "principal_id": key.principal_user_id,
        "personal": project.is_personal,
        "expires_at_ms": None if key.expires_at is None else to_ms(key.expires_at),
        "tags": key.tags,
    }


def _providers(key: VirtualKey) -> list[Provider]:
    rows = Provider.select().where(
        Provider.id.in_(key.provider_ids),
        Provider.organization_id == key.organization_id,
        Provider.archived_at.is_null(),
    )
    place = {provider_id: index for index, provider_id in enumerate(key.provider_ids)}
    return sorted(rows, key=lambda row: place[row.id])


def _provider(row: Provider, sealers: Sealers) -> dict[str, Any] | None:
    """Return what a gateway is told; nothing of a provider whose credential another master key sealed."""
    try:
        credential = credential_of(row, sealers.stored)
    except SealError:
        LOG.error("credential_unreadable", extra={"provider_id": row.id})
        return None
    sealed = None
    if credential is not None:
        sealed = sealers.travelling.seal(credential.reveal(), f"provider:{row.id}")
    return {
        "id": row.id,
        "name": row.name,
        "type": row.type,
        "base_url": row.base_url,
        "credential": sealed,
        "allow_private": row.is_operator_address or row.type == SANDBOX,
        "settings": row.settings,
        "rate_limits": row.rate_limits,
    }


def _routing_policy(row: RoutingPolicy) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "strategy": row.strategy,
        "provider_ids": row.provider_ids,
        "models_allowed": row.models_allowed,
        "model_aliases": row.model_aliases,
    }


def budgets_on(key: VirtualKey, project: Project) -> list[Budget]:
    """Return the budgets that stand on a key's calls."""
    scopes = [
        ("organization", key.organization_id),
        ("team", project.team_id),
        ("project", project.id),
        ("virtual_key", key.id),
    ]
    if key.principal_user_id:
        scopes.append(("principal", key.principal_user_id))
    ids = [scope_id for _, scope_id in scopes]
    rows = Budget.select().where(
        Budget.organization_id == key.organization_id,
        Budget.scope_id.in_(ids),
        Budget.archived_at.is_null(),
    )
    return [row for row in rows.order_by(Budget.id) if (row.scope, row.scope_id) in scopes]


def _settled(budgets: Sequence[Budget], now: datetime) -> dict[tuple[str, datetime], int]:
    starts = {_start(row, now) for row in budgets}
    rows = LimitPeriod.select().where(
        LimitPeriod.limit_id.in_([row.id for row in budgets]),
        LimitPeriod.period_start.in_(list(starts)),
    )
    return {(row.limit_id, row.period_start): row.settled for row in rows}


def _start(row: Budget, now: datetime) -> datetime:
    return period(Window(row.window), now, row.cycle_anchor_at, row.last_reset_at)[0]


def _budget(row: Budget, settled: dict[tuple[str, datetime], int], now: datetime) -> dict[str, Any]:
    start = _start(row, now)
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "scope_id": row.scope_id,
        "window": row.window,
        "anchor_ms": None if row.cycle_anchor_at is None else to_ms(row.cycle_anchor_at),
        "reset_ms": None if row.last_reset_at is None else to_ms(row.last_reset_at),
        "provider_id": row.provider_id,
        "limit_nanousd": row.limit_at(now),
        "on_breach": row.on_breach,
        "on_unpriced": row.on_unpriced,
        "on_outage": row.on_outage,
        "period_start_ms": to_ms(start),
        "settled_nanousd": settled.get((row.id, start), 0),
    }


def _etag(key: VirtualKey, project: Project, rows: Sequence[Any], more: str) -> str:
    parts = [project.team_id, more, *(f"{row.id}@{row.updated_at}" for row in rows)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{key.revision}.{digest[:_ETAG_CHARACTERS]}"
