"""What a virtual key's configuration may hold: one section a concern, one check a section. Writes nothing.

A section is a JSON value under its name. A section that says nothing (null, or an object whose members are
all null) is left out of what is stored, so that two ways of saying nothing are equal.
"""

from collections.abc import Callable, Mapping
from typing import Any

from core.authoring.capture import capture_error
from core.authoring.guardrails import attachments_error
from core.authoring.policy_rule_sets import policy_rules_error
from core.authoring.rate_limits import rate_limits_error
from core.authoring.routing_config import (
    aliases_error,
    fallback_error,
    mode_error,
    models_error,
    policy_error,
)
from core.authoring.validation import Complaints
from rules.cache_mode import key_section_error
from rules.policy import canonical_rules

Check = Callable[[str, Any], str]
"""Takes the organization's id and a section's value; returns what is wrong in one sentence, or nothing."""


def _rate_limits(_organization_id: str, value: Any) -> str:
    return rate_limits_error(value)


def _policy_rules(_organization_id: str, value: Any) -> str:
    return policy_rules_error(value)


def _cache(_organization_id: str, value: Any) -> str:
    return key_section_error(value)


def _capture(_organization_id: str, value: Any) -> str:
    return capture_error(value)


SECTIONS: Mapping[str, Check] = {
    "cache": _cache,
    "capture": _capture,
    "fallback": fallback_error,
    "guardrails": attachments_error,
    "model_aliases": aliases_error,
    "models_allowed": models_error,
    "policy_rules": _policy_rules,
    "rate_limits": _rate_limits,
    "routing_mode": mode_error,
    "routing_policy_id": policy_error,
}


def canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is stored: without sections and members that are null."""
    kept = {name: _without_nulls(value) for name, value in sorted(config.items())}
    if "policy_rules" in kept:
        kept["policy_rules"] = canonical_rules(kept["policy_rules"])
    return {name: value for name, value in kept.items() if value not in (None, {})}


def complain(organization_id: str, config: Mapping[str, Any], complaints: Complaints) -> None:
    """Complain about sections that nobody knows, and about what is wrong in those that are known."""
    for name, value in canonical(config).items():
        check = SECTIONS.get(name)
        if check is None:
            known = ", ".join(SECTIONS)
            complaints.add(f"config.{name}", f"There is no such section; there are: {known}.")
        else:
            complaints.add(f"config.{name}", check(organization_id, value))


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: inner for name, inner in value.items() if inner is not None}
