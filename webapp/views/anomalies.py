"""Anomalies: the list by state, one in detail, and what people do about it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request

from core.authoring import anomalies as authoring
from core.clock import utcnow
from webapp.access import requires, viewer
from webapp.page_models import anomalies as pages
from webapp.pages import respond, see
from webapp.queries.anomalies import (
    anomaly_of,
    deliveries_of,
    newest_anomalies,
    open_by_severity,
)

blueprint = Blueprint("anomalies", __name__)
HERE = "/governance/anomalies"
SHOWN = 100


@blueprint.get(HERE)
@requires("activityMonitor:view")
def index() -> Response:
    """Answer with the anomalies in one state; without a choice, the open ones."""
    organization_id = viewer().organization_id
    wanted = request.args.get("state", "open")
    state = wanted if wanted in dict(pages.STATES) else ""
    page = pages.AnomaliesPage(
        now=utcnow(),
        anomalies=newest_anomalies(organization_id, SHOWN, state),
        state=state,
        open_by_severity=open_by_severity(organization_id),
    )
    return respond("anomalies.html", ("anomalies",), page=page)


@blueprint.get(f"{HERE}/<anomaly_id>")
@requires("activityMonitor:view")
def show(anomaly_id: str) -> Response:
    """Answer with one anomaly."""
    who = viewer()
    anomaly = anomaly_of(who.organization_id, anomaly_id)
    page = pages.AnomalyPage(
        now=utcnow(),
        anomaly=anomaly,
        deliveries=deliveries_of(anomaly),
        may_manage=who.may("anomalyRules:manage"),
    )
    return respond("anomaly.html", page=page)


@blueprint.post(f"{HERE}/<anomaly_id>/acknowledge")
@requires("anomalyRules:manage")
def acknowledge(anomaly_id: str) -> Response:
    """Note that somebody looks at it."""
    authoring.acknowledge(viewer().actor(), anomaly_id, utcnow())
    flash("Acknowledged. It no longer counts as open.", "positive")
    return see("anomalies.show", anomaly_id=anomaly_id)


@blueprint.post(f"{HERE}/<anomaly_id>/resolve")
@requires("anomalyRules:manage")
def resolve(anomaly_id: str) -> Response:
    """Note that it is dealt with."""
    authoring.resolve(viewer().actor(), anomaly_id, utcnow())
    flash("Resolved.", "positive")
    return see("anomalies.show", anomaly_id=anomaly_id)
