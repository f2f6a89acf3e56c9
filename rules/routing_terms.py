"""What a key and its routing policy say about routing, read together. Resolves no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from rules.globs import Globs
from rules.policy_subjects import Subject
from rules.routing import Aliases
from rules.strategies import Strategy

MAX_ATTEMPTS = 3
"""How many providers one call may reach, unless the key says otherwise."""
NO_FALLBACK = "none"
KEYS_OWN = "fallback_all"


class Bound(Protocol):
    """A provider of a key, whatever else is known of it."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name, which callers may put before a model."""

    @property
    def type(self) -> str:
        """Its type."""


class PolicyTerms(Protocol):
    """What a routing policy says."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def strategy(self) -> str:
        """One of ``rules.strategies``."""

    @property
    def provider_ids(self) -> Sequence[str]:
        """In the order in which they are tried; the key's other providers are left out."""

    @property
    def models_allowed(self) -> Sequence[str]:
        """Globs; none is no restriction."""

    @property
    def model_aliases(self) -> Aliases:
        """Names that stand for models."""


P = TypeVar("P", bound=Bound)


@dataclass(frozen=True, slots=True, eq=False)
class RoutingTerms(Generic[P]):
    """The terms of one key."""

    order: tuple[P, ...]
    """The providers in the order in which they are tried."""
    aliases: Aliases
    allowed: tuple[Globs, ...]
    """A model must match each of these."""
    lists: tuple[tuple[str, ...], ...]
    """The same as they were written."""
    max_attempts: int
    attempt_seconds: float | None
    """How long each attempt may wait for its first byte, when the key says so."""
    strategy: Strategy
    policy_name: str
    """Empty when no policy applies."""

    def allows(self, binding: Bound, model: str) -> bool:
        """Say whether the lists of allowed models hold a provider's model, bare or with its provider."""
        names = (model, f"{binding.type}/{model}", f"{binding.name}/{model}")
        return all(globs.match(*names) for globs in self.allowed)

    def first_refused(self, binding: Bound, others: Sequence[Subject]) -> Subject | None:
        """Return the first of the models named beside the one asked for that the lists do not hold."""
        for other in others:
            if not any(self.allows(binding, name) for name in other.spellings):
                return other
        return None


def terms_of(
    config: Mapping[str, Any], providers: Sequence[P], routing_policy: PolicyTerms | None
) -> RoutingTerms[P]:
    """Return the terms of a key with these providers, to which this policy applies unless the key's mode forbids."""
    mode, order = config.get("routing_mode"), tuple(providers)
    policy = None if mode in (NO_FALLBACK, KEYS_OWN) else routing_policy
    aliases: dict[str, str | Mapping[str, str]] = {}
    lists: list[tuple[str, ...]] = []
    if policy is not None:
        place = {provider_id: index for index, provider_id in enumerate(policy.provider_ids)}
        chosen = [binding for binding in order if binding.id in place]
        order = tuple(sorted(chosen, key=lambda binding: place[binding.id]))
        aliases |= policy.model_aliases
        if policy.models_allowed:
            lists.append(tuple(policy.models_allowed))
    aliases |= _mapping(config.get("model_aliases"))
    models = config.get("models_allowed")
    if models is not None:
        lists.append(tuple(models))
    fallback = _mapping(config.get("fallback"))
    timeout_ms = fallback.get("timeout_ms")
    return RoutingTerms(
        order=order,
        aliases=aliases,
        allowed=tuple(map(Globs, lists)),
        lists=tuple(lists),
        max_attempts=1 if mode == NO_FALLBACK else fallback.get("max_attempts", MAX_ATTEMPTS),
        attempt_seconds=None if timeout_ms is None else timeout_ms / 1000,
        strategy=Strategy.PRIORITY if policy is None else Strategy(policy.strategy),
        policy_name="" if policy is None else policy.name,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
