"""What may stand in a governance file: the entries of each kind, as frozen values. Applies nothing.

References are checked against the file and against what exists already; both are names, never ids.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from cli.apply import checks, identity, privacy, traces
from cli.apply.entries import ENV_SUFFIX, Entry, Mistake, Mistakes, Reading
from cli.apply.routing import RoutingPolicy, read_key_sections, read_policy
from core.secrets import Secret
from rules.anomaly_rules import RULE_TYPES, SCOPES, SEVERITIES
from rules.keys import is_ingestion_secret, is_virtual_key
from rules.pricing import NANOUSD_PER_USD
from rules.provider_types import SANDBOX, TYPES, Proof
from rules.source_types import CREATABLE
from rules.windows import Window

PROVIDER_TYPES = tuple(TYPES)
BUDGET_SCOPES = ("organization", "team", "project", "virtual_key", "principal")
KEY_SECTIONS = ("rate_limits",)
"""The sections of a key's configuration that a file may give, each a mapping of any shape."""
# Which kind of entry the `target` of a budget or rule names, for each scope.
TARGETS = {
    "department": "department",
    "team": "team",
    "project": "project",
    "virtual_key": "virtual key",
    "principal": "user",
    "source": "ingestion source",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """An upstream account, its settings and its credential. An empty address is the type's own."""

    line: int
    name: str
    type: str
    base_url: str
    credential: Secret | None
    settings: dict[str, Any]
    rate_limits: dict[str, Any]


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A virtual key; without a secret of its own one is made and shown once."""

    line: int
    name: str
    project: str
    principal: str | None
    providers: tuple[str, ...]
    tags: tuple[str, ...]
    secret: Secret | None
    config: dict[str, Any]
    """The sections of ``core.authoring.key_config`` that the file gives."""
    routing_policy: str | None


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget; ``target`` is the slug, name or e-mail of what the scope says, empty for the organization."""

    line: int
    name: str
    scope: str
    target: str
    window: str
    limit_nanousd: int
    on_breach: str
    on_unpriced: str
    on_outage: str
    provider: str | None
    cycle_anchor_at: datetime | None


@dataclass(frozen=True, slots=True)
class Source:
    """An ingestion source; without a secret of its own one is made and shown once."""

    line: int
    name: str
    type: str
    description: str
    team: str | None
    parser_config: dict[str, Any]
    secret: Secret | None


@dataclass(frozen=True, slots=True)
class Rule:
    """An anomaly rule with its threshold and destinations."""

    line: int
    name: str
    type: str
    severity: str
    scope: str
    target: str
    description: str
    threshold: dict[str, Any]
    destinations: tuple[dict[str, Any], ...]
    status: str


@dataclass(frozen=True, slots=True)
class Document:
    """Everything a file declares, in the file's order."""

    organization: identity.Organization | None = None
    users: Sequence[identity.User] = ()
    teams: Sequence[identity.Team] = ()
    projects: Sequence[identity.Project] = ()
    providers: Sequence[Provider] = ()
    routing_policies: Sequence[RoutingPolicy] = ()
    virtual_keys: Sequence[VirtualKey] = ()
    budgets: Sequence[Budget] = ()
    ingestion_sources: Sequence[Source] = ()
    anomaly_rules: Sequence[Rule] = ()
    policy_rules: Sequence[checks.PolicyRules] = ()
    guardrails: Sequence[checks.Guardrail] = ()
    cache_rules: Sequence[checks.CacheRule] = ()
    departments: Sequence[identity.Department] = ()
    custom_roles: Sequence[identity.CustomRole] = ()
    groups: Sequence[identity.Group] = ()
    service_accounts: Sequence[identity.ServiceAccount] = ()
    role_bindings: Sequence[identity.Binding] = ()
    sign_in: Sequence[identity.Connection] = ()
    invitations: Sequence[identity.Invitation] = ()
    privacy_rules: Sequence[privacy.PrivacyRule] = ()
    retention_policies: Sequence[privacy.RetentionPolicy] = ()
    trace_destinations: Sequence[traces.TraceDestination] = ()
    used_variables: frozenset[str] = frozenset()
    mistakes: tuple[Mistake, ...] = ()
    """What is wrong in the file by itself; with any, nothing of it may be applied."""

    @property
    def checks_before_keys(self) -> list[checks.Checked]:
        """What keys may name or are held to, and what becomes of what their calls leave."""
        found: list[checks.Checked] = [*self.policy_rules, *self.guardrails, *self.privacy_rules]
        return [*found, *self.retention_policies, *self.trace_destinations]


def read(text: str, environ: Mapping[str, str]) -> Document:
    """Return what a file declares, and what is wrong in it. Raises Mistakes when it can't be read at all."""
    reading = Reading(environ)
    root = reading.root(text)
    if root is None:
        raise Mistakes(reading.mistakes)
    organization = root.inner("organization", "the organization")
    found = (
        identity.read_organization(organization) if organization else None,
        _kind(root, "users", "a user", identity.read_user, "email"),
        _kind(root, "teams", "a team", identity.read_team, "slug"),
        _kind(root, "projects", "a project", identity.read_project, "slug"),
        _kind(root, "providers", "a provider", _provider, "name"),
        _kind(root, "routing_policies", "a routing policy", read_policy, "name"),
        _kind(root, "virtual_keys", "a virtual key", _virtual_key, "name"),
        _kind(root, "budgets", "a budget", _budget, "name"),
        _kind(root, "ingestion_sources", "an ingestion source", _source, "name"),
        _kind(root, "anomaly_rules", "an anomaly rule", _rule, "name"),
        _kind(root, "policy_rules", "a set of policy rules", checks.read_policy_rules, "name"),
        _kind(root, "guardrails", "a guardrail", checks.read_guardrail, "name"),
        _kind(root, "cache_rules", "a cache rule", checks.read_cache_rule, "name"),
        _kind(root, "departments", "a department", identity.read_department, "name"),
        _kind(root, "custom_roles", "a custom role", identity.read_custom_role, "name"),
        _kind(root, "groups", "a group", identity.read_group, "name"),
        _kind(root, "service_accounts", "an account", identity.read_service_account, "name"),
        _kind(root, "role_bindings", "a role binding", identity.read_binding, "name"),
        _kind(root, "sign_in", "a sign-in connection", identity.read_connection, "name"),
        _kind(root, "invitations", "an invitation", identity.read_invitation, "email"),
        _kind(root, "privacy_rules", "a privacy rule", privacy.read_rule, "name"),
        _kind(root, "retention_policies", "a policy", privacy.read_retention_policy, "name"),
        _kind(root, "trace_destinations", "a destination", traces.read_destination, "name"),
    )
    root.finish()
    return Document(*found, frozenset(reading.used_variables), tuple(reading.mistakes))


_Kind = TypeVar("_Kind")


def _kind(
    root: Entry, section: str, what: str, build: Callable[[Entry], _Kind], identity: str
) -> list[_Kind]:
    found: list[_Kind] = []
    lines: dict[str, int] = {}
    for entry in root.entries(section, what):
        value = build(entry)
        entry.finish()
        name = str(getattr(value, identity))
        if name and name in lines:
            entry.wrong(identity, f"`{name}` is declared already, on line {lines[name]}")
        lines.setdefault(name, entry.line)
        found.append(value)
    return found


def _provider(entry: Entry) -> Provider:
    kind = entry.choice("type", PROVIDER_TYPES)
    credential = _credential(entry)
    address = entry.text("base_url", "").rstrip("/")
    if kind == SANDBOX:
        address = ""
    elif address and not address.startswith(("http://", "https://")):
        entry.wrong("base_url", f"`{address}` must start with https:// or http://")
    is_needed = kind in TYPES and TYPES[kind].proof is Proof.KEY and not address
    if is_needed and not (entry.optional("api_key_env") or entry.optional("credential_env")):
        entry.wrong("type", f"a provider of type {kind} needs `api_key_env`")
    return Provider(
        entry.line,
        entry.text("name"),
        kind,
        address,
        credential,
        entry.free("settings"),
        entry.free("rate_limits"),
    )


def _credential(entry: Entry) -> Secret | None:
    """Return a key, the JSON that a variable or its file holds, or an object made of several variables."""
    key, whole = entry.secret("api_key"), None
    if "credential" in entry.names():
        parts = entry.inner("credential", "a credential")
        if parts is not None:
            named = {
                n.removesuffix(ENV_SUFFIX): parts.secret(n.removesuffix(ENV_SUFFIX))
                for n in parts.names()
            }
            parts.finish()
            whole = Secret(json.dumps({n: s.reveal() for n, s in named.items() if s}))
    else:
        whole = entry.secret("credential")
    return key or whole


def _virtual_key(entry: Entry) -> VirtualKey:
    secret = entry.secret("secret")
    if secret and not is_virtual_key(secret.reveal()):
        entry.wrong("secret_env", "the secret must be lw_vk_live_ and a ULID of 26 characters")
    principal = entry.optional("principal")
    providers = entry.texts("providers")
    if not providers:
        entry.wrong("providers", "a virtual key needs at least one provider in `providers`")
    return VirtualKey(
        entry.line,
        entry.text("name"),
        entry.text("project"),
        principal.lower() if principal else None,
        providers,
        entry.texts("tags"),
        secret,
        {name: entry.free(name) for name in KEY_SECTIONS}
        | read_key_sections(entry)
        | checks.read_key_sections(entry),
        entry.optional("routing_policy"),
    )


def _budget(entry: Entry) -> Budget:
    scope = entry.choice("scope", BUDGET_SCOPES)
    return Budget(
        entry.line,
        entry.text("name"),
        scope,
        _target(entry, scope),
        entry.choice("window", [w.value for w in Window]),
        _nanousd(entry),
        entry.choice("on_breach", ("block", "warn"), "block"),
        entry.choice("on_unpriced", ("flat", "refuse", "allow"), "flat"),
        entry.choice("on_outage", ("block", "allow"), "block"),
        entry.optional("provider"),
        entry.moment("cycle_anchor_at"),
    )


def _nanousd(entry: Entry) -> int:
    usd = entry.decimal("limit_usd")
    if usd is None:
        return 0
    amount = usd * NANOUSD_PER_USD if usd.is_finite() else Decimal(0)
    if amount <= 0 or amount != amount.to_integral_value() or amount >= 2**62:
        entry.wrong("limit_usd", "`limit_usd` must be above 0 with at most 9 decimals")
        return 0
    return int(amount)


def _target(entry: Entry, scope: str) -> str:
    target = entry.text("target", "")
    if scope == "organization" or not scope:
        return ""
    if not target:
        wanted = TARGETS.get(scope, "source type")
        entry.wrong("scope", f"with `scope: {scope}` the field `target` must name the {wanted}")
    return target.lower() if scope == "principal" else target


def _source(entry: Entry) -> Source:
    secret = entry.secret("secret")
    if secret and not is_ingestion_secret(secret.reveal()):
        entry.wrong("secret_env", "the secret must be lw_is_ and 20 to 128 letters, digits, - or _")
    return Source(
        entry.line,
        entry.text("name"),
        entry.choice("type", list(CREATABLE)),
        entry.text("description", ""),
        entry.optional("team"),
        entry.free("parser_config"),
        secret,
    )


def _rule(entry: Entry) -> Rule:
    scope = entry.choice("scope", SCOPES, "organization")
    return Rule(
        entry.line,
        entry.text("name"),
        entry.choice("type", RULE_TYPES),
        entry.choice("severity", SEVERITIES, "warning"),
        scope,
        _target(entry, scope),
        entry.text("description", ""),
        entry.free("threshold"),
        tuple(entry.free_list("destinations")),
        entry.choice("status", ("active", "disabled"), "active"),
    )
