"""The routes of the web app, a module a concern. ``BLUEPRINTS`` is every one of them."""

from __future__ import annotations

from webapp.api.tables import blueprint as api_blueprint
from webapp.views import (
    anomalies,
    anomaly_rules,
    audit_log,
    governance,
    health,
    ingestion_sources,
    internal,
    jobs,
    patterns,
    receivers,
    setup,
    setup_state,
    sign_in,
    welcome,
)

BLUEPRINTS = (
    api_blueprint,
    health.blueprint,
    sign_in.blueprint,
    setup.blueprint,
    welcome.blueprint,
    setup_state.blueprint,
    internal.blueprint,
    receivers.blueprint,
    patterns.blueprint,
    governance.blueprint,
    ingestion_sources.blueprint,
    anomaly_rules.blueprint,
    anomalies.blueprint,
    jobs.blueprint,
    audit_log.blueprint,
)
