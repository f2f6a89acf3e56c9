"""How the budgets of a virtual key stand, for command lines that hold nothing but the key."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, request

from core.authoring import virtual_keys
from core.clock import isoformat, to_ms, utcnow
from core.database import connection
from core.fault import Fault, Refused
from core.increase_links import Asking, link
from core.models import Project, VirtualKey
from core.spending import Standing, standings
from rules.limits import Verdict
from webapp.access import machine
from webapp.faults import json_answer
from webapp.page_models.budgets import plain_usd
from webapp.queries.bundle import budgets_on
from webapp.state import control_plane

blueprint = Blueprint("budget_status", __name__)
_BEARER = "Bearer "


@blueprint.get("/api/auth/cli/budget/status")
@machine
def status() -> Response:
    """Answer 200 while calls may go on, 402 with the budget that is spent; the key comes as a bearer token."""
    presented = request.headers.get("Authorization", "").removeprefix(_BEARER).strip()
    now = utcnow()
    with connection():
        key = virtual_keys.find_by_secret(control_plane().settings.pepper, presented, now)
        if key is None or key.status != "active":
            raise Refused(Fault.INVALID_API_KEY, "This is not a virtual key in use.")
        project: Project = Project.get_by_id(key.project_id)
        found = standings(budgets_on(key, project), now)
    ranked = sorted(found, key=lambda one: one.check.percent, reverse=True)
    told = [_told(one, key, now) for one in ranked]
    spent = next(
        (
            one
            for one in ranked
            if one.check.verdict is Verdict.BLOCK and one.budget.provider_id is None
        ),
        None,
    )
    if spent is None:
        return json_answer({"ok": True, "budgets": told})
    error = {"type": "budget_exceeded", **_told(spent, key, now)}
    return json_answer({"ok": False, "error": error, "budgets": told}, 402)


def _told(one: Standing, key: VirtualKey, now: datetime) -> dict[str, object]:
    budget, settings = one.budget, control_plane().settings
    asking = Asking(key.organization_id, budget.id, key.id, key.principal_user_id)
    base = settings.web_url or request.host_url.rstrip("/")
    return {
        "id": budget.id,
        "name": budget.name,
        "scope": budget.scope,
        "period": budget.window,
        "limit_usd": plain_usd(one.limit_nanousd),
        "spent_usd": plain_usd(one.spent_nanousd),
        "percent": one.check.percent,
        "on_breach": budget.on_breach,
        "resets_at": None if one.ends_at is None else isoformat(one.ends_at),
        "request_increase_url": link(base, settings.jwt_secret, asking, to_ms(now) / 1000),
    }
