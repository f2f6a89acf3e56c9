"""What a governance file says of privacy: what is dropped, by scope. Applies it, one rule at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cli.apply.entries import Entry
from core.authoring import privacy
from core.authoring.actor import Actor
from core.authoring.privacy import NewPrivacyRule
from rules.privacy import CATEGORIES, DISPOSITIONS, SCOPES

PRIVACY_RULE = "privacy rule"
_PERSONAL = " (personal projects)"


@dataclass(frozen=True, slots=True)
class PrivacyRule:
    """A privacy rule; ``target`` is the slug or name of what the scope says, empty for the organisation."""

    line: int
    scope: str
    target: str
    choices: dict[str, str]
    is_personal_only: bool
    drop_keys: tuple[str, ...]
    secret_patterns: tuple[str, ...]

    kind = PRIVACY_RULE

    @property
    def name(self) -> str:
        """What it is known by: a scope has one rule, and one more for its personal projects."""
        return f"{self.scope}:{self.target}{_PERSONAL if self.is_personal_only else ''}"


def scope_of(name: str) -> tuple[str, str, bool]:
    """Return the scope, the target and whether it is about personal projects, that a rule's name says."""
    scope, _, target = name.removesuffix(_PERSONAL).partition(":")
    return scope, target, name.endswith(_PERSONAL)


def read_rule(entry: Entry) -> PrivacyRule:
    """Return the rule that an entry declares."""
    scope = entry.choice("scope", SCOPES, "organization")
    target = entry.text("target", "")
    if scope != "organization" and not target:
        entry.wrong("scope", f"with `scope: {scope}` the field `target` must name the {scope}")
    return PrivacyRule(
        entry.line,
        scope,
        "" if scope == "organization" else target,
        {category: entry.choice(category, DISPOSITIONS, "") for category in CATEGORIES},
        entry.choice("personal_only", ("true", "false"), "false") == "true",
        entry.texts("drop_keys"),
        entry.texts("secret_patterns"),
    )


def work_of(
    told: PrivacyRule, scope_id: str, there: str | None
) -> Callable[[Actor, datetime], object]:
    """Return what creates or updates a rule."""
    new = NewPrivacyRule(
        told.scope,
        scope_id,
        told.choices,
        told.is_personal_only,
        told.drop_keys,
        told.secret_patterns,
    )

    def work(actor: Actor, now: datetime) -> object:
        if there is None:
            return privacy.create(actor, new, now)
        return privacy.update(actor, there, new, now)

    return work
