"""What may be kept of what people write and are answered: the cascade of privacy rules, and their application to text.

Pure. Who looks the rules up, and where the text comes from, is the business of whoever stores it. What is
dropped here is dropped before it is stored; metadata such as model, tokens, cost, latency, identity and status
is nobody's content and always stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from rules.globs import Globs
from rules.patterns import compiled, searchable

PLACEHOLDER = "[REDACTED]"
INPUT, OUTPUT, SYSTEM, TOOL_CALLS = "input", "output", "system", "tool_calls"
CATEGORIES = (INPUT, OUTPUT, SYSTEM, TOOL_CALLS)
CAPTURE, DROP = "capture", "drop"
DISPOSITIONS = (CAPTURE, DROP)
FULL, STRIP_IO, STRIP_ALL = "full", "strip_io", "strip_all"
MODES: Mapping[str, frozenset[str]] = {
    FULL: frozenset(),
    STRIP_IO: frozenset({INPUT, OUTPUT}),
    STRIP_ALL: frozenset(CATEGORIES),
}
"""An organization's content mode, and what it drops whatever a rule says."""
PROJECT, DEPARTMENT, TEAM, ORGANIZATION = "project", "department", "team", "organization"
SCOPES = (ORGANIZATION, DEPARTMENT, TEAM, PROJECT)
_MOST_SPECIFIC_FIRST = (PROJECT, DEPARTMENT, TEAM, ORGANIZATION)
NARROWABLE = frozenset({ORGANIZATION, DEPARTMENT})
"""Scopes whose rules may be narrowed to personal projects."""
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: at a scope, per category whether it is captured or dropped; a category left out is left to others."""

    scope: str
    scope_id: str
    choices: Mapping[str, str] = field(default_factory=dict)
    is_personal_only: bool = False
    drop_keys: Sequence[str] = ()
    secret_patterns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where content comes from; what is not known is empty. A source of telemetry has no project."""

    organization_id: str
    team_id: str = ""
    project_id: str = ""
    department_id: str = ""
    is_personal: bool = False


@dataclass(frozen=True, slots=True)
class Privacy:
    """What holds at a place: the categories that are dropped, names of fields, patterns of secrets."""

    drops: frozenset[str] = frozenset()
    drop_keys: tuple[str, ...] = ()
    secret_patterns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.drops or self.drop_keys or self.secret_patterns)

    def as_json(self) -> dict[str, list[str]]:
        """Return the form in which it travels to a gateway; empty when nothing is dropped."""
        told = {
            "drops": sorted(self.drops),
            "drop_keys": list(self.drop_keys),
            "secret_patterns": list(self.secret_patterns),
        }
        return told if self else {}


NOTHING_DROPPED = Privacy()


def from_json(told: Mapping[str, Any]) -> Privacy:
    """Return what a control plane tells. A category that is not known here drops all: newer rules are stricter."""
    drops = frozenset(told.get("drops") or ())
    return Privacy(
        drops if drops <= MODES[STRIP_ALL] else MODES[STRIP_ALL],
        tuple(told.get("drop_keys") or ()),
        tuple(told.get("secret_patterns") or ()),
    )


def resolve(mode: str, rules: Iterable[Rule], place: Place) -> Privacy:
    """Return what holds at a place.

    Each category is decided by the most specific rule that says anything about it: project, then department,
    team, organization; at one scope a rule for personal projects goes before one for all. What the
    organization's mode drops stays dropped. Names and patterns of all rules that apply add up. An unknown mode
    drops everything.
    """
    applying = sorted((rule for rule in rules if _applies(rule, place)), key=_specificity)
    drops = set(MODES.get(mode, MODES[STRIP_ALL]))
    for category in CATEGORIES:
        said = next((r.choices[category] for r in applying if r.choices.get(category)), CAPTURE)
        if said != CAPTURE:
            drops.add(category)
    return Privacy(
        frozenset(drops),
        tuple(sorted({key for rule in applying for key in rule.drop_keys})),
        tuple(sorted({pattern for rule in applying for pattern in rule.secret_patterns})),
    )


def _applies(rule: Rule, place: Place) -> bool:
    if rule.is_personal_only and not place.is_personal:
        return False
    here = {
        PROJECT: place.project_id,
        DEPARTMENT: place.department_id,
        TEAM: place.team_id,
        ORGANIZATION: place.organization_id,
    }[rule.scope]
    return bool(here) and here == rule.scope_id


def _specificity(rule: Rule) -> tuple[int, bool]:
    return _MOST_SPECIFIC_FIRST.index(rule.scope), not rule.is_personal_only


class Cleaner:
    """Applies one place's privacy to texts and values. Made once, used for many; raises BadPattern when made."""

    __slots__ = ("_keys", "_patterns", "drops", "drops_all", "is_idle")

    def __init__(self, privacy: Privacy) -> None:
        self.drops = privacy.drops
        self.drops_all = privacy.drops >= MODES[STRIP_ALL]
        """Nothing is kept but what is known to be metadata."""
        self.is_idle = not privacy
        """There is nothing to do."""
        self._keys = Globs(privacy.drop_keys)
        self._patterns = [compiled(pattern) for pattern in privacy.secret_patterns]

    def drops_key(self, name: str) -> bool:
        """Say whether whatever stands under a name is dropped."""
        return self._keys.match(name)

    def text(self, text: str) -> str:
        """Return a text without what the custom patterns find."""
        if not self._patterns:
            return text
        found = searchable(text)
        for pattern in self._patterns:
            found = pattern.sub(PLACEHOLDER, found)
        return found

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a JSON value without dropped fields and without what the custom patterns find."""
        if isinstance(value, str):
            return self.text(value)
        if depth > _DEEPEST:
            return PLACEHOLDER
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): PLACEHOLDER
                if self.drops_key(str(name))
                else self.value(each, depth + 1)
                for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each, depth + 1) for each in value]
        return value

    def json_text(self, text: str) -> str:
        """Return a text, cleaned as the JSON object or list that it is, or else as words."""
        if text[:1] in ("{", "["):
            try:
                return orjson.dumps(self.value(orjson.loads(text))).decode()
            except orjson.JSONDecodeError:
                pass
        return self.text(text)


IDLE = Cleaner(NOTHING_DROPPED)
