"""Whether the web app lives and whether it can work. Says nothing about anyone's data."""

from __future__ import annotations

import logging

import peewee
from flask import Blueprint, Response

from core.database import pending_migrations
from webapp.access import machine
from webapp.faults import json_answer

LOG = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@machine
def alive() -> Response:
    """Answer that the process answers."""
    return json_answer({"status": "ok"})


@blueprint.get("/readyz")
@machine
def ready() -> Response:
    """Answer 200 when the database is there and current, else 503."""
    try:
        pending = pending_migrations()
    except peewee.PeeweeException as error:
        LOG.warning("not_ready", extra={"reason": type(error).__name__})
        return json_answer({"status": "not ready", "database": "unreachable"}, 503)
    if pending:
        return json_answer({"status": "not ready", "database": "not migrated"}, 503)
    return json_answer({"status": "ok", "database": "ok"})
