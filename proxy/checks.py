"""What a key's calls are checked against, worked out once per bundle: policy, cache rules, guardrails.

A key without any of these has ``NO_CHECKS``, and its calls pay one comparison for each.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.secrets import Secret
from proxy.bundle import Bundle, GuardrailBinding
from proxy.transport.dial import Target
from rules.cache_mode import CacheMode, CacheRule, KeyTraits, rules_for
from rules.guardrails.types import DIRECTIONS, Guard, guard_of, wanted_in
from rules.policy import Policy, policy_of

LOG = logging.getLogger(__name__)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """Where a guardrail is asked over HTTP, and what the question is signed with."""

    target: Target
    path: bytes
    secret: Secret
    timeout_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A guardrail of a key. ``problem`` says why it can't be used; then it does what it does on failure."""

    guard: Guard
    evaluator: Evaluator | None = None
    problem: str = ""

    @property
    def asks(self) -> bool:
        """It is asked over HTTP, so its answer must be waited for."""
        return self.evaluator is not None


@dataclass(frozen=True, slots=True, eq=False)
class Checks:
    """Everything a key's calls are checked against."""

    policy: Policy | None = None
    cache_mode: CacheMode | None = None
    cache_rules: tuple[CacheRule, ...] = ()
    response_ttl_seconds: int = 0
    """How long an answer may be given again to the same request; 0 for never."""
    guards: Mapping[str, tuple[Check, ...]] | None = None
    """By direction; None without any guardrail."""


NO_CHECKS = Checks()


def checks_of(bundle: Bundle) -> Checks:
    """Return what the calls of a key are checked against. What is broken is logged here, once, and blocks."""
    config = bundle.config
    rules, cache = config.get("policy_rules"), config.get("cache") or {}
    if not (rules or cache or bundle.policies or bundle.cache_rules or bundle.guardrails):
        return NO_CHECKS
    mode = cache.get("mode")
    key = KeyTraits(bundle.vk_id, bundle.tags, bundle.display_prefix, bundle.principal_id)
    return Checks(
        _policy(bundle, rules),
        None if mode is None else CacheMode(mode),
        rules_for(bundle.cache_rules, key),
        (cache.get("responses") or {}).get("ttl_seconds", 0),
        _guards(bundle) or None,
    )


def _policy(bundle: Bundle, rules: Mapping[str, Any] | None) -> Policy | None:
    policy = policy_of(bundle.vk_id, rules, bundle.policies)
    if policy.problem:
        LOG.error("policy_rules_broken", extra={"vk_id": bundle.vk_id, "reason": policy.problem})
    return policy or None


def _guards(bundle: Bundle) -> dict[str, tuple[Check, ...]]:
    named: Mapping[str, list[str]] = bundle.config.get("guardrails") or {}
    by_id = {binding.id: _check(bundle, binding) for binding in bundle.guardrails}
    found: dict[str, tuple[Check, ...]] = {}
    for direction in DIRECTIONS:
        wanted = wanted_in(direction, bundle.guardrails, named)
        if wanted:
            found[direction] = tuple(by_id[i] for i in wanted)
    return found


def _check(bundle: Bundle, binding: GuardrailBinding) -> Check:
    try:
        guard = guard_of(binding.row)
        return Check(guard, _evaluator(binding) if guard.find is None else None)
    except ValueError as error:
        LOG.error(
            "guardrail_broken",
            extra={"vk_id": bundle.vk_id, "guardrail_id": binding.id, "reason": str(error)},
        )
        row = binding.row | {"type": "secrets", "settings": {}}
        return Check(guard_of(row), problem=str(error))


def _evaluator(binding: GuardrailBinding) -> Evaluator:
    settings = binding.row["settings"]
    parts = urlsplit(settings["url"])
    if binding.secret is None or parts.hostname is None:
        raise ValueError("its secret can't be read")
    port = parts.port or _PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError("its address can't be written in a request line")
    target = Target(parts.scheme, parts.hostname, port, binding.allow_private)
    return Evaluator(target, path.encode(), binding.secret, settings.get("timeout_ms", 2000) / 1000)
