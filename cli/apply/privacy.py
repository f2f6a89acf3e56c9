"""What a governance file says of what is kept of calls: privacy rules and retention policies, by scope.

Applies them, one at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cli.apply.entries import Entry
from core.authoring import privacy, retention
from core.authoring.actor import Actor
from core.authoring.privacy import NewPrivacyRule
from core.authoring.retention import NewRetentionPolicy
from rules.privacy import CATEGORIES, DEPARTMENT, DISPOSITIONS, GROUP, SCOPES, TREATMENTS
from rules.retention import DAYS
from rules.retention import SCOPES as RETENTION_SCOPES

PRIVACY_RULE, RETENTION_POLICY = "privacy rule", "retention policy"
_PERSONAL = " (personal projects)"
_NAMED = (GROUP, DEPARTMENT)


@dataclass(frozen=True, slots=True)
class PrivacyRule:
    """A privacy rule; ``target`` is the slug or name of what the scope says, empty for the organization."""

    line: int
    scope: str
    target: str
    choices: dict[str, str]
    is_personal_only: bool
    drop_keys: tuple[str, ...]
    secret_patterns: tuple[str, ...]
    personal_data: str
    secrets: str
    audience: tuple[str, ...]
    """admins, members, and groups and departments by name."""

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
    scope, target = entry.scope(SCOPES)
    return PrivacyRule(
        entry.line,
        scope,
        target,
        {category: entry.choice(category, DISPOSITIONS, "") for category in CATEGORIES},
        entry.switch("personal_only", False),
        entry.texts("drop_keys"),
        entry.texts("secret_patterns"),
        entry.choice("personal_data", TREATMENTS, ""),
        entry.choice("secrets", TREATMENTS, ""),
        entry.texts("audience"),
    )


def names_in(rule: PrivacyRule) -> list[tuple[str, str]]:
    """Return the kind and name of the groups and departments that a rule's audience names."""
    pairs = [each.partition(":")[::2] for each in rule.audience]
    return [(kind, name) for kind, name in pairs if kind in _NAMED and name]


def work_of(
    told: PrivacyRule,
    scope_id: str,
    there: str | None,
    id_of: Callable[[str, str], str | None],
) -> Callable[[Actor, datetime], object] | None:
    """Return what creates or updates a rule; None when somebody it names was refused."""
    audience = []
    for each in told.audience:
        kind, _, name = each.partition(":")
        its_id = id_of(kind, name) if kind in _NAMED and name else ""
        if its_id is None:
            return None
        audience.append(f"{kind}:{its_id}" if its_id else each)
    new = NewPrivacyRule(
        told.scope,
        scope_id,
        told.choices,
        told.is_personal_only,
        told.drop_keys,
        told.secret_patterns,
        told.personal_data,
        told.secrets,
        tuple(audience),
    )

    def work(actor: Actor, now: datetime) -> object:
        if there is None:
            return privacy.create(actor, new, now)
        return privacy.update(actor, there, new, now)

    return work


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long what is stored at a scope stays; None leaves it to wider policies."""

    line: int
    scope: str
    target: str
    activity_days: int | None
    content_days: int | None
    is_retroactive: bool

    kind = RETENTION_POLICY

    @property
    def name(self) -> str:
        """What it is known by: a scope has one policy."""
        return f"{self.scope}:{self.target}"


def read_retention_policy(entry: Entry) -> RetentionPolicy:
    """Return the policy that an entry declares. What it deletes is what the file asks for: nobody is asked again."""
    scope, target = entry.scope(RETENTION_SCOPES)
    return RetentionPolicy(
        entry.line,
        scope,
        target,
        _days(entry, "activity_days"),
        _days(entry, "content_days"),
        entry.switch("retroactive", False),
    )


def _days(entry: Entry, name: str) -> int | None:
    days, (least, most) = entry.whole(name, "number of days"), DAYS
    if days is not None and not least <= days <= most:
        entry.wrong(name, f"`{name}` must be {least} to {most} days")
    return days


def retention_work_of(
    told: RetentionPolicy, scope_id: str, there: str | None
) -> Callable[[Actor, datetime], object]:
    """Return what creates or updates a policy."""
    new = NewRetentionPolicy(
        told.scope, scope_id, told.activity_days, told.content_days, told.is_retroactive
    )

    def work(actor: Actor, now: datetime) -> object:
        if there is None:
            return retention.create(actor, new, now)
        return retention.update(actor, there, new, now)

    return work
