"""Builds the pages from which a gateway learns all keys beforehand. Changes nothing.

The bundles of a page are made together, so it costs the statements that one key costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.clock import to_ms
from core.database import connection
from core.models import VirtualKey
from core.secrets import Secret, key_id_of, lookup_key
from webapp.queries.bundle import IDENTIFYING, Bundles, Sealers, claims_of

PAGE_KEYS = 1000
_COLUMNS = (
    *IDENTIFYING,
    *(VirtualKey.lookup_hash, VirtualKey.previous_lookup_hash, VirtualKey.previous_valid_until),
)
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
    query: Any = VirtualKey.select(*_COLUMNS).where(
        VirtualKey.id > after,
        VirtualKey.status == "active",
        VirtualKey.lookup_hash.startswith(known_as),
        is_alive,
    )
    # Not as models: half the time of a page would go into putting values into them.
    return list(query.order_by(VirtualKey.id).limit(PAGE_KEYS).namedtuples())


def _told(rows: list[VirtualKey], terms: StockTerms, now: datetime) -> list[dict[str, Any]]:
    bundles = Bundles(rows, terms.sealers, now)
    return [_entry(row, bundles.config(row), terms.claim_secret, now) for row in rows]


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
