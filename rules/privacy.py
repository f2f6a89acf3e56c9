"""What may be kept of what people write and are answered, and who may read it: the cascade of privacy rules. Pure.

Who looks the rules up is the business of whoever stores or reads; ``rules.cleaning`` applies them. What is dropped is
dropped before it is stored; metadata such as model, tokens, cost, latency, identity and status is nobody's content and
always stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
