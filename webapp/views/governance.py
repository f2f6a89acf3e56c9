"""The governance home, and the addresses that older links use for it."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, request

from core.clock import utcnow
from webapp.access import requires, viewer
from webapp.lake import lake_activity
from webapp.page_models.governance import GovernancePage, View
from webapp.pages import asked_fragment, respond
from webapp.queries.calls import LOGS
from webapp.queries.virtual_keys import OTHERS, VIEW
from webapp.setup_state import setup_state
from webapp.state import control_plane

blueprint = Blueprint("governance", __name__)
FRAGMENTS = ("figures", "spend", "people", "watch")


@blueprint.get("/governance")
@blueprint.get("/settings/governance")
@requires("governance:view")
def home() -> Response:
    """Answer with the governance home or the part of it that is polled."""
    who, now = viewer(), utcnow()
    page = GovernancePage(
        activity=lake_activity(who.organization_id),
        organization_id=who.organization_id,
        now=now,
        view=View.read(request.args),
        may_see_activity=who.may("activityMonitor:view"),
        may_see_sources=who.may("ingestionSources:view"),
        may_manage_sources=who.may("ingestionSources:manage"),
        may_manage_rules=who.may("anomalyRules:manage"),
        may_have_key=who.may("virtualKeys:create"),
        may_open_calls=all(map(who.may, (LOGS, VIEW, OTHERS))),
        setup=lambda: setup_state(control_plane().lake, who.organization_id, now),
    )
    offered = FRAGMENTS if page.may_see_activity else ()
    if page.may_see_activity and asked_fragment(("checklist",)):
        return _grown_out_of_checklist() if page.has_traffic else _checklist(page)
    return respond("governance.html", offered, page=page)


def _checklist(page: GovernancePage) -> Response:
    return respond("governance.html", ("checklist",), page=page)


def _grown_out_of_checklist() -> Response:
    """Tell htmx to load the page anew: the first activity has arrived, and the page has another shape."""
    response = make_response("", 200)
    response.headers["HX-Refresh"] = "true"
    response.headers["Cache-Control"] = "no-store"
    return response
