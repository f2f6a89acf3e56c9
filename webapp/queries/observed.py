"""Says what shall be seen of a key's calls beyond the ledger: captured content, and spans. Changes nothing."""

from typing import Any

from peewee import JOIN

from core import privacy
from core.authoring import capture
from core.models import Organization, Project, TraceDestination, VirtualKey


def observed(key: VirtualKey, project: Project) -> dict[str, object]:
    """Return the members of a bundle that tell a gateway what to note of the key's calls, in two statements
    and in two more where departments have privacy rules."""
    is_wanted = (
        (TraceDestination.organization_id == Organization.id)
        & TraceDestination.archived_at.is_null()
        & (TraceDestination.is_enabled == True)  # noqa: E712 - a column, not a value
    )
    columns = (
        Organization.is_capture_allowed,
        TraceDestination.scope,
        TraceDestination.scope_id,
    )
    query: Any = (
        Organization.select(*columns)
        .join(TraceDestination, JOIN.LEFT_OUTER, on=is_wanted)
        .where(Organization.id == key.organization_id)
        .tuples()
    )
    rows: list[tuple[bool, str | None, str | None]] = list(query)
    scopes = {
        ("organization", key.organization_id),
        ("team", project.team_id),
        ("project", project.id),
    }
    is_allowed = all(allowed for allowed, _, _ in rows)
    return {
        "capture": capture.mode_of(key.config, is_allowed),
        "privacy": privacy.for_key(key, project).as_json(),
        "is_traced": any((scope, scope_id) in scopes for _, scope, scope_id in rows),
    }
