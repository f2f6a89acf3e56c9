"""``/api/governance``: departments, groups, custom roles, bindings, service accounts and API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.authoring import (
    api_keys,
    bindings,
    custom_roles,
    departments,
    groups,
    service_accounts,
)
from core.authoring.validation import invalid
from core.models import ApiKey, CustomRole, Department, Group, RoleBinding, ServiceAccount
from core.secrets import Secret
from webapp.api.endpoint import Body, Call
from webapp.api.resource import Permissions, Resource, out_of, routes_of
from webapp.api.shared import GOVERNANCE, MANAGE, MANAGED


@dataclass(frozen=True, slots=True)
class _Named:
    """What a thing with nothing but a name shall be called."""

    name: str


DEPARTMENTS = routes_of(
    Resource(
        noun="department",
        root=f"{GOVERNANCE}/departments",
        tag="Departments",
        model=Department,
        permissions=Permissions.managed("governance"),
        takes=_Named,
        shown={
            "id": str,
            "name": str,
            "revision": int,
            "created_at": datetime,
            "archived_at": datetime,
        },
        find=departments.find,
        make=lambda call, new: departments.create(call.actor, new.name, call.now),
        alter=lambda call, row, new: departments.rename(
            call.actor, row.id, new.name, call.now, call.expected
        ),
        end=lambda call, row_id: departments.archive(call.actor, row_id, call.now),
    )
)

GROUPS = routes_of(
    Resource(
        noun="group",
        root=f"{GOVERNANCE}/groups",
        tag="Groups",
        model=Group,
        permissions=MANAGED,
        takes=_Named,
        shown={
            "id": str,
            "name": str,
            "origin": str,
            "external_id": str | None,
            "revision": int,
            "created_at": datetime,
            "updated_at": datetime,
        },
        find=groups.find,
        make=lambda call, new: groups.create(call.actor, new.name, call.now),
        alter=lambda call, row, new: groups.rename(
            call.actor, row.id, new.name, call.now, call.expected
        ),
    )
)


class GroupMembers(Body, kw_only=True):
    """The people of a group, by user id."""

    user_ids: list[str]


@GROUPS.delete("/<group_id>", MANAGE)
def delete_group(call: Call, group_id: str) -> None:
    """Delete a group; what it was bound to, its people lose."""
    groups.delete(call.actor, group_id, call.now)


@GROUPS.get("/<group_id>/members", MANAGE)
def list_group_members(call: Call, group_id: str) -> list[str]:
    """Read the user ids of a group's people."""
    groups.find(call.organization_id, group_id)
    return groups.member_ids(group_id)


@GROUPS.put("/<group_id>/members", MANAGE)
def put_group_members(call: Call, group_id: str, body: GroupMembers) -> list[str]:
    """Make these the people of a group; ``If-Match`` takes the group's version."""
    groups.put_members(call.actor, group_id, body.user_ids, call.now, call.expected)
    return groups.member_ids(group_id)


ROLES = routes_of(
    Resource(
        noun="custom role",
        root=f"{GOVERNANCE}/custom-roles",
        tag="Roles",
        model=CustomRole,
        permissions=MANAGED,
        takes=custom_roles.NewRole,
        shown={
            "id": str,
            "name": str,
            "description": str,
            "permissions": list[str],
            "revision": int,
            "created_at": datetime,
            "updated_at": datetime,
        },
        find=custom_roles.find,
        make=lambda call, new: custom_roles.create(call.actor, new, call.now),
        alter=lambda call, row, new: custom_roles.update(
            call.actor, row.id, new, call.now, call.expected
        ),
    )
)


@ROLES.delete("/<custom_role_id>", MANAGE)
def delete_custom_role(call: Call, custom_role_id: str) -> None:
    """Delete a custom role that nobody has."""
    custom_roles.delete(call.actor, custom_role_id, call.now)


BINDINGS = routes_of(
    Resource(
        noun="role binding",
        root=f"{GOVERNANCE}/role-bindings",
        tag="Roles",
        model=RoleBinding,
        permissions=MANAGED,
        takes=bindings.NewBinding,
        shown={
            "id": str,
            "principal_kind": str,
            "principal_id": str,
            "role": str,
            "custom_role_id": str,
            "scope": str,
            "scope_id": str,
            "created_at": datetime,
        },
        find=bindings.find,
        make=lambda call, new: bindings.create(call.actor, new, call.now),
    )
)


@BINDINGS.delete("/<role_binding_id>", MANAGE)
def delete_role_binding(call: Call, role_binding_id: str) -> None:
    """Take a role back."""
    bindings.delete(call.actor, role_binding_id, call.now)


ACCOUNTS = routes_of(
    Resource(
        noun="service account",
        root=f"{GOVERNANCE}/service-accounts",
        tag="Service accounts",
        model=ServiceAccount,
        permissions=MANAGED,
        takes=service_accounts.NewServiceAccount,
        shown={
            "id": str,
            "name": str,
            "description": str,
            "revision": int,
            "created_at": datetime,
            "updated_at": datetime,
            "disabled_at": datetime,
            "archived_at": datetime,
        },
        find=service_accounts.find,
        make=lambda call, new: service_accounts.create(call.actor, new, call.now),
        alter=lambda call, row, new: service_accounts.update(
            call.actor, row.id, new, call.now, call.expected
        ),
        end=lambda call, row_id: service_accounts.archive(call.actor, row_id, call.now),
    )
)


@ACCOUNTS.post("/<service_account_id>/disable", MANAGE)
def disable_service_account(call: Call, service_account_id: str) -> None:
    """Turn a service account off, with all its API keys."""
    service_accounts.set_enabled(call.actor, service_account_id, False, call.now)


@ACCOUNTS.post("/<service_account_id>/enable", MANAGE)
def enable_service_account(call: Call, service_account_id: str) -> None:
    """Turn a service account on again."""
    service_accounts.set_enabled(call.actor, service_account_id, True, call.now)


def refuse_outliving(call: Call, owner_id: str, expires_at: datetime | None) -> None:
    """Raise Refused for a key with which a key's owner would have more time than the key that asks."""
    if not call.viewer.api_key_id or owner_id != call.viewer.user_id:
        return
    end = ApiKey.get_by_id(call.viewer.api_key_id).expires_at
    if end is not None and (expires_at is None or expires_at > end):
        raise invalid({"expires_at": "A key that was made with a key ends with it at the latest."})


def _make_key(call: Call, new: api_keys.NewApiKey) -> tuple[ApiKey, Secret]:
    refuse_outliving(call, new.owner_id, new.expires_at)
    return api_keys.create(call.actor, new, call.plane.settings.pepper, call.now)


API_KEY_RESOURCE = Resource(
    noun="API key",
    root=f"{GOVERNANCE}/api-keys",
    tag="API keys",
    model=ApiKey,
    permissions=MANAGED,
    takes=api_keys.NewApiKey,
    told_once="secret",
    shown={
        "id": str,
        "name": str,
        "owner_kind": str,
        "owner_id": str,
        "display_prefix": str,
        "permission_mode": str,
        "scopes": list[str],
        "created_at": datetime,
        "expires_at": datetime,
        "last_used_at": datetime,
        "revoked_at": datetime,
    },
    find=api_keys.find,
    make=_make_key,
)
API_KEY_OUT = out_of(API_KEY_RESOURCE)
API_KEYS = routes_of(API_KEY_RESOURCE, API_KEY_OUT)


@API_KEYS.post("/<api_key_id>/revoke", MANAGE)
def revoke_api_key(call: Call, api_key_id: str) -> None:
    """End an API key for good."""
    api_keys.revoke(call.actor, api_key_id, call.now)
