"""How long what is stored stays: which part of an organization's rows each retention policy decides about. Pure.

Policies are for activity events and for captured content. The ledger stays 13 months whatever they say, sums
of spend stay with it, and the audit log is never deleted.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ORGANIZATION, TEAM, PROJECT = "organization", "team", "project"
SCOPES = (ORGANIZATION, TEAM, PROJECT)
ACTIVITY, CONTENT = "activity", "content"
KINDS = (ACTIVITY, CONTENT)
DAYS = (1, 3650)
LEDGER_MONTHS = 13
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy. Days of None leave that kind to a wider policy; nothing stored before ``holds_from`` is touched."""

    scope: str
    scope_id: str
    activity_days: int | None = None
    content_days: int | None = None
    holds_from: datetime | None = None

    def days_of(self, kind: str) -> int | None:
        """Return how many days a kind of data stays, or None where the policy says nothing of it."""
        return self.activity_days if kind == ACTIVITY else self.content_days


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that one policy decides about: at its scope, but not where a narrower policy does."""

    organization_id: str
    scope: str
    scope_id: str
    before: datetime
    """What happened earlier goes."""
    holds_from: datetime
    """What was stored earlier stays all the same."""
    except_teams: tuple[str, ...] = ()
    except_projects: tuple[str, ...] = ()


def slices(
    organization_id: str, policies: Sequence[Policy], kind: str, now: datetime
) -> list[Slice]:
    """Return what may be deleted of a kind, a slice a policy; no row is in two of them."""
    speaking = [policy for policy in policies if policy.days_of(kind) is not None]
    teams = tuple(sorted(p.scope_id for p in speaking if p.scope == TEAM))
    projects = tuple(sorted(p.scope_id for p in speaking if p.scope == PROJECT))
    return [
        Slice(
            organization_id,
            policy.scope,
            policy.scope_id,
            now - timedelta(days=policy.days_of(kind) or 0),
            policy.holds_from or _BEGINNING,
            teams if policy.scope == ORGANIZATION else (),
            projects if policy.scope != PROJECT else (),
        )
        for policy in speaking
    ]


def ledger_floor(now: datetime) -> datetime:
    """Return the moment before which ledger rows go: 13 calendar months ago."""
    months = now.year * 12 + now.month - 1 - LEDGER_MONTHS
    year, month = divmod(months, 12)
    day = min(now.day, calendar.monthrange(year, month + 1)[1])
    return now.replace(year=year, month=month + 1, day=day)
