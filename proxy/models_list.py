"""What a key can name, from its configuration and the installed catalogue. Asks no provider, formats nothing."""

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from core.fault import Fault, Refused
from proxy.bundle import Bundle
from proxy.model_forms import ModelForm
from proxy.providers import sandbox
from proxy.responses import Answer, json_answer
from rules.catalogue import known_models

_OURS = "langwatch"
"""Owner of a name that no provider of the key can be told for."""
Aliases = tuple[tuple[str, str], ...]


@lru_cache(maxsize=256)
def _listed(
    types: tuple[str, ...], aliases: Aliases, allowed: tuple[str, ...] | None
) -> dict[str, str]:
    """Return owner by name, sorted by name: aliases, entries of the allow-list, families, models."""
    found = dict(aliases)
    for entry in allowed or ():
        prefix = entry.partition("/")[0]
        found.setdefault(entry, prefix if prefix in types else _only(types))
    for provider_type in types:
        names = [
            name for name in _catalogue(provider_type) if _passes(provider_type, name, allowed)
        ]
        if names or allowed is None:
            found.setdefault(f"{provider_type}/*", provider_type)
        for name in names:
            found.setdefault(name, provider_type)
    return dict(sorted(found.items()))


def _catalogue(provider_type: str) -> tuple[str, ...]:
    if provider_type == sandbox.SANDBOX.type:
        return sandbox.MODELS
    return tuple(known_models(provider_type))


def _passes(provider_type: str, name: str, allowed: tuple[str, ...] | None) -> bool:
    if allowed is None:
        return True
    full = f"{provider_type}/{name}"
    return any(fnmatchcase(name, glob) or fnmatchcase(full, glob) for glob in allowed)


def _only(types: tuple[str, ...]) -> str:
    return types[0] if len(types) == 1 else _OURS


def models(bundle: Bundle) -> dict[str, str]:
    """Return the models that a key can name, sorted by id, with the provider type of each."""
    types = {binding.name: binding.type for binding in bundle.providers}
    aliases = bundle.config.get("model_aliases") or {}
    allowed = bundle.config.get("models_allowed")
    return _listed(
        tuple(dict.fromkeys(types.values())),
        tuple((name, _owner(target, types)) for name, target in aliases.items()),
        None if allowed is None else tuple(allowed),
    )


def _owner(target: Any, types: dict[str, str]) -> str:
    """Return the provider type that an alias leads to: by a name before the slash, or the first of several."""
    names = list(target) if isinstance(target, dict) else [str(target).partition("/")[0]]
    for name in names:
        if name in types or name in types.values():
            return types.get(name, name)
    return _only(tuple(dict.fromkeys(types.values())))


def list_answer(bundle: Bundle, form: ModelForm, query: bytes) -> Answer:
    """Return the list, or the page of it that is asked for."""
    given = dict(parse_qsl(query.decode("latin-1")))
    return json_answer(200, form.page(models(bundle), given))


def one_answer(bundle: Bundle, form: ModelForm, name: str) -> Answer:
    """Return one model. Raises Refused(NOT_FOUND) for a model that the list does not have."""
    owner = models(bundle).get(name)
    if owner is None:
        raise Refused(Fault.NOT_FOUND, f'This key lists no model "{name[:200]}".', model=name[:200])
    return json_answer(200, form.one(name, owner))
