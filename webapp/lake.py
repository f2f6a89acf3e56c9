"""Hands a view the lake of the signed-in person's organization; the reader is opened once, by the app factory."""

from __future__ import annotations

import time

from flask import Flask, current_app

from webapp.queries.activity import LakeActivity
from webapp.queries.recent import RecentAnswers
from webapp.state import control_plane

_ANSWERS = "lake_answers"


def install_lake(app: Flask) -> None:
    """Give ``app`` its share of recent answers."""
    app.extensions[_ANSWERS] = RecentAnswers(time.monotonic)


def lake_activity(organization_id: str) -> LakeActivity:
    """Return the lake's answers for that organization."""
    return LakeActivity(control_plane().lake, organization_id, current_app.extensions[_ANSWERS])
