"""Says whether what keys and routing policies say about routing is right: aliases, models, modes. Writes nothing."""

from collections.abc import Mapping
from typing import Any

from core.models import Provider, RoutingPolicy
from rules.globs import MAX_GLOBS, glob_error
from rules.routing import FAMILIES

ROUTING_MODES = ("none", "fallback_all", "policy")
MAX_ALIASES = 200
NAME_CHARACTERS = 256
ATTEMPTS = (1, 10)
TIMEOUT_MS = (100, 3_600_000)


def aliases_error(organization_id: str, value: Any) -> str:
    """Return what is wrong with ``{alias: "provider/model" or {provider: model}}``, or an empty string."""
    if not isinstance(value, dict) or len(value) > MAX_ALIASES:
        return f"Give an object with up to {MAX_ALIASES} aliases."
    known: set[str] | None = None
    for alias, meant in value.items():
        if not _is_name(alias):
            return f"An alias is a name of up to {NAME_CHARACTERS} characters."
        if _is_name(meant):
            continue
        if not isinstance(meant, dict) or not meant or not all(map(_is_name, meant.values())):
            return f"{alias} stands for provider/model, or for an object of models by provider."
        known = known if known is not None else _provider_names(organization_id)
        unknown = [name for name in meant if name not in known and name not in FAMILIES]
        if unknown:
            return f"{alias}: there is no provider and no type {unknown[0]}."
    return ""


def models_error(_organization_id: str, value: Any) -> str:
    """Return what is wrong with a list of globs of models, or an empty string."""
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_GLOBS:
        return (
            f"List 1 to {MAX_GLOBS} models; * stands for any text. Without a list all are allowed."
        )
    return next((error for glob in value if (error := glob_error(glob))), "")


def mode_error(_organization_id: str, value: Any) -> str:
    """Return what is wrong with a routing mode, or an empty string."""
    return "" if value in ROUTING_MODES else f"Choose one of {', '.join(ROUTING_MODES)}."


def policy_error(organization_id: str, value: Any) -> str:
    """Return what is wrong with the id of a routing policy, or an empty string."""
    found = isinstance(value, str) and RoutingPolicy.get_or_none(
        RoutingPolicy.id == value,
        RoutingPolicy.organization_id == organization_id,
        RoutingPolicy.archived_at.is_null(),
    )
    return "" if found else "There is no such routing policy."


def fallback_error(_organization_id: str, value: Any) -> str:
    """Return what is wrong with ``{max_attempts, timeout_ms}``, or an empty string."""
    ranges: Mapping[str, tuple[int, int]] = {"max_attempts": ATTEMPTS, "timeout_ms": TIMEOUT_MS}
    if not isinstance(value, dict):
        return f"Give an object with some of {', '.join(ranges)}."
    for name, number in value.items():
        if name not in ranges:
            return f"There is no {name} here; there are: {', '.join(ranges)}."
        least, most = ranges[name]
        if number is not None and not (type(number) is int and least <= number <= most):
            return f"{name} is a whole number from {least} to {most}."
    return ""


def _is_name(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip() or value != value.strip():
        return False
    return len(value) <= NAME_CHARACTERS and value.isprintable()


def _provider_names(organization_id: str) -> set[str]:
    rows = Provider.select(Provider.name).where(
        Provider.organization_id == organization_id, Provider.archived_at.is_null()
    )
    return {row.name for row in rows}
