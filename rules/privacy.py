"""What may be kept of what people write and are answered: the cascade of privacy rules, and their application to text.

Pure. Who looks the rules up, and where the text comes from, is the business of whoever stores it. What is
dropped here is dropped before it is stored; metadata such as model, tokens, cost, latency, identity and status
is nobody's content and always stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from rules.globs import Globs
from rules.guardrails.matches import Match, merged, redacted
from rules.guardrails.personal_data import ALL_KINDS, find_personal_data
from rules.guardrails.secret_patterns import find_secrets
from rules.patterns import compiled, searchable

PLACEHOLDER = "[REDACTED]"
INPUT, OUTPUT, SYSTEM, TOOL_CALLS = "input", "output", "system", "tool_calls"
CATEGORIES = (INPUT, OUTPUT, SYSTEM, TOOL_CALLS)
CAPTURE, RESTRICT, DROP = "capture", "restrict", "drop"
DISPOSITIONS = (CAPTURE, RESTRICT, DROP)
REDACT, KEEP = "redact", "keep"
TREATMENTS = (REDACT, KEEP)
"""What becomes of personal data, and of credentials, in what is stored."""
ADMINS, MEMBERS = "admins", "members"
GROUP = "group"
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
_SHORTEST = 6
"""No credential and nothing personal that is looked for has fewer characters."""
_SECRET_NAMES = Globs(
    (
        *(
            "*authorization",
            "*cookie",
            "*password",
            "*passwd",
            "*passphrase",
            "*api_key",
            "*apikey",
        ),
        *("*api-key", "*secret", "*secret_key", "*private_key", "*access_token", "*refresh_token"),
        *("*client_secret", "*credential", "*credentials", "*id_token", "*session_token"),
    )
)
"""Names under which a credential stands, whatever it looks like."""
_NAME_CHARACTERS = 128
_Find = Callable[[str], Iterable[Match]]


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    return _SECRET_NAMES.match(name.lower())


def _personal_data(text: str) -> Iterable[Match]:
    return find_personal_data(text, ALL_KINDS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: at a scope, per category whether it is captured, restricted or dropped; what is left out is left to
    others."""

    scope: str
    scope_id: str
    choices: Mapping[str, str] = field(default_factory=dict)
    is_personal_only: bool = False
    drop_keys: Sequence[str] = ()
    secret_patterns: Sequence[str] = ()
    personal_data: str = ""
    secrets: str = ""
    audience: Sequence[str] = ()
    """Who may read what it restricts: admins, members, group:<id>, department:<id>; empty is nobody."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody of the organization who wants to read what was kept."""

    is_admin: bool = False
    group_ids: frozenset[str] = frozenset()
    department_id: str = ""


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
    """What holds at a place: what is dropped and redacted before it is stored, and who may read the rest."""

    drops: frozenset[str] = frozenset()
    drop_keys: tuple[str, ...] = ()
    secret_patterns: tuple[str, ...] = ()
    personal_data: str = ""
    """redact, keep, or empty where no rule says anything and whoever stores it decides."""
    secrets: str = ""
    restricted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Category to its audience. It is applied when somebody reads, to what was stored before, too."""

    def __bool__(self) -> bool:
        return bool(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Return the form in which it travels to a gateway, which nobody reads at; empty when nothing is said."""
        told = {
            "drops": sorted(self.drops),
            "drop_keys": list(self.drop_keys),
            "secret_patterns": list(self.secret_patterns),
            "personal_data": self.personal_data,
            "secrets": self.secrets,
        }
        return told if any(told.values()) else {}

    def hidden_from(self, reader: Reader | None) -> frozenset[str]:
        """Return the categories that somebody may not read; for None, who is nobody, all that are restricted."""
        return frozenset(
            category
            for category, audience in self.restricted.items()
            if reader is None or not _is_among(audience, reader)
        )


NOTHING_DROPPED = Privacy()


def from_json(told: Mapping[str, Any]) -> Privacy:
    """Return what a control plane tells. What is not known here is taken at its strictest: newer rules are stricter."""
    drops = frozenset(told.get("drops") or ())
    personal_data, secrets = (
        said if said in ("", KEEP) else REDACT
        for said in (told.get("personal_data") or "", told.get("secrets") or "")
    )
    return Privacy(
        drops if drops <= MODES[STRIP_ALL] else MODES[STRIP_ALL],
        tuple(told.get("drop_keys") or ()),
        tuple(told.get("secret_patterns") or ()),
        personal_data,
        secrets,
    )


def resolve(mode: str, rules: Iterable[Rule], place: Place) -> Privacy:
    """Return what holds at a place.

    Each category, and each of the two treatments, is decided by the most specific rule that says anything about
    it: project, then department, team, organization; at one scope a rule for personal projects goes before one
    for all. What the organization's mode drops stays dropped. Names and patterns of all rules that apply add up.
    An unknown mode, and an unknown choice, drop.
    """
    applying = sorted((rule for rule in rules if _applies(rule, place)), key=_specificity)
    drops = set(MODES.get(mode, MODES[STRIP_ALL]))
    restricted: dict[str, tuple[str, ...]] = {}
    for category in CATEGORIES:
        deciding = next((rule for rule in applying if rule.choices.get(category)), None)
        if deciding is None or deciding.choices[category] == CAPTURE:
            continue
        if deciding.choices[category] == RESTRICT:
            restricted[category] = tuple(deciding.audience)
        else:
            drops.add(category)
    return Privacy(
        frozenset(drops),
        tuple(sorted({key for rule in applying for key in rule.drop_keys})),
        tuple(sorted({pattern for rule in applying for pattern in rule.secret_patterns})),
        next((rule.personal_data for rule in applying if rule.personal_data), ""),
        next((rule.secrets for rule in applying if rule.secrets), ""),
        restricted,
    )


def audience_error(entry: str) -> str:
    """Return what is wrong with an entry of an audience, or an empty string; whether its id is known is not judged."""
    kind, _, its_id = entry.partition(":")
    if entry in (ADMINS, MEMBERS) or (kind in (GROUP, DEPARTMENT) and its_id):
        return ""
    return f"Name {ADMINS}, {MEMBERS}, {GROUP}:<id> or {DEPARTMENT}:<id>."


def _is_among(audience: Iterable[str], reader: Reader) -> bool:
    theirs = {MEMBERS, *(f"{GROUP}:{each}" for each in reader.group_ids)}
    if reader.is_admin:
        theirs.add(ADMINS)
    if reader.department_id:
        theirs.add(f"{DEPARTMENT}:{reader.department_id}")
    return not theirs.isdisjoint(audience)


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

    __slots__ = (
        "_finders",
        "_has_keys",
        "_keys",
        "_patterns",
        "drops",
        "drops_all",
        "hides_secrets",
        "is_idle",
        "keeps_personal_data",
    )

    def __init__(self, privacy: Privacy, redacts_secrets: bool = False) -> None:
        """``redacts_secrets`` says what becomes of credentials where no rule says anything of them."""
        self.drops = privacy.drops
        self.drops_all = privacy.drops >= MODES[STRIP_ALL]
        """Nothing is kept but what is known to be metadata."""
        self.hides_secrets = privacy.secrets == REDACT or (redacts_secrets and not privacy.secrets)
        self.keeps_personal_data = privacy.personal_data == KEEP
        """A rule says so, for a capture that would redact it by itself."""
        self._keys = Globs(privacy.drop_keys)
        self._has_keys = bool(privacy.drop_keys)
        self._patterns = [compiled(pattern) for pattern in privacy.secret_patterns]
        self._finders: list[_Find] = [find_secrets] if self.hides_secrets else []
        if privacy.personal_data == REDACT:
            self._finders.append(_personal_data)
        self.is_idle = not (self.drops or privacy.drop_keys or self._patterns or self._finders)
        """There is nothing to do."""

    def drops_key(self, name: str) -> bool:
        """Say whether whatever stands under a name is dropped."""
        return self._has_keys and self._keys.match(name)

    def is_credential(self, name: str, value: Any) -> bool:
        """Say whether a text is to be redacted for the name that it stands under."""
        if not self.hides_secrets or not isinstance(value, str) or len(name) > _NAME_CHARACTERS:
            return False
        return _is_secret_name(name)

    def name(self, text: str) -> str:
        """Return a name, or a value that says who or what it was, without what the custom patterns find."""
        if not self._patterns:
            return text
        found = searchable(text)
        for pattern in self._patterns:
            found = pattern.sub(PLACEHOLDER, found)
        return found

    def text(self, text: str) -> str:
        """Return a text without what the custom patterns find, credentials and personal data as rules say."""
        found = self.name(text)
        if len(found) >= _SHORTEST and self._finders:
            matches = merged([each for find in self._finders for each in find(found)])
            found = redacted(found, matches) if matches else found
        return found

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a JSON value without dropped fields and without what is redacted in texts."""
        if isinstance(value, str):
            return self.text(value)
        if depth > _DEEPEST:
            return PLACEHOLDER
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): PLACEHOLDER
                if self.drops_key(str(name)) or self.is_credential(str(name), each)
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
