"""What a governance file says calls are checked against: policy rules, guardrails, cache rules, and a key's sections.

Applies them, one at a time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.apply import privacy, traces
from cli.apply.entries import Entry
from core.authoring import cache_rules, guardrails, policy_rule_sets
from core.authoring.actor import Actor
from core.authoring.cache_rules import MODES, NewCacheRule
from core.authoring.guardrails import NewGuardrail
from core.authoring.policy_rule_sets import NewPolicyRuleSet
from core.secrets import Sealer, Secret
from rules.guardrails.types import ACTIONS, DIRECTIONS, ON_FAILURE, TYPES
from rules.permissions import SCOPES

POLICY, GUARDRAIL, CACHE_RULE = "policy rule set", "guardrail", "cache rule"


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """A set of policy rules; ``target`` is the slug of its team or project, empty for the organization."""

    line: int
    name: str
    scope: str
    target: str
    rules: dict[str, Any]
    description: str
    enabled: bool

    kind = POLICY


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A guardrail and the secret that questions to its evaluator are signed with."""

    line: int
    name: str
    scope: str
    target: str
    type: str
    settings: dict[str, Any]
    directions: tuple[str, ...]
    action: str
    on_failure: str
    is_automatic: bool
    enabled: bool
    description: str
    secret: Secret | None

    kind = GUARDRAIL


@dataclass(frozen=True, slots=True)
class CacheRule:
    """A cache rule; ``virtual_key`` and ``principal`` are the name and the e-mail that it matches."""

    line: int
    name: str
    priority: int
    matchers: dict[str, Any]
    virtual_key: str | None
    principal: str | None
    mode: str
    description: str
    enabled: bool

    kind = CACHE_RULE
    scope, target = "organization", ""


Checked = (
    PolicyRules
    | Guardrail
    | CacheRule
    | privacy.PrivacyRule
    | privacy.RetentionPolicy
    | traces.TraceDestination
)
"""What stands at a scope, or at the whole organization, and is made or changed by one function each."""


def read_policy_rules(entry: Entry) -> PolicyRules:
    """Return the set of policy rules that an entry declares."""
    scope, target = entry.scope(SCOPES)
    return PolicyRules(
        entry.line,
        entry.text("name"),
        scope,
        target,
        entry.free("rules"),
        entry.text("description", ""),
        entry.switch("enabled", True),
    )


def read_guardrail(entry: Entry) -> Guardrail:
    """Return the guardrail that an entry declares."""
    scope, target = entry.scope(SCOPES)
    return Guardrail(
        entry.line,
        entry.text("name"),
        scope,
        target,
        entry.choice("type", tuple(TYPES)),
        entry.free("settings"),
        entry.texts("directions") or DIRECTIONS,
        entry.choice("action", ACTIONS, "block"),
        entry.choice("on_failure", ON_FAILURE, "fail_closed"),
        entry.switch("is_automatic", False),
        entry.switch("enabled", True),
        entry.text("description", ""),
        entry.secret("secret"),
    )


def read_cache_rule(entry: Entry) -> CacheRule:
    """Return the cache rule that an entry declares."""
    priority = entry.whole("priority")
    matchers = entry.free("matchers")
    key, person = matchers.pop("virtual_key", None), matchers.pop("principal", None)
    return CacheRule(
        entry.line,
        entry.text("name"),
        100 if priority is None else priority,
        matchers,
        None if key is None else str(key),
        None if person is None else str(person).lower(),
        entry.choice("mode", MODES),
        entry.text("description", ""),
        entry.switch("enabled", True),
    )


def read_key_sections(entry: Entry) -> dict[str, Any]:
    """Return the sections of a key about these; of its guardrails the names, by direction."""
    named = entry.free("guardrails")
    for direction, names in named.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            entry.wrong("guardrails", f"`{direction}` must be a list of guardrails")
            named = {}
            break
    return {
        "policy_rules": entry.free("policy_rules"),
        "cache": entry.free("cache"),
        "guardrails": named,
    }


def names_in(rule: CacheRule) -> list[tuple[str, str]]:
    """Return the kind and name of what a cache rule matches by name."""
    pairs = (("virtual key", rule.virtual_key), ("user", rule.principal))
    return [(kind, name) for kind, name in pairs if name is not None]


def guardrail_names(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the guardrails that a key's sections name."""
    return [name for names in config.get("guardrails", {}).values() for name in names]


def with_guardrail_ids(
    config: Mapping[str, Any], id_of: Callable[[str, str], str | None]
) -> dict[str, Any]:
    """Return a key's sections with the ids of its guardrails; one that was refused is reported there."""
    named = config.get("guardrails", {})
    ids = {way: [i for n in names if (i := id_of(GUARDRAIL, n))] for way, names in named.items()}
    return {**config, "guardrails": ids}


def work_of(
    checked: Checked, scope_id: str | None, id_of: Callable[[str, str], str | None], sealer: Sealer
) -> Callable[[Actor, datetime], object] | None:
    """Return what creates or updates an entry; None when something it names was refused itself."""
    there = id_of(checked.kind, checked.name)
    if scope_id is None:
        return None
    if isinstance(checked, PolicyRules):
        return _policy_work(checked, scope_id, there)
    if isinstance(checked, privacy.PrivacyRule):
        return privacy.work_of(checked, scope_id, there, id_of)
    if isinstance(checked, privacy.RetentionPolicy):
        return privacy.retention_work_of(checked, scope_id, there)
    if isinstance(checked, traces.TraceDestination):
        return traces.work_of(checked, scope_id, there, sealer)
    if isinstance(checked, Guardrail):
        return _guardrail_work(checked, scope_id, there, sealer)
    matchers = dict(checked.matchers)
    for matcher, (kind, name) in zip(
        ("vk_id", "principal_id"),
        (("virtual key", checked.virtual_key), ("user", checked.principal)),
        strict=True,
    ):
        if name is not None:
            matchers[matcher] = id_of(kind, name)
            if matchers[matcher] is None:
                return None
    return _cache_rule_work(checked, matchers, there)


def _policy_work(
    told: PolicyRules, scope_id: str, there: str | None
) -> Callable[[Actor, datetime], object]:
    new = NewPolicyRuleSet(
        told.name, told.scope, scope_id, told.rules, told.description, told.enabled
    )

    def work(actor: Actor, now: datetime) -> object:
        if there is None:
            return policy_rule_sets.create(actor, new, now)
        return policy_rule_sets.update(actor, there, new, now)

    return work


def _guardrail_work(
    told: Guardrail, scope_id: str, there: str | None, sealer: Sealer
) -> Callable[[Actor, datetime], object]:
    new = NewGuardrail(
        told.name,
        told.scope,
        scope_id,
        told.type,
        told.settings,
        told.directions,
        told.action,
        told.on_failure,
        told.is_automatic,
        told.enabled,
        told.description,
        told.secret,
        is_operator_address=True,
    )

    def work(actor: Actor, now: datetime) -> object:
        if there is None:
            return guardrails.create(actor, new, sealer, now)
        return guardrails.update(actor, there, new, sealer, now)

    return work


def _cache_rule_work(
    told: CacheRule, matchers: dict[str, Any], there: str | None
) -> Callable[[Actor, datetime], object]:
    new = NewCacheRule(
        told.name, matchers, told.mode, told.priority, told.description, told.enabled
    )

    def work(actor: Actor, now: datetime) -> object:
        if there is None:
            return cache_rules.create(actor, new, now)
        return cache_rules.update(actor, there, new, now)

    return work
