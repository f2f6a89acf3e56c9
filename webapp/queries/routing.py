"""Reads what routing policies are about: who names each, and the providers by name. Decides nothing."""

from __future__ import annotations

from core.database import database, is_sqlite
from core.models import Provider

_NAMED_SQLITE = "json_extract(k.config, '$.routing_policy_id')"
_NAMED_POSTGRES = "(k.config::jsonb ->> 'routing_policy_id')"


def keys_by_policy(organization_id: str) -> dict[str, int]:
    """Return how many keys that are not revoked name each routing policy, by its id; one statement."""
    named, mark = (_NAMED_SQLITE, "?") if is_sqlite() else (_NAMED_POSTGRES, "%s")
    counted = database.execute_sql(
        f"SELECT {named}, count(*) FROM virtual_key AS k "
        f"WHERE k.organization_id = {mark} AND k.status <> {mark} AND {named} IS NOT NULL "
        f"GROUP BY {named}",
        (organization_id, "revoked"),
    )
    return dict(counted.fetchall())


def provider_names(organization_id: str) -> dict[str, str]:
    """Return the name of every provider that is not archived by its id, in order of the names."""
    rows = Provider.select(Provider.id, Provider.name).where(
        Provider.organization_id == organization_id, Provider.archived_at.is_null()
    )
    return {row.id: row.name for row in rows.order_by(Provider.name)}
