"""Reads ingestion sources of one organization."""

from __future__ import annotations

from core.fault import Fault, Refused
from core.models import IngestionSource


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
    """Return one source, archived or not; raises Refused(NOT_FOUND) for another organization's."""
    source = IngestionSource.get_or_none(
        IngestionSource.id == source_id, IngestionSource.organization_id == organization_id
    )
    if source is None:
        raise Refused(Fault.NOT_FOUND, "There is no such source.")
    return source
