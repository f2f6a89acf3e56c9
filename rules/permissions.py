"""Who may do what: the catalog of permissions, the bag of each role, and the one judgement of a set of grants.

Pure: who is bound to what is looked up elsewhere and handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

ADMIN = "admin"
MEMBER = "member"
EXTERNAL = "external"
VIEWER = "viewer"
CUSTOM = "custom"
ROLES = (ADMIN, MEMBER, EXTERNAL)
"""What a person is in the organization."""
TEAM_ROLES = (ADMIN, MEMBER, VIEWER, CUSTOM)
"""What a person is in a team, and what a binding gives at its scope."""
SCOPES = ("organization", "team", "project")
MANAGE = "manage"
VIEW = "view"

_CRUD = ("view", "create", "update", "delete", MANAGE)
CATALOG: Mapping[str, tuple[str, ...]] = {
    "organization": ("view", MANAGE, "delete"),
    "governance": ("view", MANAGE),
    "ingestionSources": _CRUD,
    "anomalyRules": _CRUD,
    "complianceExport": ("view", MANAGE),
    "activityMonitor": ("view",),
    "aiTools": ("view", MANAGE),
    "webhookEndpoints": _CRUD,
    "gatewaySpend": ("view", MANAGE),
    "team": ("view", MANAGE),
    "project": _CRUD,
    "routingPolicies": ("view", MANAGE),
    "auditLog": ("view",),
    "virtualKeys": (
        "view",
        "create",
        "update",
        "rotate",
        "delete",
        MANAGE,
        "viewOtherPersonal",
        "capturePayload:raw",
    ),
    "modelProviders": _CRUD,
    "gatewayBudgets": _CRUD,
    "gatewayGuardrails": ("view", "create", "update", "delete", "attach", "detach", MANAGE),
    "gatewayCacheRules": _CRUD,
    "gatewayLogs": ("view",),
    "gatewayUsage": ("view",),
}
"""Resource to verbs; a permission is written ``resource:verb``."""

ORGANIZATION_ONLY = frozenset(
    {
        "organization",
        "governance",
        "ingestionSources",
        "anomalyRules",
        "complianceExport",
        "activityMonitor",
        "aiTools",
        "webhookEndpoints",
        "gatewaySpend",
    }
)
"""Resources that a grant at a team or a project never covers."""

_OLDER_NAMES = {"gatewayProviders": "modelProviders"}

ALL = frozenset(f"{resource}:{verb}" for resource, verbs in CATALOG.items() for verb in verbs)


def resource_of(permission: str) -> str:
    """Return the part of a permission before its verb."""
    return permission.partition(":")[0]


def canonical(permission: str) -> str:
    """Return a permission under the name the catalog has for its resource today."""
    resource, colon, verb = permission.partition(":")
    return _OLDER_NAMES.get(resource, resource) + colon + verb


def is_known(permission: str) -> bool:
    """Say whether a permission is in the catalog."""
    return canonical(permission) in ALL


def expanded(permissions: Iterable[str]) -> frozenset[str]:
    """Return the known ones among permissions, with every verb that ``manage`` implies spelled out."""
    found = {canonical(permission) for permission in permissions} & ALL
    for permission in tuple(found):
        resource, _, verb = permission.partition(":")
        if verb == MANAGE:
            found |= {f"{resource}:{each}" for each in CATALOG[resource]}
    return frozenset(found)


_SHARED = frozenset(p for p in ALL if resource_of(p) not in ORGANIZATION_ONLY)
_EVERYONE = frozenset({"organization:view", "aiTools:view"})
_LOOKING = frozenset(p for p in _SHARED if p.endswith(f":{VIEW}"))
_WORKING = _LOOKING | {
    "virtualKeys:create",
    "virtualKeys:update",
    "virtualKeys:rotate",
    "project:create",
    "project:update",
}

BAGS: Mapping[str, frozenset[str]] = {ADMIN: ALL, MEMBER: _EVERYONE, EXTERNAL: _EVERYONE}
"""What a person's role in the organization grants, organization-wide."""
TEAM_BAGS: Mapping[str, frozenset[str]] = {ADMIN: _SHARED, MEMBER: _WORKING, VIEWER: _LOOKING}
"""What a role in a team grants in that team and its projects."""
_OTHERS_RULES = ("gatewayBudgets", "gatewayGuardrails", "routingPolicies")
_OWN_CHOICES = (VIEW, "attach", "detach")
OTHERS_DECIDE = frozenset(
    p
    for p in _SHARED
    if resource_of(p) in _OTHERS_RULES and p.partition(":")[2] not in _OWN_CHOICES
)
"""What nobody holds in a workspace of their own: what one may spend, use and send is for others to decide."""
_BINDING_BAGS: Mapping[str, frozenset[str]] = {
    ADMIN: ALL,
    MEMBER: _WORKING | _EVERYONE,
    VIEWER: _LOOKING | _EVERYONE,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: its project, its team, or the organization when both are empty."""

    team_id: str = ""
    project_id: str = ""


EVERYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions, spelled out, at a place and at everything below it."""

    permissions: frozenset[str]
    place: Place = EVERYWHERE
    is_own: bool = False
    """It comes with somebody's own workspace."""


Grants = tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a permission is held: everywhere, or in these teams and these single projects."""

    is_everywhere: bool
    team_ids: frozenset[str] = frozenset()
    project_ids: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.is_everywhere or bool(self.team_ids) or bool(self.project_ids)


def organization_grant(role: str) -> Grant:
    """Return what a person's role in the organization grants; an unknown role grants nothing."""
    return Grant(BAGS.get(role, frozenset()))


def bound_grant(role: str, custom: Collection[str], place: Place) -> Grant:
    """Return what a role grants at a place, through a team or a binding.

    A custom role grants its own list; one with an empty list grants what a viewer has. Below the
    organization the resources that belong to it are left out, whatever the list says.
    """
    bags = _BINDING_BAGS if place == EVERYWHERE else TEAM_BAGS
    listed = expanded(custom) if role == CUSTOM else frozenset()
    is_empty = role == CUSTOM and not listed
    permissions = listed or bags.get(VIEWER if is_empty else role, frozenset())
    return Grant(permissions if place == EVERYWHERE else permissions & _SHARED, place)


def own_grant(grant: Grant) -> Grant:
    """Return what a role grants in a workspace of one's own."""
    return replace(grant, permissions=grant.permissions - OTHERS_DECIDE, is_own=True)


def holds(grants: Grants, permission: str, place: Place = EVERYWHERE) -> bool:
    """Say whether grants cover a permission at a place: a grant above a place covers it too."""
    wanted = canonical(permission)
    return any(wanted in grant.permissions and _is_within(place, grant.place) for grant in grants)


def holds_somewhere(grants: Grants, permission: str) -> bool:
    """Say whether a permission is held at any place at all."""
    wanted = canonical(permission)
    return any(wanted in grant.permissions for grant in grants)


def holds_with_others(grants: Grants, permission: str) -> bool:
    """Say whether a permission is held at any place but somebody's own workspace."""
    return holds_somewhere(tuple(grant for grant in grants if not grant.is_own), permission)


def reach(grants: Grants, permission: str) -> Reach:
    """Return where a permission is held, for narrowing a list to it."""
    wanted = canonical(permission)
    places = [grant.place for grant in grants if wanted in grant.permissions]
    return Reach(
        EVERYWHERE in places,
        frozenset(p.team_id for p in places if p.team_id and not p.project_id),
        frozenset(p.project_id for p in places if p.project_id),
    )


def narrowed(grants: Grants, to: Grants) -> Grants:
    """Return what both sets of grants hold: an API key never does more than its owner."""
    both = (
        Grant(one.permissions & other.permissions, place, one.is_own or other.is_own)
        for one in grants
        for other in to
        if (place := _narrower(one.place, other.place)) is not None
    )
    return tuple(grant for grant in both if grant.permissions)


def masked(grants: Grants, permissions: frozenset[str]) -> Grants:
    """Return grants with nothing left in them but the permissions named."""
    kept = (replace(grant, permissions=grant.permissions & permissions) for grant in grants)
    return tuple(grant for grant in kept if grant.permissions)


def mask_of(mode: str, scopes: Iterable[str]) -> frozenset[str]:
    """Return what an API key's mode lets through: all, readonly or restricted to its scopes."""
    if mode == "all":
        return ALL
    if mode == "readonly":
        return frozenset(p for p in ALL if p.endswith(f":{VIEW}"))
    return expanded(scopes) if mode == "restricted" else frozenset()


def beyond(wanted: Grants, held: Grants) -> list[str]:
    """Return what of ``wanted`` somebody who holds ``held`` may not give, sorted: nobody gives more than they hold.

    What every member of an organization and every member of a team has is left out; whoever may take people in
    gives that.
    """
    return sorted(
        {
            permission
            for grant in wanted
            for permission in grant.permissions
            - (_EVERYONE if grant.place == EVERYWHERE else _WORKING)
            if not holds(held, permission, grant.place)
        }
    )


def holds_everything(grants: Grants) -> bool:
    """Say whether grants hold every permission in the whole organization."""
    return not beyond((Grant(ALL),), grants)


def allows(role: str, permission: str) -> bool:
    """Say whether a person's role in the organization grants something by itself."""
    return holds((organization_grant(role),), permission)


def misplaced(permissions: Iterable[str]) -> list[str]:
    """Return the permissions that only a binding at the organization can grant, sorted."""
    return sorted(p for p in permissions if resource_of(canonical(p)) in ORGANIZATION_ONLY)


def _is_within(place: Place, outer: Place) -> bool:
    if outer == EVERYWHERE:
        return True
    if outer.project_id:
        return place.project_id == outer.project_id
    return place.team_id == outer.team_id


def _narrower(one: Place, other: Place) -> Place | None:
    if _is_within(one, other):
        return one
    return other if _is_within(other, one) else None
