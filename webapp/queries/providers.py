"""Reads providers of one organization, and how many keys use each."""

from __future__ import annotations

from core.database import database, is_sqlite
from core.models import Provider

_EACH_SQLITE = "json_each(k.provider_ids) AS e"
_EACH_POSTGRES = "jsonb_array_elements_text(k.provider_ids::jsonb) AS e(value)"


def live_providers(organization_id: str) -> list[Provider]:
    """Return the providers that are not archived, by name."""
    rows = Provider.select().where(
        Provider.organization_id == organization_id, Provider.archived_at.is_null()
    )
    return list(rows.order_by(Provider.name))


def key_counts(organization_id: str) -> dict[str, int]:
    """Return how many keys that are not revoked use each provider, by its id; one statement."""
    each, mark = (_EACH_SQLITE, "?") if is_sqlite() else (_EACH_POSTGRES, "%s")
    counted = database.execute_sql(
        f"SELECT e.value, count(*) FROM virtual_key AS k, {each} "
        f"WHERE k.organization_id = {mark} AND k.status <> {mark} GROUP BY e.value",
        (organization_id, "revoked"),
    )
    return dict(counted.fetchall())
