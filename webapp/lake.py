"""Hands a view the lake of the signed-in person's organisation; the reader is opened once, by the app factory."""

from __future__ import annotations

from webapp.queries.activity import LakeActivity
from webapp.state import control_plane


def lake_activity(organization_id: str) -> LakeActivity:
    """Return the lake's answers for that organisation."""
    return LakeActivity(control_plane().lake, organization_id)
