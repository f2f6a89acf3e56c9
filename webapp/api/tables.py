"""Every resource of the management API, a row each, and the routes that serve them and describe them."""

from __future__ import annotations

import importlib.metadata
from functools import lru_cache
from typing import Any

from flask import Response

from webapp.access import machine
from webapp.api import (
    budgets,
    calls,
    governance,
    identities,
    kept,
    organization,
    own,
    people,
    person_data,
    providers,
    sign_in,
    spend,
    teams,
    trying,
    virtual_keys,
)
from webapp.api import gateway_rules as rules
from webapp.api.openapi import document
from webapp.api.resource import routes_of
from webapp.api.serving import blueprint_of
from webapp.faults import json_answer

TABLES = (
    virtual_keys.KEYS,
    providers.PROVIDERS,
    budgets.BUDGETS,
    budgets.INCREASES,
    spend.SPEND,
    calls.CALLS,
    organization.ORGANIZATION,
    people.MEMBERS,
    person_data.PERSON_DATA,
    people.INVITATIONS,
    teams.TEAMS,
    teams.PROJECTS,
    identities.DEPARTMENTS,
    identities.GROUPS,
    identities.ROLES,
    identities.BINDINGS,
    identities.ACCOUNTS,
    identities.API_KEYS,
    sign_in.CONNECTIONS,
    sign_in.DIRECTORY,
    governance.SOURCES,
    governance.RULES,
    governance.ANOMALIES,
    governance.AUDIT,
    trying.AUDIT_CHECK,
    kept.PRIVACY_RULES,
    kept.RETENTION_POLICIES,
    routes_of(rules.CACHE_RULES),
    routes_of(rules.GUARDRAILS),
    routes_of(rules.POLICY_RULE_SETS),
    routes_of(rules.ROUTING_POLICIES),
    routes_of(rules.TRACE_DESTINATIONS),
    trying.TRYING,
    own.ACCOUNT,
    own.OWN_API_KEYS,
    own.OWN_KEYS,
    own.OWN_INCREASES,
)
blueprint = blueprint_of(TABLES)


@lru_cache(maxsize=1)
def described() -> dict[str, Any]:
    """Return the OpenAPI document of this version."""
    return document(TABLES, importlib.metadata.version("langwatch-control-plane"))


@blueprint.get("/api/openapi.json")
@machine
def openapi() -> Response:
    """Answer with the OpenAPI document; it tells nothing worth protecting."""
    return json_answer(described())
