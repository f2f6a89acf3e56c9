"""Says what shall be seen of a key's calls beyond the ledger: captured content, and spans. Changes nothing."""

from collections.abc import Sequence
from typing import Any

from peewee import JOIN

from core import privacy
from core.authoring import capture
from core.models import Organization, Project, TraceDestination, VirtualKey


def observed(placed: Sequence[tuple[VirtualKey, Project]]) -> dict[str, dict[str, object]]:
    """Return the members of bundles that tell a gateway what to note of calls, by key.

    In two statements for any number of keys, and in two more where departments have privacy rules.
    """
    is_wanted = (
        (TraceDestination.organization_id == Organization.id)
        & TraceDestination.archived_at.is_null()
        & (TraceDestination.is_enabled == True)  # noqa: E712 - a column, not a value
    )
    columns = (
        Organization.id,
        Organization.is_capture_allowed,
        TraceDestination.scope,
        TraceDestination.scope_id,
    )
    query: Any = (
        Organization.select(*columns)
        .join(TraceDestination, JOIN.LEFT_OUTER, on=is_wanted)
        .where(Organization.id.in_({key.organization_id for key, _ in placed}))
        .tuples()
    )
    rows: list[tuple[str, bool, str | None, str | None]] = list(query)
    forbidding = {home for home, is_allowed, _, _ in rows if not is_allowed}
    traced = {(home, scope, scope_id) for home, _, scope, scope_id in rows}
    held = privacy.for_keys(placed)
    found: dict[str, dict[str, object]] = {}
    for key, project in placed:
        home = key.organization_id
        places = (
            (home, "organization", home),
            (home, "team", project.team_id),
            (home, "project", project.id),
        )
        found[key.id] = {
            "capture": capture.mode_of(key.config, home not in forbidding),
            "privacy": held[key.id].as_json(),
            "is_traced": not traced.isdisjoint(places),
        }
    return found
