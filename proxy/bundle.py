"""What a virtual key may use, as one value read from the control plane's answer. Fetches and keeps nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from core.provider_settings import (
    NO_SETTINGS,
    Credential,
    ProviderSettings,
    read_credential,
    read_settings,
)
from core.secrets import Sealer, Secret
from proxy.limit_state import LimitState, Terms
from proxy.rate_terms import rate_terms
from proxy.transport.dial import Target
from rules.cleaning import IDLE, Cleaner
from rules.privacy import INPUT, OUTPUT, SYSTEM, from_json
from rules.windows import Window

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ProviderBinding:
    """An upstream account that a key may use. ``target`` is None for the built-in sandbox."""

    id: str
    name: str
    type: str
    base_url: str
    credential: Secret | None
    allow_private: bool
    target: Target | None
    base_path: str
    """The path of ``base_url``, without a trailing slash; empty when it has none."""
    settings: ProviderSettings = NO_SETTINGS
    limits: tuple[LimitState, ...] = ()
    """What counts this provider's calls alone: its rate limits, and budgets for it."""
    proof: Credential = field(init=False)
    """The credential taken apart."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "proof", read_credential(self.credential))


@dataclass(frozen=True, slots=True)
class GuardrailBinding:
    """A guardrail that applies to a key: the row that describes it, and its secret if it has one."""

    row: dict[str, Any]
    secret: Secret | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.row["id"])

    @property
    def directions(self) -> list[str]:
        """What it looks at."""
        return list(self.row["directions"])

    @property
    def is_automatic(self) -> bool:
        """It applies without being named by the key."""
        return bool(self.row["is_automatic"])

    @property
    def allow_private(self) -> bool:
        """Its evaluator may have a private address."""
        return bool(self.row["allow_private"])


class RoutingPolicy(msgspec.Struct, frozen=True):
    """The routing policy that applies to a key: the one it names, else its scope's default."""

    id: str
    name: str = ""
    strategy: str = "priority"
    provider_ids: tuple[str, ...] = ()
    """In the order in which they are tried; the key's other providers are left out."""
    models_allowed: tuple[str, ...] = ()
    """Globs; none is no restriction."""
    model_aliases: dict[str, str | dict[str, str]] = {}


@dataclass(slots=True, eq=False)
class Bundle:
    """Everything the gateway needs to serve one virtual key. Treat it as read-only."""

    vk_id: str
    revision: int
    status: str
    name: str
    display_prefix: str
    organization_id: str
    project_id: str
    team_id: str
    principal_id: str | None
    personal: bool
    expires_at_ms: int | None
    tags: tuple[str, ...]
    providers: tuple[ProviderBinding, ...]
    """In the key's order."""
    limits: tuple[LimitState, ...]
    """What every call counts in: the key's rate limits, shortest window first, then the budgets."""
    config: dict[str, Any]
    policies: tuple[dict[str, Any], ...] = ()
    """Policy rules of the organization, the team and the project."""
    cache_rules: tuple[dict[str, Any], ...] = ()
    guardrails: tuple[GuardrailBinding, ...] = ()
    budgets: tuple[LimitState, ...] = ()
    """All budgets, those for one provider's calls too; they warn."""
    counting: LimitState | None = None
    """What limits counting tokens, from the first such call on."""
    routing_policy: RoutingPolicy | None = None
    capture: str = "none"
    """What is kept of prompts and answers: none, metadata, redacted or raw."""
    is_traced: bool = False
    """Somebody receives spans of this key's calls."""
    privacy: Cleaner = IDLE
    """What is dropped of prompts and answers before anything of them is kept."""
    keeps_content: bool = field(init=False)
    """Prompts and answers are kept, as they are or redacted, or what privacy leaves of them."""

    def __post_init__(self) -> None:
        wants_content = self.capture in ("redacted", "raw")
        self.keeps_content = wants_content and not self.privacy.drops >= {INPUT, OUTPUT, SYSTEM}


class _ProviderText(msgspec.Struct):
    id: str
    name: str
    type: str
    base_url: str
    credential: str | None = None
    allow_private: bool = False
    settings: dict[str, Any] = {}
    rate_limits: dict[str, int] = {}


class _BudgetText(msgspec.Struct):
    id: str
    name: str
    scope: str
    scope_id: str
    window: Window
    limit_nanousd: int
    on_breach: str
    on_unpriced: str
    on_outage: str
    period_start_ms: int
    settled_nanousd: int = 0
    anchor_ms: int | None = None
    reset_ms: int | None = None
    provider_id: str | None = None


class BundleText(msgspec.Struct):
    """The bundle as it travels: JSON, credentials sealed."""

    vk_id: str
    revision: int
    status: str
    organization_id: str
    project_id: str
    team_id: str
    display_prefix: str = ""
    name: str = ""
    principal_id: str | None = None
    personal: bool = False
    expires_at_ms: int | None = None
    tags: list[str] = []
    providers: list[_ProviderText] = []
    budgets: list[_BudgetText] = []
    config: dict[str, Any] = {}
    policies: list[dict[str, Any]] = []
    cache_rules: list[dict[str, Any]] = []
    guardrails: list[dict[str, Any]] = []
    routing_policy: RoutingPolicy | None = None
    capture: str = "none"
    is_traced: bool = False
    privacy: dict[str, Any] = {}


LimitFor = Callable[[Terms, int, int], LimitState]


def read_bundle(text: BundleText, sealer: Sealer, limit_for: LimitFor) -> Bundle:
    """Return the bundle with opened credentials and shared limit states. Raises SealError, ValueError."""
    names = {provider.id: provider.name for provider in text.providers}
    budgets = [
        limit_for(_terms(b, names), b.period_start_ms, b.settled_nanousd) for b in text.budgets
    ]
    rates = rate_terms("virtual_key", text.vk_id, "", text.config.get("rate_limits") or {})
    return Bundle(
        vk_id=text.vk_id,
        revision=text.revision,
        status=text.status,
        name=text.name,
        display_prefix=text.display_prefix,
        organization_id=text.organization_id,
        project_id=text.project_id,
        team_id=text.team_id,
        principal_id=text.principal_id,
        personal=text.personal,
        expires_at_ms=text.expires_at_ms,
        tags=tuple(text.tags),
        providers=tuple(_provider(p, sealer, _own(p, budgets, limit_for)) for p in text.providers),
        limits=(
            *(limit_for(terms, 0, 0) for terms in rates),
            *(budget for budget in budgets if budget.terms.provider_id is None),
        ),
        config=text.config,
        policies=tuple(text.policies),
        cache_rules=tuple(text.cache_rules),
        guardrails=tuple(_guardrail(row, sealer) for row in text.guardrails),
        budgets=tuple(budgets),
        routing_policy=text.routing_policy,
        capture=text.capture,
        is_traced=text.is_traced,
        privacy=Cleaner(from_json(text.privacy)) if text.privacy else IDLE,
    )


def _guardrail(row: dict[str, Any], sealer: Sealer) -> GuardrailBinding:
    sealed = row.get("secret")
    secret = None if sealed is None else sealer.open(sealed, f"guardrail:{row['id']}")
    return GuardrailBinding({n: v for n, v in row.items() if n != "secret"}, secret)


def _own(
    text: _ProviderText, budgets: list[LimitState], limit_for: LimitFor
) -> tuple[LimitState, ...]:
    """Return the limits that count one provider's calls alone."""
    rates = rate_terms("provider", text.id, text.name, text.rate_limits)
    return (
        *(limit_for(terms, 0, 0) for terms in rates),
        *(budget for budget in budgets if budget.terms.provider_id == text.id),
    )


def _terms(text: _BudgetText, provider_names: dict[str, str]) -> Terms:
    return Terms(
        text.id,
        text.name,
        text.scope,
        text.scope_id,
        text.window,
        text.anchor_ms,
        text.limit_nanousd,
        text.on_breach,
        text.on_unpriced,
        text.on_outage,
        provider_id=text.provider_id,
        provider_name=provider_names.get(text.provider_id or "", ""),
        reset_ms=text.reset_ms,
    )


def _provider(
    text: _ProviderText, sealer: Sealer, limits: tuple[LimitState, ...]
) -> ProviderBinding:
    credential = None
    if text.credential is not None:
        credential = sealer.open(text.credential, f"provider:{text.id}")
    target, base_path = None, ""
    if text.type != "sandbox":
        parts = urlsplit(text.base_url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"provider {text.id} has no usable address")
        port = parts.port or _PORTS[parts.scheme]
        target = Target(parts.scheme, parts.hostname, port, text.allow_private)
        base_path = parts.path.rstrip("/")
    return ProviderBinding(
        text.id,
        text.name,
        text.type,
        text.base_url,
        credential,
        text.allow_private,
        target,
        base_path,
        read_settings(text.settings),
        limits,
    )
