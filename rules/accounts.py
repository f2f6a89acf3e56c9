"""A provider as routing sees it, from what is stored of it, and where a model is served under a key's terms. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol, TypeVar

from rules.catalogue import known_models
from rules.provider_types import SANDBOX, SANDBOX_MODELS
from rules.routing import Account, Directory, Pick, Resolution
from rules.routing_terms import Bound, RoutingTerms

B = TypeVar("B", bound=Bound)


class Served(Protocol):
    """What a provider's settings say of models."""

    @property
    def models(self) -> Sequence[str]:
        """The models that it is said to serve, and no others; none says nothing."""

    @property
    def deployments(self) -> Mapping[str, str]:
        """Its own names of models."""


class NotAllowed(Exception):
    """Providers serve a model, and the lists of allowed models hold it for none of them."""

    def __init__(self, pick: Pick, alias: str) -> None:
        super().__init__(pick.model)
        self.pick = pick
        """What would have been first."""
        self.alias = alias


def account_of(bound: Bound, settings: Served, *, is_native: bool = False) -> Account:
    """Return a provider as routing sees it for an API whose requests it takes as they come or not."""
    models = SANDBOX_MODELS if bound.type == SANDBOX else settings.models
    names = frozenset(models), frozenset(settings.deployments)
    return Account(bound.name, bound.type, *names, is_native)


def is_catalogued(provider_type: str, model: str) -> bool:
    """Say whether the catalogue lists a model under a provider type."""
    return model in _catalogued(provider_type)


@lru_cache(maxsize=64)
def _catalogued(provider_type: str) -> frozenset[str]:
    return frozenset(known_models(provider_type))


def resolve(
    directory: Directory, terms: RoutingTerms[B], order: Sequence[B], model: str
) -> Resolution:
    """Return where a model is served and allowed. Raises Unplaced, NotAllowed.

    ``order`` are the providers that the directory's accounts stand for.
    """
    found = directory.resolve(model)
    allowed = tuple(pick for pick in found.picks if terms.allows(order[pick.place], pick.model))
    if not allowed:
        raise NotAllowed(found.picks[0], found.alias)
    return replace(found, picks=allowed)
