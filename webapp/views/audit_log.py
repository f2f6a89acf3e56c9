"""The audit log: who changed what, filtered, as a page and as a file, and the proof that nobody altered it."""

from __future__ import annotations

from flask import Blueprint, Response, request, stream_with_context

from core import audit
from core.clock import utcnow
from webapp.access import requires, viewer
from webapp.page_models import audit_log as pages
from webapp.pages import respond
from webapp.queries.audit_log import audit_batches, audit_page, project_choices

blueprint = Blueprint("audit_log", __name__)
HERE = "/settings/audit-log"


@blueprint.get(HERE)
@requires("auditLog:view")
def index() -> Response:
    """Answer with one page of the log."""
    asked, now = pages.Asked.read(request.args), utcnow()
    found = audit_page(viewer().organization_id, asked.filter(now), asked.size, asked.below_id)
    projects = [("", "All projects"), *project_choices(viewer().organization_id)]
    page = pages.AuditLogPage(now, asked, found.rows, found.people, found.older, HERE, projects)
    return respond("audit_log.html", ("rows",), page=page)


@blueprint.get(f"{HERE}/export")
@requires("auditLog:view")
def export() -> Response:
    """Answer with every row asked for, as CSV, however many there are."""
    asked, now = pages.Asked.read(request.args), utcnow()
    batches = audit_batches(viewer().organization_id, asked.filter(now))
    response = Response(stream_with_context(pages.csv_lines(batches)), mimetype="text/csv")
    name = f"audit_logs_{now:%Y-%m-%d}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post(f"{HERE}/verify")
@requires("auditLog:view")
def verify() -> Response:
    """Check the whole chain and answer with what was found."""
    checked = audit.walk(viewer().organization_id)
    return respond("audit_verified.html", ("verified",), checked=checked, back=HERE)
