"""What a key can name, from its configuration and the installed catalogue. Asks no provider, formats nothing."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from core.fault import Fault, Refused
from proxy.bundle import Bundle, ProviderBinding
from proxy.model_forms import ModelForm
from proxy.pipeline.routing_terms import routing_terms
from proxy.providers import sandbox
from proxy.responses import Answer, json_answer
from rules.catalogue import known_models
from rules.globs import Globs

_OURS = "langwatch"
"""Owner of a name that no provider of the key can be told for."""
Pairs = tuple[tuple[str, str], ...]
_NO_REGION = "regional."
"""The catalogue's prefix of prices that hold in several regions; no model has it in its name."""


class _Account(NamedTuple):
    """A provider as far as the list goes."""

    name: str
    type: str
    models: tuple[str, ...] = ()
    """What it is declared to serve, or gives names of its own; with any, the catalogue is not asked."""
    blocked: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def _listed(
    accounts: tuple[_Account, ...], aliases: Pairs, lists: tuple[tuple[str, ...], ...]
) -> dict[str, str]:
    """Return owner by name, sorted by name: aliases, entries of the allow-lists, families, models.

    ``accounts`` are the key's providers; a model must be on each of ``lists``.
    """
    types = {account.name: account.type for account in accounts}
    found = dict(aliases)
    for entry in (entry for entries in lists for entry in entries):
        found.setdefault(entry, _owner(entry, types))
    globs = [Globs(entries) for entries in lists]
    for name, type_, declared, blocked in accounts:
        models = [
            model
            for model in declared or _catalogue(type_)
            if not any(fnmatchcase(model, pattern) for pattern in blocked)
            and all(one.match(model, f"{type_}/{model}", f"{name}/{model}") for one in globs)
        ]
        if models or not lists:
            found.setdefault(f"{type_}/*", type_)
        for model in models:
            found.setdefault(model, type_)
    return dict(sorted(found.items()))


def _catalogue(provider_type: str) -> tuple[str, ...]:
    if provider_type == sandbox.SANDBOX.type:
        return sandbox.MODELS
    return tuple(m for m in known_models(provider_type) if not m.startswith(_NO_REGION))


def _account(binding: ProviderBinding) -> _Account:
    settings = binding.settings
    named = dict.fromkeys((*settings.models, *settings.deployments))
    return _Account(binding.name, binding.type, tuple(named), settings.blocked_models)


def models(bundle: Bundle) -> dict[str, str]:
    """Return the models that a key can name, sorted by id, with the provider type of each."""
    terms = routing_terms(bundle)
    types = {binding.name: binding.type for binding in terms.order}
    return _listed(
        tuple(_account(binding) for binding in terms.order),
        tuple((alias, _owner(target, types)) for alias, target in terms.aliases.items()),
        terms.lists,
    )


def _owner(target: Any, types: dict[str, str]) -> str:
    """Return the provider type that a name leads to: by what stands before its slash, or the first of several."""
    names = list(target) if isinstance(target, Mapping) else [str(target).partition("/")[0]]
    for name in names:
        if name in types or name in types.values():
            return types.get(name, name)
    only = set(types.values())
    return only.pop() if len(only) == 1 else _OURS


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
