"""Reads ingestion sources of one organisation."""

from __future__ import annotations

from core.fault import Fault, Refused
from core.models import IngestionSource, Team


def live_sources(organization_id: str) -> list[IngestionSource]:
    """Return the sources that are not archived, by name."""
    return list(
        IngestionSource.select()
        .where(
            IngestionSource.organization_id == organization_id,
            IngestionSource.archived_at.is_null(),
        )
        .order_by(IngestionSource.name)
    )


def source_of(organization_id: str, source_id: str) -> IngestionSource:
    """Return one source, archived or not; raises Refused(NOT_FOUND) for another organisation's."""
    source = IngestionSource.get_or_none(
        IngestionSource.id == source_id, IngestionSource.organization_id == organization_id
    )
    if source is None:
        raise Refused(Fault.NOT_FOUND, "There is no such source.")
    return source


def source_names(organization_id: str) -> dict[str, str]:
    """Return the name of every source by its id, archived ones too, because their events remain."""
    rows = IngestionSource.select(IngestionSource.id, IngestionSource.name).where(
        IngestionSource.organization_id == organization_id
    )
    return {row.id: row.name for row in rows}


def team_names(organization_id: str) -> dict[str, str]:
    """Return the name of every team by its id, by name; personal workspaces and archived teams too."""
    rows = Team.select(Team.id, Team.name).where(Team.organization_id == organization_id)
    return {row.id: row.name for row in rows.order_by(Team.name)}
