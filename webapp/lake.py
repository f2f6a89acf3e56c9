"""Hands a view the lake of the signed-in person's organisation; the reader is opened once, by the app factory."""

from __future__ import annotations

from flask import current_app

from webapp.queries.activity import LakeActivity


def lake_activity(organization_id: str) -> LakeActivity:
    """Return the lake's answers for that organisation."""
    return LakeActivity(current_app.extensions["lake_reader"], organization_id)
