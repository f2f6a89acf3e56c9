"""Which of a key's providers serve a model, and under which name there. Orders nothing by cost or speed.

A name is an alias, names a provider before its slash, or says by itself who serves it. What comes out
keeps the order in which the providers were given: the first is the primary, the rest its fallback.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from rules.provider_types import SPELLINGS, TYPES

Aliases = Mapping[str, str | Mapping[str, str]]
"""Alias to ``provider/model``, or to the model's name by provider name or type."""

FAMILIES = frozenset({*TYPES, *SPELLINGS, "elevenlabs", "cloudflare"})
"""Words before a slash that name a family of providers, so that an unbound one is refused by name."""

_OPENAI = ("openai", "azure")
_PATTERNS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("gpt-oss",), ()),  # open weights, which anybody may serve
    (("claude-",), ("anthropic",)),
    (("gpt-", "chatgpt-", "o1", "o3", "o4-", "text-embedding-", "text-moderation-"), _OPENAI),
    (("omni-moderation-", "dall-e-", "whisper-", "tts-", "codex-", "sora-"), _OPENAI),
    (("gemini-", "imagen-", "veo-"), ("gemini", "vertex")),
    (("anthropic.", "us.anthropic.", "eu.anthropic.", "apac.anthropic."), ("bedrock",)),
    (("global.anthropic.", "amazon.", "us.amazon.", "eu.amazon."), ("bedrock",)),
    (("grok-",), ("xai",)),
    (("deepseek-",), ("deepseek",)),
    (("mistral-", "ministral-", "codestral-", "magistral-", "pixtral-"), ("mistral",)),
)
"""How names begin that a vendor alone gives out, and the families that serve them under that name."""
_VENDORS = frozenset({"openai", "anthropic", "gemini"})
"""Families that serve one vendor's models and nobody else's."""


class Source(StrEnum):
    """How a caller's word for a model was understood."""

    ALIAS = "alias"
    EXPLICIT = "explicit_slash"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class Account:
    """A provider of a key as routing sees it."""

    name: str
    type: str
    declared: frozenset[str] = frozenset()
    """The models that it is said to serve, and no others; empty says nothing."""
    mapped: frozenset[str] = frozenset()
    """Models that it has another name for, and so serves whatever else it does."""
    is_native: bool = True
    """It takes requests as they come, without a translation."""


class Pick(NamedTuple):
    """A provider, by its place among those given, and the model's name there."""

    place: int
    model: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where a model is served, in order; never empty."""

    picks: tuple[Pick, ...]
    source: Source
    alias: str = ""


class Reason(StrEnum):
    """Why a model can't be placed."""

    NO_PROVIDER = "no_provider"
    NOT_BOUND = "not_bound"
    """It names a provider or a family that can't be reached here."""
    NOT_RECOGNIZED = "not_recognized"
    """Nothing says who would serve it."""


class Unplaced(Exception):
    """No provider can be chosen for a model."""

    def __init__(self, reason: Reason, name: str = "") -> None:
        super().__init__(f"{reason}: {name}")
        self.reason = reason
        self.name = name
        """The provider or family that was named, or that the model's name points at."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The providers of a key on one route. ``mute`` are those that can't serve the route at all."""

    accounts: Sequence[Account]
    mute: Sequence[Account] = ()
    aliases: Aliases = field(default_factory=dict)
    knows: Callable[[str, str], bool] = lambda _type, _model: False
    """Says whether a catalogue lists a model under a provider type."""

    def resolve(self, model: str) -> Resolution:
        """Return where a model is served, as the caller named it. Raises Unplaced."""
        if not self.accounts and not self.mute:
            raise Unplaced(Reason.NO_PROVIDER)
        meant = self.aliases.get(model)
        if meant is None:
            picks, source = self._named(model)
            return Resolution(picks, source)
        if isinstance(meant, str):
            return Resolution(self._named(meant)[0], Source.ALIAS, model)
        return Resolution(self._mapped(model, meant), Source.ALIAS, model)

    def _mapped(self, alias: str, by_provider: Mapping[str, str]) -> tuple[Pick, ...]:
        found = []
        for index, account in enumerate(self.accounts):
            model = by_provider.get(account.name)
            if model is None:
                families = (name for name in by_provider if family_of(name) == account.type)
                model = by_provider.get(next(families, ""))
            if model:
                found.append(Pick(index, model))
        if not found:
            raise Unplaced(Reason.NOT_BOUND, alias)
        return tuple(found)

    def _named(self, model: str) -> tuple[tuple[Pick, ...], Source]:
        prefix, slash, rest = model.partition("/")
        if slash and rest:
            found = self._prefixed(prefix, rest)
            if found:
                return found, Source.EXPLICIT
            is_mute = any(prefix in (account.name, account.type) for account in self.mute)
            if is_mute or prefix in FAMILIES:
                raise Unplaced(Reason.NOT_BOUND, prefix)
        return tuple(Pick(index, model) for index in self._serving(model)), Source.IMPLICIT

    def _prefixed(self, prefix: str, rest: str) -> tuple[Pick, ...]:
        """A provider's own name means that one; a family means all of its members."""
        for index, account in enumerate(self.accounts):
            if account.name == prefix:
                return (Pick(index, rest),)
        if any(account.name == prefix for account in self.mute):
            return ()
        family = family_of(prefix)
        return tuple(Pick(i, rest) for i, a in enumerate(self.accounts) if a.type == family)

    def _serving(self, model: str) -> list[int]:
        families = families_of(model)
        accounts = self.accounts
        found = [i for i, account in enumerate(accounts) if self._says(account, model, families)]
        if found:
            return found
        # An account of one vendor does not serve what bears another vendor's name.
        foreign = _VENDORS.difference(families) if families else frozenset()
        found = [i for i, a in enumerate(accounts) if not a.declared and a.type not in foreign]
        if found:
            # A name that nobody claims is not worth a translation while somebody needs none.
            return [i for i in found if accounts[i].is_native] or found
        if len(accounts) == 1 and not self.mute:
            return [0]
        if not accounts or any(self._says(account, model, families) for account in self.mute):
            raise Unplaced(Reason.NOT_BOUND, families[0] if families else "")
        raise Unplaced(Reason.NOT_RECOGNIZED, model)

    def _says(self, account: Account, model: str, families: Sequence[str]) -> bool:
        if model in account.mapped:
            return True
        if account.declared:
            return model in account.declared
        if account.type in families:
            return True
        # Catalogues list a vendor's models with the clouds of another, which is not the other's own API.
        is_foreign = bool(families) and account.type in _VENDORS
        return not is_foreign and self.knows(account.type, model)

    def claims(self, model: str) -> bool:
        """Say whether an alias, a word before a slash, or what is known of a provider places a model."""
        prefix, slash, _ = model.partition("/")
        if model in self.aliases or (slash and self._prefixed(prefix, model)):
            return True
        families = families_of(model)
        return any(self._says(account, model, families) for account in self.accounts)

    def reachable(self, most: int) -> list[str]:
        """Return what a caller may write instead: aliases, and words that go before a slash."""
        words = dict.fromkeys(self.aliases)
        words |= dict.fromkeys(f"{account.type}/" for account in self.accounts)
        words |= dict.fromkeys(f"{account.name}/" for account in self.accounts)
        return list(words)[:most]


def family_of(word: str) -> str:
    """Return a family's one spelling; any other word as it is."""
    return SPELLINGS.get(word, word)


def families_of(model: str) -> tuple[str, ...]:
    """Return the families that serve a model by the look of its name; empty when it has none."""
    for beginnings, families in _PATTERNS:
        if model.startswith(beginnings):
            return families
    return ()
