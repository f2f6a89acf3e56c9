"""``/api/gateway/v1``: providers, budgets and virtual keys, and what is done to them beside creating and changing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from core import provider_trial
from core.authoring import budgets, capture, projects, providers, virtual_keys
from core.authoring.validation import not_found
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import Budget, LimitPeriod, Project, Provider, VirtualKey
from core.secrets import Secret
from rules.limits import check
from rules.permissions import Place
from rules.pricing import NANOUSD_PER_USD
from rules.windows import Window, period
from webapp.api.endpoint import Body, Call, ListQuery, Moment, Page, Routes, given, moment
from webapp.api.paging import page_of
from webapp.api.resource import AwareMoment, Permissions, Resource, columns_of, routes_of
from webapp.places import virtual_key_place
from webapp.queries.virtual_keys import may_see, visible

ROOT = "/api/gateway/v1"
_DATES = {"created_at": datetime, "updated_at": datetime, "archived_at": datetime}

PROVIDERS_RESOURCE = Resource(
    noun="provider",
    root=f"{ROOT}/providers",
    tag="Providers",
    model=Provider,
    permissions=Permissions.of("modelProviders"),
    takes=providers.NewProvider,
    hidden=("is_operator_address",),
    addresses=("base_url", "settings"),
    fixed=("type",),
    shown={
        "id": str,
        "name": str,
        "type": str,
        "base_url": str,
        "settings": dict[str, Any],
        "rate_limits": dict[str, int],
        "credential_set_at": datetime,
        **_DATES,
    },
    find=providers.find,
    make=lambda call, new: providers.create(call.actor, new, call.plane.sealer, call.now),
    alter=lambda call, row, new: providers.update(
        call.actor, row.id, new, call.plane.sealer, call.now, call.expected
    ),
    end=lambda call, provider_id: providers.archive(call.actor, provider_id, call.now),
)
PROVIDERS = routes_of(PROVIDERS_RESOURCE)


class Trial(msgspec.Struct, kw_only=True):
    """What trying a provider came to; nothing was booked and no budget was touched."""

    is_ok: bool
    sentence: str
    advice: str
    duration_ms: int


class NewCredential(Body, kw_only=True):
    """The credential that takes the place of the one before; JSON for providers with several parts."""

    credential: str


@PROVIDERS.post("/<provider_id>/test", "modelProviders:update")
def test_provider(call: Call, provider_id: str) -> Trial:
    """Try a provider with the smallest call there is."""
    row = providers.find(call.organization_id, provider_id)
    tried = provider_trial.try_provider(
        providers.stored(row, call.plane.sealer), call.plane.settings, utcnow
    )
    return Trial(
        is_ok=tried.is_ok,
        sentence=tried.sentence,
        advice=tried.advice,
        duration_ms=tried.milliseconds,
    )


@PROVIDERS.post("/<provider_id>/rotate-credential", "modelProviders:update")
def rotate_provider_credential(call: Call, provider_id: str, body: NewCredential) -> None:
    """Replace a provider's credential; gateways use the new one within two seconds."""
    credential = Secret(body.credential)
    providers.rotate(call.actor, provider_id, credential, call.plane.sealer, call.now)


_SPENT = {
    "limit_usd": str,
    "spent_usd": str,
    "state": str,
    "percent": int,
    "period_started_at": Moment,
    "resets_at": Moment,
}


def usd(nanousd: int) -> str:
    """Return dollars as decimal text, up to nine decimals."""
    whole, rest = divmod(nanousd, NANOUSD_PER_USD)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def _spent(call: Call, rows: Sequence[Budget]) -> list[dict[str, Any]]:
    """Return how each budget stands in its current period, in one statement."""
    periods = {
        row.id: period(Window(row.window), call.now, row.cycle_anchor_at, row.last_reset_at)
        for row in rows
    }
    starts = {start for start, _ in periods.values()}
    found = LimitPeriod.select().where(
        LimitPeriod.limit_id.in_(list(periods)), LimitPeriod.period_start.in_(list(starts))
    )
    settled = {(one.limit_id, one.period_start): one.settled for one in found}
    told = []
    for row in rows:
        start, end = periods[row.id]
        spent, limit = settled.get((row.id, start), 0), row.limit_at(call.now)
        judged = check(spent, limit, row.on_breach)
        told.append(
            {
                "limit_usd": usd(limit),
                "spent_usd": usd(spent),
                "state": judged.verdict.value,
                "percent": judged.percent,
                "period_started_at": moment(start),
                "resets_at": moment(end),
            }
        )
    return told


BUDGETS = routes_of(
    Resource(
        noun="budget",
        root=f"{ROOT}/budgets",
        tag="Budgets",
        model=Budget,
        permissions=Permissions.of("gatewayBudgets"),
        takes=budgets.NewBudget,
        fixed=("scope", "scope_id", "allow_unreachable"),
        shown={
            "id": str,
            "name": str,
            "scope": str,
            "scope_id": str,
            "window": str,
            "limit_nanousd": int,
            "on_breach": str,
            "on_unpriced": str,
            "on_outage": str,
            "provider_id": str | None,
            "cycle_anchor_at": datetime,
            "last_reset_at": datetime,
            "raised_limit_nanousd": int | None,
            "raised_until": datetime,
            **_DATES,
        },
        extra=_spent,
        extra_shown=_SPENT,
        find=budgets.find,
        make=lambda call, new: budgets.create(call.actor, new, call.now),
        alter=lambda call, row, new: budgets.update(
            call.actor, row.id, new, call.now, call.expected
        ),
        end=lambda call, budget_id: budgets.archive(call.actor, budget_id, call.now),
    )
)


@BUDGETS.post("/<budget_id>/reset", "gatewayBudgets:update")
def reset_budget(call: Call, budget_id: str) -> None:
    """Begin a budget's period anew; what was spent stays on record."""
    budgets.reset(call.actor, budget_id, call.now)


class VirtualKeyOut(msgspec.Struct, kw_only=True):
    """A virtual key, without its secret."""

    id: str
    name: str
    description: str
    status: str
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


KEYS = Routes("Virtual keys", f"{ROOT}/virtual-keys")
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
    return page_of(query, rows, VirtualKey.id, lambda found: [*map(_key, found)], "virtual-keys")


@KEYS.create("", "virtualKeys:create", anywhere=True)
def create_virtual_key(call: Call, body: NewKey) -> MintedKey:
    """Create a virtual key and tell its secret, once."""
    project = projects.find(call.organization_id, body.project_id)
    _refuse_without(call, "virtualKeys:create", project)
    _refuse_capture(call, body.config, project)
    row, secret = virtual_keys.create(
        call.actor, _wanted(given(body)), call.plane.settings.pepper, call.now
    )
    return MintedKey(virtual_key=_key(row), secret=secret.reveal())


@KEYS.get("/<key_id>", "virtualKeys:view", **_KEY)
def get_virtual_key(call: Call, key_id: str) -> VirtualKeyOut:
    """Read a virtual key."""
    return _key(_found(call, key_id))


@KEYS.patch("/<key_id>", "virtualKeys:update", **_KEY)
def update_virtual_key(call: Call, key_id: str, body: KeyChange) -> VirtualKeyOut:
    """Change a virtual key; gateways follow within two seconds."""
    row = _found(call, key_id)
    if not isinstance(body.config, msgspec.UnsetType) and body.config != row.config:
        _refuse_capture(call, body.config, Project.get_by_id(row.project_id))
    stored = {name: getattr(row, name) for name in _KEPT}
    stored |= {"provider_ids": row.provider_ids, "tags": row.tags}
    wanted = _wanted(stored | given(body))
    return _key(virtual_keys.update(call.actor, key_id, wanted, call.now, call.expected))


@KEYS.post("/<key_id>/rotate", "virtualKeys:rotate", **_KEY)
def rotate_virtual_key(call: Call, key_id: str) -> MintedKey:
    """Give a virtual key a new secret; the old one works for 24 hours more."""
    _found(call, key_id)
    row, secret = virtual_keys.rotate(call.actor, key_id, call.plane.settings.pepper, call.now)
    return MintedKey(virtual_key=_key(row), secret=secret.reveal())


@KEYS.post("/<key_id>/disable", "virtualKeys:update", **_KEY)
def disable_virtual_key(call: Call, key_id: str) -> VirtualKeyOut:
    """Turn a virtual key off for now."""
    _found(call, key_id)
    return _key(virtual_keys.disable(call.actor, key_id, call.now))


@KEYS.post("/<key_id>/enable", "virtualKeys:update", **_KEY)
def enable_virtual_key(call: Call, key_id: str) -> VirtualKeyOut:
    """Turn a virtual key on again."""
    _found(call, key_id)
    return _key(virtual_keys.enable(call.actor, key_id, call.now))


@KEYS.post("/<key_id>/revoke", "virtualKeys:delete", **_KEY)
def revoke_virtual_key(call: Call, key_id: str) -> VirtualKeyOut:
    """End a virtual key for good; gateways refuse it within two seconds."""
    _found(call, key_id)
    return _key(virtual_keys.revoke(call.actor, key_id, call.now))


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


def _key(row: VirtualKey) -> VirtualKeyOut:
    return VirtualKeyOut(**columns_of(row, VirtualKeyOut.__struct_fields__))
