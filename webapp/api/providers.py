"""``/api/gateway/v1``: providers, their credentials, and trying them before or after they are saved."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from core.authoring import providers
from core.clock import utcnow
from core.models import Provider
from core.provider_trial import Entered, Tried, try_provider
from core.secrets import Secret
from webapp.api.endpoint import Body, Call
from webapp.api.resource import Permissions, Resource, routes_of
from webapp.api.shared import DATES, GATEWAY

_PROVIDER = Resource(
    noun="provider",
    root=f"{GATEWAY}/providers",
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
        **DATES,
    },
    find=providers.find,
    make=lambda call, new: providers.create(call.actor, new, call.plane.sealer, call.now),
    alter=lambda call, row, new: providers.update(
        call.actor, row.id, new, call.plane.sealer, call.now, call.expected
    ),
    end=lambda call, provider_id: providers.archive(call.actor, provider_id, call.now),
)
PROVIDERS = routes_of(_PROVIDER)


class Trial(msgspec.Struct, kw_only=True):
    """What trying a provider came to; nothing was booked and no budget was touched."""

    is_ok: bool
    sentence: str
    advice: str
    duration_ms: int
    models: list[str]
    notes: list[str]


class ProviderDraft(Body, kw_only=True):
    """A provider that is not saved."""

    name: str
    type: str
    base_url: str = ""
    credential: str = ""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class ProviderEdit(Body, kw_only=True):
    """What would be different about a stored provider; without a credential it is tried with the one it has."""

    base_url: str | None = None
    credential: str = ""
    settings: dict[str, Any] | None = None


class NewCredential(Body, kw_only=True):
    """The credential that takes the place of the one before; JSON for providers with several parts."""

    credential: str


@PROVIDERS.post("/test", "modelProviders:create")
def test_provider_draft(call: Call, body: ProviderDraft) -> Trial:
    """Try a provider before it is saved."""
    new = providers.NewProvider(
        body.name, body.type, body.base_url, _secret(body.credential), settings=body.settings
    )
    return _tried(call, providers.entered(call.actor, new, call.plane.sealer))


@PROVIDERS.post("/<provider_id>/test", "modelProviders:update")
def test_provider(call: Call, provider_id: str) -> Trial:
    """Try a provider with the smallest call there is."""
    row = providers.find(call.organization_id, provider_id)
    return _tried(call, providers.stored(row, call.plane.sealer))


@PROVIDERS.post("/<provider_id>/test-change", "modelProviders:update")
def test_provider_change(call: Call, provider_id: str, body: ProviderEdit) -> Trial:
    """Try a provider as a change would make it, before it is saved."""
    row = providers.find(call.organization_id, provider_id)
    new = providers.NewProvider(
        row.name,
        row.type,
        row.base_url if body.base_url is None else body.base_url,
        _secret(body.credential),
        settings=row.settings if body.settings is None else body.settings,
    )
    return _tried(call, providers.entered(call.actor, new, call.plane.sealer, row.id))


@PROVIDERS.post("/<provider_id>/rotate-credential", "modelProviders:update")
def rotate_provider_credential(call: Call, provider_id: str, body: NewCredential) -> None:
    """Replace a provider's credential; gateways use the new one within two seconds."""
    credential = Secret(body.credential)
    providers.rotate(call.actor, provider_id, credential, call.plane.sealer, call.now)


def _secret(text: str) -> Secret | None:
    return Secret(text) if text else None


def _tried(call: Call, entered: Entered) -> Trial:
    tried: Tried = try_provider(entered, call.plane.settings, utcnow)
    return Trial(
        is_ok=tried.is_ok,
        sentence=tried.sentence,
        advice=tried.advice,
        duration_ms=tried.milliseconds,
        models=list(tried.models),
        notes=list(tried.notes),
    )
