"""Builds what a gateway is told of a virtual key: claims, providers, budgets, checks. Changes nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.authoring import routing_policies
from core.authoring.providers import SANDBOX, credential_of
from core.bulk import among
from core.clock import to_ms
from core.database import connection
from core.models import Budget, LimitPeriod, Project, Provider, RoutingPolicy, VirtualKey
from core.secrets import Sealer, SealError, Secret
from rules.windows import Window, period
from webapp.queries.bundle_checks import Checks, checks_on
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
    bundles = Bundles([key], sealers, now)
    return Bundle(bundles.config(key), bundles.etag(key))


IDENTIFYING = (
    *(VirtualKey.id, VirtualKey.organization_id, VirtualKey.project_id, VirtualKey.name),
    *(VirtualKey.status, VirtualKey.display_prefix, VirtualKey.principal_user_id),
    *(VirtualKey.provider_ids, VirtualKey.config, VirtualKey.tags, VirtualKey.revision),
    VirtualKey.expires_at,
)
"""The columns of a key that its bundle is made of."""


class Bundles:
    """The bundles of any number of keys as of now, in the statements that one costs.

    What keys share, such as a provider with its sealed credential, is made once and stands in each of them. Keys
    may be rows of few columns, those that ``IDENTIFYING`` names.
    """

    def __init__(self, keys: Sequence[VirtualKey], sealers: Sealers, now: datetime) -> None:
        self._sealers, self._now = sealers, now
        self._told: dict[str, Any] = {}
        self._told_checks: dict[int, dict[str, Any]] = {}
        with connection():
            self._projects = _projects(keys)
            placed = [(key, self._projects[key.project_id]) for key in keys]
            self._providers = _providers(keys)
            self._budgets = budgets_by_key(placed)
            self._checks = checks_on(placed)
            self._policies = routing_policies.applying_to_each(placed)
            self._seen = observed(placed)
            self._settled = _settled(self._budgets, now)

    def config(self, key: VirtualKey) -> dict[str, Any]:
        """Return what a gateway is told of a key."""
        policy = self._policies.get(key.id)
        return {
            **identity_of(key, self._projects[key.project_id]),
            "providers": [told for row in self._chain(key) if (told := self._provider(row))],
            "budgets": [self._budget(row) for row in self._budgets[key.id]],
            "config": key.config,
            "routing_policy": None if policy is None else _routing_policy(policy),
            **self._checked(self._checks[key.id]),
            **self._seen[key.id],
        }

    def etag(self, key: VirtualKey) -> str:
        """Return what changes with everything in a bundle but what was spent."""
        policy = self._policies.get(key.id)
        checks = self._checks[key.id].rows
        rows = [*self._chain(key), *self._budgets[key.id], *checks, *([policy] if policy else [])]
        return _etag(key, self._projects[key.project_id], rows, str(self._seen[key.id]))

    def _chain(self, key: VirtualKey) -> list[Provider]:
        """Return a key's providers in its order, those of another organization left out."""
        found = [self._providers[each] for each in key.provider_ids if each in self._providers]
        return [row for row in found if row.organization_id == key.organization_id]

    def _provider(self, row: Provider) -> dict[str, Any] | None:
        if row.id not in self._told:
            self._told[row.id] = _provider(row, self._sealers)
        told: dict[str, Any] | None = self._told[row.id]
        return told

    def _budget(self, row: Budget) -> dict[str, Any]:
        if row.id not in self._told:
            self._told[row.id] = _budget(row, self._settled, self._now)
        told: dict[str, Any] = self._told[row.id]
        return told

    def _checked(self, checks: Checks) -> dict[str, Any]:
        if id(checks) not in self._told_checks:
            sealers = self._sealers
            self._told_checks[id(checks)] = checks.told(sealers.stored, sealers.travelling)
        return self._told_checks[id(checks)]


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
    told = _CLAIMS_HEADER + b"." + _base64url(orjson.dumps(claims))
    signature = hmac.digest(secret.reveal().encode(), told, hashlib.sha256)
    return (told + b"." + _base64url(signature)).decode()


def _base64url(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")


# As a JWT library writes it; a library's checks of every call's arguments would be half the time of a page of keys.
_CLAIMS_HEADER = _base64url(b'{"alg":"HS256","typ":"JWT"}')


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


def _projects(keys: Sequence[VirtualKey]) -> dict[str, Project]:
    columns = (Project.id, Project.team_id, Project.is_personal, Project.department_id)
    rows: Any = Project.select(*columns).where(among(Project.id, {key.project_id for key in keys}))
    return {row.id: row for row in rows.namedtuples()}


def _providers(keys: Sequence[VirtualKey]) -> dict[str, Provider]:
    rows = Provider.select().where(
        Provider.id.in_({each for key in keys for each in key.provider_ids}),
        Provider.archived_at.is_null(),
    )
    return {row.id: row for row in rows}


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
    return budgets_by_key([(key, project)])[key.id]


def budgets_by_key(placed: Sequence[tuple[VirtualKey, Project]]) -> dict[str, list[Budget]]:
    """Return the budgets that stand on the calls of keys, by key, in one statement."""
    scopes = {key.id: _scopes(key, project) for key, project in placed}
    rows = Budget.select().where(
        among(Budget.scope_id, {scope_id for each in scopes.values() for _, scope_id in each}),
        Budget.archived_at.is_null(),
    )
    by_place: dict[tuple[str, str, str], list[Budget]] = {}
    for row in rows.order_by(Budget.id):
        by_place.setdefault((row.organization_id, row.scope, row.scope_id), []).append(row)
    found = {}
    for key, _ in placed:
        places = [(key.organization_id, *place) for place in scopes[key.id]]
        standing = [row for place in places for row in by_place.get(place, ())]
        found[key.id] = sorted(standing, key=lambda row: str(row.id))
    return found


def _scopes(key: VirtualKey, project: Project) -> list[tuple[str, str]]:
    scopes = [
        ("organization", key.organization_id),
        ("team", project.team_id),
        ("project", project.id),
        ("virtual_key", key.id),
    ]
    if key.principal_user_id:
        scopes.append(("principal", key.principal_user_id))
    return scopes


def _settled(
    budgets: Mapping[str, Sequence[Budget]], now: datetime
) -> dict[tuple[str, datetime], int]:
    """Return what was spent in the present period of budgets, in one statement."""
    each = {row.id: row for rows in budgets.values() for row in rows}
    starts = {budget_id: _start(row, now) for budget_id, row in each.items()}
    rows = LimitPeriod.select().where(
        among(LimitPeriod.limit_id, starts.keys()),
        LimitPeriod.period_start.in_(set(starts.values())),
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
