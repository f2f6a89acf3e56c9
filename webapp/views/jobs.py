"""The page of the streamer's jobs: the place to look when numbers do not move."""

from __future__ import annotations

from flask import Blueprint, Response

from core.clock import utcnow
from webapp.access import requires
from webapp.page_models import jobs as pages
from webapp.pages import respond
from webapp.queries.jobs import heartbeats

blueprint = Blueprint("jobs", __name__)


@blueprint.get("/settings/jobs")
@requires("governance:view")
def index() -> Response:
    """Answer with every job's heartbeat, or with the part of it that is polled."""
    now = utcnow()
    page = pages.JobsPage(now=now, rows=tuple(pages.row_of(beat, now) for beat in heartbeats()))
    return respond("jobs.html", ("jobs",), page=page)
