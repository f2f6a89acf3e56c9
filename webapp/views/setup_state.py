"""How far the signed-in person's organization has come, for command lines and scripts."""

from __future__ import annotations

from flask import Blueprint, Response

from core.clock import utcnow
from webapp.access import api_caller, viewer
from webapp.faults import json_answer
from webapp.setup_state import setup_state
from webapp.state import control_plane

blueprint = Blueprint("setup_state", __name__)


@blueprint.get("/api/governance/setup-state")
@api_caller("governance:view")
def show() -> Response:
    """Answer with the setup state as JSON."""
    state = setup_state(control_plane().lake, viewer().organization_id, utcnow())
    return json_answer({"setup": state.as_json()})
