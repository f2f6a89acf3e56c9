"""Who may do what: the catalog of permissions and the bag each role holds. Pure; membership is looked up elsewhere."""

from collections.abc import Mapping

ADMIN = "admin"
MEMBER = "member"
EXTERNAL = "external"
ROLES = (ADMIN, MEMBER, EXTERNAL)
MANAGE = "manage"

_CRUD = ("view", "create", "update", "delete", MANAGE)
CATALOG: Mapping[str, tuple[str, ...]] = {
    "organization": ("view", MANAGE, "delete"),
    "governance": ("view", MANAGE),
    "ingestionSources": _CRUD,
    "anomalyRules": _CRUD,
    "complianceExport": ("view", MANAGE),
    "activityMonitor": ("view",),
    "routingPolicies": ("view", MANAGE),
    "aiTools": ("view", MANAGE),
    "auditLog": ("view",),
    "virtualKeys": ("view", "create", "update", "rotate", "delete", MANAGE, "viewOtherPersonal"),
    "gatewayBudgets": _CRUD,
    "gatewayProviders": _CRUD,
    "gatewayGuardrails": _CRUD,
    "gatewayCacheRules": _CRUD,
    "gatewayLogs": ("view",),
    "gatewayUsage": ("view",),
}
"""Resource to verbs; a permission is written ``resource:verb``."""

ALL = frozenset(f"{resource}:{verb}" for resource, verbs in CATALOG.items() for verb in verbs)
_EVERYONE = frozenset({"organization:view", "aiTools:view"})
BAGS: Mapping[str, frozenset[str]] = {ADMIN: ALL, MEMBER: _EVERYONE, EXTERNAL: _EVERYONE}
"""Role to what it is granted by default, before ``manage`` is spelled out."""


def is_known(permission: str) -> bool:
    """Say whether a permission is in the catalog."""
    return permission in ALL


def is_granted(permission: str, granted: frozenset[str]) -> bool:
    """Say whether a set of grants covers a permission; ``manage`` covers every verb of its resource."""
    if permission not in ALL:
        return False
    resource = permission.partition(":")[0]
    return permission in granted or f"{resource}:{MANAGE}" in granted


def allows(role: str, permission: str) -> bool:
    """Say whether a role may do something. Unknown roles and unknown permissions are refused."""
    return is_granted(permission, BAGS.get(role, frozenset()))
