"""Who gets what from each route: the expected status for a stranger, a member and an administrator.

Ids in the paths name nothing, so 404 is what someone gets who passed the gate. A new route needs a row here.
"""

from tests.component.webapp.app.access_matrix_api import API
from tests.component.webapp.app.access_matrix_gateway import GATEWAY_RULES
from tests.component.webapp.app.access_matrix_keys import KEYS
from tests.component.webapp.app.access_matrix_people import PEOPLE

ROLES = ("stranger", "member", "administrator")

GOVERNANCE = "/settings/governance"
SOURCES = f"{GOVERNANCE}/ingestion-sources"
RULES = f"{GOVERNANCE}/anomaly-rules"
INGEST = "/api/ingest"
INTERNAL = "/api/internal/gateway"
_UNSIGNED = (401, 401, 401)

MATRIX: dict[str, tuple[int, int, int]] = {
    # Before what ends sessions.
    **API,
    "GET /": (303, 303, 303),
    "GET /-/patterns": (200, 200, 200),
    "GET /healthz": (200, 200, 200),
    "GET /readyz": (200, 200, 200),
    "GET /static/<path:filename>": (404, 404, 404),
    "GET /sign-in": (200, 303, 303),
    "POST /sign-in": (422, 422, 422),
    "POST /sign-out": (303, 303, 303),
    "GET /setup": (404, 404, 404),
    "POST /setup": (422, 422, 422),
    "GET /home": (303, 200, 200),
    "GET /welcome": (303, 200, 200),
    "POST /welcome": (303, 303, 303),
    "GET /settings/jobs": (303, 403, 200),
    "GET /api/openapi.json": (200, 200, 200),
    **KEYS,
    "GET /settings/providers": (303, 403, 200),
    "POST /settings/providers": (303, 403, 422),
    "GET /settings/providers/new": (303, 403, 200),
    "POST /settings/providers/test": (303, 403, 422),
    "GET /settings/providers/<provider_id>/edit": (303, 403, 404),
    "POST /settings/providers/<provider_id>/edit": (303, 403, 404),
    "POST /settings/providers/<provider_id>/edit/test": (303, 403, 404),
    "GET /settings/providers/<provider_id>/test": (303, 403, 404),
    "POST /settings/providers/<provider_id>/test": (303, 403, 404),
    "GET /settings/providers/<provider_id>/rotate": (303, 403, 404),
    "POST /settings/providers/<provider_id>/rotate": (303, 403, 404),
    "POST /settings/providers/<provider_id>/archive": (303, 403, 404),
    **GATEWAY_RULES,
    "GET /settings/audit-log": (303, 403, 200),
    "GET /settings/audit-log/export": (303, 403, 200),
    "POST /settings/audit-log/verify": (303, 403, 200),
    "GET /api/governance/setup-state": (401, 403, 200),
    "GET /gateway/budgets": (303, 200, 200),
    "POST /gateway/budgets": (303, 403, 422),
    "GET /gateway/budgets/new": (303, 403, 200),
    "GET /gateway/budgets/<budget_id>": (303, 404, 404),
    "GET /gateway/budgets/<budget_id>/edit": (303, 403, 404),
    "POST /gateway/budgets/<budget_id>/edit": (303, 403, 404),
    "POST /gateway/budgets/<budget_id>/reset": (303, 403, 404),
    "POST /gateway/budgets/<budget_id>/archive": (303, 403, 404),
    "GET /gateway/budget-requests": (303, 403, 200),
    "GET /gateway/budget-requests/<increase_id>/approve": (303, 403, 404),
    "POST /gateway/budget-requests/<increase_id>/approve": (303, 403, 404),
    "GET /gateway/budget-requests/<increase_id>/decline": (303, 403, 404),
    "POST /gateway/budget-requests/<increase_id>/decline": (303, 403, 404),
    "GET /budget-increase": (404, 404, 404),
    "GET /api/auth/cli/budget/status": (401, 401, 401),
    "POST /budget-increase": (404, 404, 404),
    "GET /me/budgets": (303, 200, 200),
    "GET /me/budgets/<budget_id>/request": (303, 404, 404),
    "POST /me/budgets/<budget_id>/request": (303, 404, 404),
    "GET /governance": (303, 403, 200),
    f"GET {GOVERNANCE}": (303, 403, 200),
    "GET /governance/ingestion-sources": (303, 403, 302),
    "GET /governance/anomaly-rules": (303, 403, 302),
    "GET /governance/anomalies": (303, 403, 200),
    "GET /governance/anomalies/<anomaly_id>": (303, 403, 404),
    "POST /governance/anomalies/<anomaly_id>/acknowledge": (303, 403, 404),
    "POST /governance/anomalies/<anomaly_id>/resolve": (303, 403, 404),
    f"GET {SOURCES}": (303, 403, 200),
    f"POST {SOURCES}": (303, 403, 422),
    f"GET {SOURCES}/new": (303, 403, 200),
    f"GET {SOURCES}/<source_id>": (303, 403, 404),
    f"GET {SOURCES}/<source_id>/edit": (303, 403, 404),
    f"POST {SOURCES}/<source_id>/edit": (303, 403, 404),
    f"POST {SOURCES}/<source_id>/rotate": (303, 403, 404),
    f"POST {SOURCES}/<source_id>/archive": (303, 403, 404),
    f"GET {RULES}": (303, 403, 200),
    f"POST {RULES}": (303, 403, 422),
    f"POST {RULES}/preview": (303, 403, 200),
    f"GET {RULES}/new": (303, 403, 200),
    f"GET {RULES}/<rule_id>/edit": (303, 403, 404),
    f"POST {RULES}/<rule_id>/edit": (303, 403, 404),
    f"POST {RULES}/<rule_id>/archive": (303, 403, 404),
    f"POST {RULES}/<rule_id>/<any(enable, disable):change>": (303, 403, 404),
    f"POST {INGEST}/otel/<source_id>": _UNSIGNED,
    f"POST {INGEST}/otel/<source_id>/v1/traces": _UNSIGNED,
    f"POST {INGEST}/otel/<source_id>/v1/logs": _UNSIGNED,
    f"POST {INGEST}/otel/<source_id>/v1/metrics": _UNSIGNED,
    f"POST {INGEST}/webhook/<source_id>": _UNSIGNED,
    f"GET {INTERNAL}/health": _UNSIGNED,
    f"GET {INTERNAL}/config/<key_id>": _UNSIGNED,
    f"GET {INTERNAL}/bootstrap": _UNSIGNED,
    f"GET {INTERNAL}/changes": _UNSIGNED,
    f"POST {INTERNAL}/resolve-key": _UNSIGNED,
    f"POST {INTERNAL}/leases": _UNSIGNED,
    f"POST {INTERNAL}/leases/release": _UNSIGNED,
    f"POST {INTERNAL}/spend-commands": _UNSIGNED,
    **PEOPLE,
}
