"""``/api/gateway/v1``: virtual keys, and what is done to them beside creating and changing."""

from __future__ import annotations

from typing import Any

import msgspec

from core.authoring import capture, key_budgets, projects, virtual_keys
from core.authoring.key_budgets import KeyBudget
from core.authoring.validation import not_found
from core.fault import Fault, Refused
from core.lake.keys import usage_of_key
from core.models import Project, VirtualKey
from rules.permissions import Place
from webapp.api.budgets import usd
from webapp.api.endpoint import (
    Body,
    Call,
    ListQuery,
    Moment,
    OptionalBody,
    Page,
    Routes,
    given,
    moment,
)
from webapp.api.paging import page_of
from webapp.api.resource import AwareMoment, columns_of
from webapp.api.shared import GATEWAY
from webapp.api.spend import Window, window_of
from webapp.places import virtual_key_place
from webapp.queries.virtual_keys import OTHERS, may_see, visible


class VirtualKeyOut(msgspec.Struct, kw_only=True):
    """A virtual key, without its secret."""

    id: str
    name: str
    description: str
    status: str
    status_reason: str
    display_prefix: str
    project_id: str
    principal_user_id: str | None
    provider_ids: list[str]
    config: dict[str, Any]
    tags: list[str]
    revision: int
    created_at: Moment
    updated_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None
    revoked_at: Moment | None
    previous_valid_until: Moment | None


class MintedKey(msgspec.Struct, kw_only=True):
    """A virtual key with its secret, which is told this once."""

    virtual_key: VirtualKeyOut
    secret: str


class Why(OptionalBody, kw_only=True):
    """Why a key is turned off, for the audit log and for whoever looks at the key."""

    reason: str = ""


class NewKeyBudget(Body, kw_only=True):
    """A budget that is made with a key, or the key is not made either."""

    limit_nanousd: int
    window: str = "month"
    on_breach: str = "block"


class NewKey(Body, kw_only=True):
    """A virtual key to be; ``provider_ids`` are in the order in which they are tried."""

    name: str
    project_id: str
    provider_ids: list[str]
    principal_user_id: str | None = None
    expires_at: AwareMoment | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    description: str = ""
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    budget: NewKeyBudget | None = None


class KeyChange(Body, kw_only=True):
    """What shall be different; ``config`` is replaced as a whole."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    provider_ids: list[str] | msgspec.UnsetType = msgspec.UNSET
    expires_at: AwareMoment | msgspec.UnsetType | None = msgspec.UNSET
    tags: list[str] | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    config: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class KeyQuery(ListQuery, kw_only=True):
    """Which keys a list shows."""

    status: str = ""
    project_id: str = ""
    principal_user_id: str = ""


class ModelSpend(msgspec.Struct, kw_only=True):
    """What a key spent with one model on one day in UTC."""

    day: str
    model: str
    spent_nanousd: int
    requests: int


class KeySpend(msgspec.Struct, kw_only=True):
    """What a key was used for; refused calls are not in it."""

    since: Moment
    until: Moment
    spent_nanousd: int
    spent_usd: str
    requests: int
    days: list[ModelSpend]


KEYS = Routes("Virtual keys", f"{GATEWAY}/virtual-keys")
_KEY: Any = {"at": virtual_key_place}
_KEPT = ("name", "project_id", "principal_user_id", "expires_at", "description", "config")


@KEYS.get("", "virtualKeys:view", anywhere=True)
def list_virtual_keys(call: Call, query: KeyQuery) -> Page[VirtualKeyOut]:
    """List the virtual keys within reach; personal ones of others need ``virtualKeys:viewOtherPersonal``."""
    rows = VirtualKey.select().where(VirtualKey.organization_id == call.organization_id)
    rows = rows.where(*visible(call.viewer))
    for name in ("status", "project_id", "principal_user_id"):
        if wanted := getattr(query, name):
            rows = rows.where(VirtualKey._meta.fields[name] == wanted)
    return page_of(query, rows, VirtualKey.id, lambda found: [*map(key_out, found)], "virtual-keys")


@KEYS.create("", "virtualKeys:create", anywhere=True)
def create_virtual_key(call: Call, body: NewKey) -> MintedKey:
    """Create a virtual key and tell its secret, once."""
    project = projects.find(call.organization_id, body.project_id)
    _refuse_without(call, "virtualKeys:create", project)
    if body.principal_user_id not in (None, call.viewer.user_id):
        _refuse_without(call, OTHERS, project)
    _refuse_capture(call, body.config, project)
    values = given(body)
    values.pop("budget")
    asked = body.budget
    budget = KeyBudget(asked.limit_nanousd, asked.window, asked.on_breach) if asked else None
    row, secret = key_budgets.create(
        call.actor, _wanted(values), budget, call.plane.settings.pepper, call.now
    )
    return MintedKey(virtual_key=key_out(row), secret=secret.reveal())


@KEYS.get("/<key_id>", "virtualKeys:view", **_KEY)
def get_virtual_key(call: Call, key_id: str) -> VirtualKeyOut:
    """Read a virtual key."""
    return key_out(_found(call, key_id))


@KEYS.patch("/<key_id>", "virtualKeys:update", **_KEY)
def update_virtual_key(call: Call, key_id: str, body: KeyChange) -> VirtualKeyOut:
    """Change a virtual key; gateways follow within two seconds."""
    row = _found(call, key_id)
    config = row.config if isinstance(body.config, msgspec.UnsetType) else body.config
    if config.get("capture") != row.config.get("capture"):
        _refuse_capture(call, config, Project.get_by_id(row.project_id))
    stored = {name: getattr(row, name) for name in _KEPT}
    stored |= {"provider_ids": row.provider_ids, "tags": row.tags}
    wanted = _wanted(stored | given(body))
    return key_out(virtual_keys.update(call.actor, key_id, wanted, call.now, call.expected))


@KEYS.post("/<key_id>/rotate", "virtualKeys:rotate", **_KEY)
def rotate_virtual_key(call: Call, key_id: str) -> MintedKey:
    """Give a virtual key a new secret; the old one works for 24 hours more."""
    _found(call, key_id)
    row, secret = virtual_keys.rotate(call.actor, key_id, call.plane.settings.pepper, call.now)
    return MintedKey(virtual_key=key_out(row), secret=secret.reveal())


@KEYS.post("/<key_id>/disable", "virtualKeys:update", **_KEY)
def disable_virtual_key(call: Call, key_id: str, body: Why) -> VirtualKeyOut:
    """Turn a virtual key off for now; a ``reason`` may be given."""
    _found(call, key_id)
    return key_out(virtual_keys.disable(call.actor, key_id, call.now, body.reason))


@KEYS.post("/<key_id>/enable", "virtualKeys:update", **_KEY)
def enable_virtual_key(call: Call, key_id: str) -> VirtualKeyOut:
    """Turn a virtual key on again."""
    _found(call, key_id)
    return key_out(virtual_keys.enable(call.actor, key_id, call.now))


@KEYS.post("/<key_id>/revoke", "virtualKeys:delete", **_KEY)
def revoke_virtual_key(call: Call, key_id: str, body: Why) -> VirtualKeyOut:
    """End a virtual key for good; gateways refuse it within two seconds; a ``reason`` may be given."""
    _found(call, key_id)
    return key_out(virtual_keys.revoke(call.actor, key_id, call.now, body.reason))


@KEYS.get("/<key_id>/spend", "gatewayUsage:view", **_KEY)
def get_virtual_key_spend(call: Call, key_id: str, query: Window) -> KeySpend:
    """Tell what a virtual key spent, by day and model; ``from`` and ``to`` are Unix milliseconds."""
    row = _found(call, key_id)
    since, until = window_of(call, query)
    used = usage_of_key(call.plane.lake, call.organization_id, row.id, since, until)
    spent = sum(each.spend_nanousd for each in used)
    days = [
        ModelSpend(
            day=each.day.isoformat(),
            model=each.model,
            spent_nanousd=each.spend_nanousd,
            requests=each.requests,
        )
        for each in used
    ]
    return KeySpend(
        since=moment(since) or "",
        until=moment(until) or "",
        spent_nanousd=spent,
        spent_usd=usd(spent),
        requests=sum(each.requests for each in used),
        days=days,
    )


def _found(call: Call, key_id: str) -> VirtualKey:
    """Return a key that the caller may know of: other people's personal ones need a permission of their own."""
    row = virtual_keys.find(call.organization_id, key_id)
    project = Project.get_by_id(row.project_id)
    if not may_see(call.viewer, row, Place(project.team_id, project.id)):
        raise not_found("virtual key")
    return row


def _refuse_capture(call: Call, config: dict[str, Any], project: Project) -> None:
    """Raise Refused when a configuration keeps more of prompts and answers than the caller may decide."""
    permission = capture.permission_for(config)
    if permission is not None:
        _refuse_without(call, permission, project)


def _refuse_without(call: Call, permission: str, project: Project) -> None:
    if not call.viewer.may(permission, Place(project.team_id, project.id)):
        raise Refused(
            Fault.PERMISSION_DENIED,
            f"This needs the permission {permission} in that project.",
            permission=permission,
        )


def _wanted(values: dict[str, Any]) -> virtual_keys.NewVirtualKey:
    values |= {name: tuple(values[name]) for name in ("provider_ids", "tags")}
    return virtual_keys.NewVirtualKey(**values)


def key_out(row: VirtualKey) -> VirtualKeyOut:
    """Return a key as the API shows it."""
    return VirtualKeyOut(**columns_of(row, VirtualKeyOut.__struct_fields__))
