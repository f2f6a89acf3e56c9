"""Which prompt-cache mode a call gets: the caller's word, then a rule, then the key, then respect. Pure."""

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

MATCHERS = ("vk_id", "vk_tags", "vk_prefix", "principal_id", "model", "request_metadata")
RESPONSE_TTL_SECONDS = (1, 86_400)
_MAX_CHARACTERS = 256
_MAX_ENTRIES = 32
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "xi-api-key", "api-key", "cookie"}
)
_TTL = re.compile(r"ttl=\d{1,9}s?")


class CacheMode(enum.StrEnum):
    """What the gateway does to the prompt-cache markers of a request."""

    RESPECT = "respect"
    """Nothing: not a byte changes."""
    FORCE = "force"
    """Marks the end of the prompt, unless the caller marked anything."""
    DISABLE = "disable"
    """Takes every marker out."""


class BadOverride(ValueError):
    """A header that names no mode. ``is_planned`` for a lifetime, which has a meaning but is not supported."""

    def __init__(self, is_planned: bool) -> None:
        super().__init__("a lifetime" if is_planned else "unknown")
        self.is_planned = is_planned


def read_override(value: str) -> CacheMode:
    """Return the mode that the header names. Raises BadOverride."""
    value = value.strip().lower()
    try:
        return CacheMode(value)
    except ValueError:
        raise BadOverride(_TTL.fullmatch(value) is not None) from None


class KeyTraits(NamedTuple):
    """What rules match of a key; it never changes within a bundle."""

    vk_id: str
    tags: Sequence[str]
    display_prefix: str
    principal_id: str | None


@dataclass(frozen=True, slots=True)
class CacheRule:
    """A rule that matches a key already; what is left to match is the call."""

    id: str
    priority: int
    mode: CacheMode
    model: str
    headers: Mapping[str, str]

    def matches(self, spellings: Sequence[str], header: Callable[[str], str]) -> bool:
        """Say whether a call matches: its resolved model in either spelling, and its headers by name."""
        if self.model and not any(fnmatchcase(name, self.model) for name in spellings):
            return False
        return all(header(name) == value for name, value in self.headers.items())


class Resolved(NamedTuple):
    """The mode of a call and where it comes from."""

    mode: CacheMode = CacheMode.RESPECT
    rule: CacheRule | None = None


RESPECTED = Resolved()


def rules_for(rows: Sequence[Mapping[str, Any]], key: KeyTraits) -> tuple[CacheRule, ...]:
    """Return the rules that can match calls of a key: highest priority first, of equals the older.

    ``rows`` have ``id, priority, mode, matchers`` and come oldest first.
    """
    rules = [
        CacheRule(
            row["id"],
            row["priority"],
            CacheMode(row["mode"]),
            row["matchers"].get("model") or "",
            {n.lower(): v for n, v in (row["matchers"].get("request_metadata") or {}).items()},
        )
        for row in rows
        if _matches_key(row["matchers"], key)
    ]
    return tuple(sorted(rules, key=lambda rule: -rule.priority))


def _matches_key(matchers: Mapping[str, Any], key: KeyTraits) -> bool:
    if matchers.get("vk_id") not in (None, key.vk_id):
        return False
    if not set(matchers.get("vk_tags") or ()) <= set(key.tags):
        return False
    if not key.display_prefix.startswith(matchers.get("vk_prefix") or ""):
        return False
    return matchers.get("principal_id") in (None, key.principal_id)


def resolve(
    override: CacheMode | None,
    rules: Sequence[CacheRule],
    key_mode: CacheMode | None,
    spellings: Sequence[str],
    header: Callable[[str], str],
) -> Resolved:
    """Return the mode of a call."""
    if override is not None:
        return Resolved(override)
    for rule in rules:
        if rule.matches(spellings, header):
            return Resolved(rule.mode, rule)
    return RESPECTED if key_mode is None else Resolved(key_mode)


def matchers_error(matchers: object) -> str:
    """Return what is wrong with a rule's matchers, in one sentence, or an empty string."""
    if not isinstance(matchers, Mapping):
        return "Matchers are an object."
    given = {name: value for name, value in matchers.items() if value not in (None, [], {}, "")}
    if not given:
        return f"Give at least one of {', '.join(MATCHERS)}."
    for name, value in given.items():
        error = _matcher_error(str(name), value)
        if error:
            return error
    return ""


def _matcher_error(name: str, value: object) -> str:
    if name not in MATCHERS:
        return f"There is no matcher {name}; there are: {', '.join(MATCHERS)}."
    if name == "vk_tags":
        is_right = (
            isinstance(value, list) and len(value) <= _MAX_ENTRIES and all(map(_short, value))
        )
        return "" if is_right else "vk_tags is a list of tags."
    if name != "request_metadata":
        return "" if _short(value) else f"{name} is a text of at most {_MAX_CHARACTERS} characters."
    if not isinstance(value, Mapping) or len(value) > _MAX_ENTRIES:
        return "request_metadata is an object of header names and their values."
    for header, wanted in value.items():
        lowered = str(header).lower()
        if not _HEADER.fullmatch(lowered) or not _short(wanted):
            return "request_metadata is an object of header names and their values."
        if lowered in _SECRET_HEADERS or lowered.startswith("x-langwatch-"):
            return f"Calls can't be matched by the header {header}."
    return ""


def _short(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_CHARACTERS


def key_section_error(section: object) -> str:
    """Return what is wrong with a key's ``cache: {mode, responses: {ttl_seconds}}``, or an empty string."""
    if not isinstance(section, Mapping) or not set(section) <= {"mode", "responses"}:
        return "Give an object with mode and, if wanted, responses."
    mode, responses = section.get("mode"), section.get("responses")
    if mode is not None and mode not in [m.value for m in CacheMode]:
        return f"mode is one of {', '.join(m.value for m in CacheMode)}."
    if responses is None:
        return ""
    least, most = RESPONSE_TTL_SECONDS
    if not isinstance(responses, Mapping) or set(responses) != {"ttl_seconds"}:
        return "responses is an object with ttl_seconds."
    ttl = responses["ttl_seconds"]
    if type(ttl) is not int or not least <= ttl <= most:
        return f"ttl_seconds is a whole number from {least} to {most}."
    return ""
