"""Builds the pages from which a gateway learns all keys beforehand. Changes nothing.

Keys that share project, principal, providers and configuration share everything of a bundle but who they are,
so a page costs a few statements and not a few for each key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from core.clock import to_ms
from core.database import connection
from core.models import Budget, Project, VirtualKey
from core.secrets import Secret, key_id_of, lookup_key
from webapp.queries.bundle import Sealers, bundle_of, claims_of, identity_of

PAGE_KEYS = 500
LOOKUP_PURPOSE = "virtual key lookup"


@dataclass(frozen=True, slots=True)
class StockTerms:
    """What a page is made with."""

    sealers: Sealers
    claim_secret: Secret
    pepper: Secret


def stock_page(after: str, terms: StockTerms, now: datetime) -> dict[str, Any]:
    """Return the keys behind an id that gateways can find by themselves: active ones whose look-up hash is known."""
    key = lookup_key(terms.pepper)
    with connection():
        rows = _keys(after, f"{key_id_of(key)}:", now)
        told = _told(rows, terms, now)
    return {
        # Sealed like a credential: with it and a presented key a gateway makes the hash that the key goes by.
        "lookup_key": terms.sealers.travelling.seal(key.hex(), LOOKUP_PURPOSE),
        "keys": told,
        "next_page_token": rows[-1].id if len(rows) == PAGE_KEYS else "",
    }


def _keys(after: str, known_as: str, now: datetime) -> list[VirtualKey]:
    is_alive = VirtualKey.expires_at.is_null() | (VirtualKey.expires_at > now)
    query = VirtualKey.select().where(
        VirtualKey.id > after,
        VirtualKey.status == "active",
        VirtualKey.lookup_hash.startswith(known_as),
        is_alive,
    )
    return list(query.order_by(VirtualKey.id).limit(PAGE_KEYS))


def _told(rows: list[VirtualKey], terms: StockTerms, now: datetime) -> list[dict[str, Any]]:
    projects = {
        p.id: p for p in Project.select().where(Project.id.in_({r.project_id for r in rows}))
    }
    with_budget = {
        row.scope_id
        for row in Budget.select(Budget.scope_id).where(
            Budget.scope == "virtual_key", Budget.scope_id.in_([row.id for row in rows])
        )
    }
    shared: dict[bytes, dict[str, Any]] = {}
    told = []
    for row in rows:
        kind = _kind(row)
        if row.id in with_budget:
            config = bundle_of(row, terms.sealers, now).config
        else:
            if kind not in shared:
                shared[kind] = bundle_of(row, terms.sealers, now).config
            config = shared[kind] | identity_of(row, projects[row.project_id])
        told.append(_entry(row, config, terms.claim_secret, now))
    return told


def _kind(row: VirtualKey) -> bytes:
    """Return what decides about a bundle, but for who the key is and what budgets it has alone."""
    parts = [
        row.organization_id,
        row.project_id,
        row.principal_user_id,
        row.provider_ids,
        row.config,
    ]
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)


def _entry(
    row: VirtualKey, config: dict[str, Any], claim_secret: Secret, now: datetime
) -> dict[str, Any]:
    previous, until = row.previous_lookup_hash, row.previous_valid_until
    is_valid = previous is not None and until is not None and until > now
    return {
        "vk_id": row.id,
        "organization_id": row.organization_id,
        "lookup": row.lookup_hash,
        "previous_lookup": previous if is_valid else None,
        "previous_valid_until_ms": to_ms(until) if is_valid and until is not None else None,
        "jwt": claims_of(config, claim_secret, now),
        "config": config,
    }
