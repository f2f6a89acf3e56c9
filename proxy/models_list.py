"""What a key can name on an API, by the code that routes its calls. Asks no provider, formats nothing.

A name is listed when a call that bears it would be sent to a provider, with that provider's type as its owner.
Globs of the allow-list and a family's shortcut, which no call can bear, stand for names that are routed.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from core.fault import Fault, Refused
from proxy.bundle import Bundle, ProviderBinding
from proxy.model_forms import ModelForm
from proxy.pipeline.lanes import Plan
from proxy.providers import sandbox
from proxy.responses import Answer, json_answer
from proxy.routes import TABLE, Route
from rules.catalogue import known_models
from rules.policy_subjects import MODELS
from rules.routing import Source

_NO_REGION = "regional."
"""The catalogue's prefix of prices that hold in several regions; no model has it in its name."""
_OPENAI = (
    *("chat", "responses", "completions", "embeddings", "images", "speech", "transcriptions"),
    "moderations",
)
_CALLS = {
    "openai": _OPENAI,
    "anthropic": ("messages",),
    "gemini": ("generate_content", "embed_content"),
}
"""The request types that a model of each API may be called with."""
_MAX_REMEMBERED = 256
_WILD = frozenset("*?")
Owners = dict[str, str]


class ModelLists:
    """The lists of one worker. Keys with the same providers and terms share one."""

    def __init__(self) -> None:
        self._remembered: dict[bytes, Owners] = {}

    def of(self, plan: Plan, api: str) -> Owners:
        """Return the names that calls of a key may bear on an API, sorted, with the provider type of each."""
        terms = msgspec.json.encode([api, *_terms_of(plan)])
        found = self._remembered.get(terms)
        if found is None:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[terms] = _listed(plan, api)
        return found

    def answer(self, plan: Plan, api: str, form: ModelForm, query: bytes) -> Answer:
        """Return the list, or the page of it that is asked for."""
        given = dict(parse_qsl(query.decode("latin-1")))
        return json_answer(200, form.page(self.of(plan, api), given))

    def one(self, plan: Plan, api: str, form: ModelForm, name: str) -> Answer:
        """Return one model. Raises Refused(NOT_FOUND) for a name that no call could bear."""
        owner = self.of(plan, api).get(name) or _owner(plan, api, name)
        if owner is None:
            shown = name[:200]
            raise Refused(Fault.NOT_FOUND, f'This key lists no model "{shown}".', model=shown)
        return json_answer(200, form.one(name, owner))


def _terms_of(plan: Plan) -> Iterable[Any]:
    """Return everything that a list depends on."""
    terms, bundle = plan.terms, plan.bundle
    yield [(b.id, b.name, b.type, b.base_url, *_settings(b)) for b in terms.order]
    yield [terms.aliases, terms.lists]
    yield _model_rules(bundle)


def _settings(binding: ProviderBinding) -> tuple[Any, ...]:
    settings = binding.settings
    deployments = dict(settings.deployments)
    return settings.models, deployments, settings.blocked_models, settings.region


def _model_rules(bundle: Bundle) -> list[Any]:
    rules = [bundle.config.get("policy_rules"), *(row.get("rules") for row in bundle.policies)]
    return [given.get(MODELS) if isinstance(given, dict) else None for given in rules]


def _routes(api: str) -> list[Route]:
    return list(_routes_by_type(_CALLS[api]).values())


@lru_cache(maxsize=len(_CALLS))
def _routes_by_type(wanted: tuple[str, ...]) -> dict[str, Route]:
    found = {route.request_type: route for route in reversed(TABLE)}
    return {request_type: found[request_type] for request_type in wanted}


def _listed(plan: Plan, api: str) -> Owners:
    terms, found = plan.terms, {}
    patterns = [entry for entries in terms.lists for entry in entries]
    named = list(terms.aliases)
    is_open = False
    """A provider serves names that nobody here knows."""
    for binding in terms.order:
        declared = _models(binding)
        is_open = is_open or not declared
        for model in declared:
            owner = _claimed(plan, api, model)
            # Where a name by itself leads elsewhere or nowhere, the provider's type says whose is meant.
            named.append(model if owner else f"{binding.type}/{model}")
    for name in named:
        if (owner := _claimed(plan, api, name)) is not None:
            found[name] = owner
    # A glob may stand for a name that only the lists tell, so those come first.
    for entry in sorted(patterns, key=lambda one: bool(_WILD & set(one))):
        owner = _standing_for(entry, found) if _WILD & set(entry) else _routed(plan, api, entry)
        if owner is None and is_open and _WILD & set(entry):
            owner = _family_of(entry, plan)
        if owner is not None:
            found[entry] = owner
    served = set(found.values())
    for binding in terms.order:
        has_lane = any(binding in _bound(plan, route) for route in _routes(api))
        if has_lane and (binding.type in served or not (terms.lists or _models(binding))):
            found[f"{binding.type}/*"] = binding.type
    return dict(sorted(found.items()))


def _bound(plan: Plan, route: Route) -> list[ProviderBinding]:
    return [lane.binding for lane in plan.on(route).lanes]


def _models(binding: ProviderBinding) -> tuple[str, ...]:
    """Return what a provider is declared to serve or gives names of its own, else what the catalogue lists."""
    settings = binding.settings
    named = tuple(dict.fromkeys((*settings.models, *settings.deployments)))
    if named:
        return named
    if binding.type == sandbox.SANDBOX.type:
        return sandbox.MODELS
    return tuple(m for m in known_models(binding.type) if not m.startswith(_NO_REGION))


def _claimed(plan: Plan, api: str, name: str) -> str | None:
    """Return who would serve a name that an alias, a provider's name or what is known of a provider places."""
    for route in _routes(api):
        lanes = plan.on(route)
        if lanes.lanes and lanes.claims(name) and (owner := _on(plan, route, name)):
            return owner
    return None


def _routed(plan: Plan, api: str, name: str) -> str | None:
    """Return who would get calls that bear a name, known or not."""
    owners = (_on(plan, route, name) for route in _routes(api))
    return next((owner for owner in owners if owner is not None), None)


def _on(plan: Plan, route: Route, name: str) -> str | None:
    """Return the type of the provider that a call of a route goes to first; None where it is refused."""
    found = plan.on(route).peek(name)
    if found is None:
        return None
    lane, model = found.chain[0]
    policy = plan.checks.policy
    if policy is not None and policy.judge_model(model, lane.binding.type).blocked is not None:
        return None
    return lane.binding.type


def _owner(plan: Plan, api: str, name: str) -> str | None:
    """Return who would serve a name that is on no list: by its look, or with a provider whose models nobody knows."""
    if (owner := _claimed(plan, api, name)) is not None:
        return owner
    for route in _routes(api):
        found = plan.on(route).peek(name)
        if found is not None and found.source is Source.IMPLICIT:
            binding = found.chain[0].lane.binding
            if not _models(binding):
                return _on(plan, route, name)
    return None


def _standing_for(glob: str, found: Owners) -> str | None:
    """Return who serves what a glob of the allow-list stands for."""
    for name, owner in found.items():
        if fnmatchcase(name, glob) or fnmatchcase(f"{owner}/{name}", glob):
            return owner
    return None


def _family_of(glob: str, plan: Plan) -> str:
    """Return the type of the provider that a glob names, or of the first whose models nobody knows."""
    word, _, _ = glob.partition("/")
    for binding in plan.terms.order:
        if word in (binding.name, binding.type):
            return binding.type
    return next(binding.type for binding in plan.terms.order if not _models(binding))
