"""Creates, changes and archives the cache rules of an organization. Applies none of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.ids import new_id
from core.models import CacheRule
from rules.cache_mode import CacheMode, matchers_error

MODES = tuple(mode.value for mode in CacheMode)
PRIORITIES = (0, 1_000_000)
_KIND = "cache_rule"


@dataclass(frozen=True, slots=True)
class NewCacheRule:
    """A rule as it shall be; all matchers that are given must match, and the highest priority wins."""

    name: str
    matchers: Mapping[str, Any]
    mode: str
    priority: int = 100
    description: str = ""
    enabled: bool = True


def create(actor: Actor, new: NewCacheRule, now: datetime) -> CacheRule:
    """Create a rule. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, own_id="").refuse_any()
        row = CacheRule.create(
            id=new_id("cacherule", now),
            organization_id=actor.organization_id,
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        _record(actor, row, "created", now)
    return row


def differences(row: CacheRule, wanted: NewCacheRule) -> list[str]:
    """Return the names of the fields in which a stored rule differs from the wanted one."""
    return [name for name, value in _columns(wanted).items() if getattr(row, name) != value]


def update(
    actor: Actor,
    rule_id: str,
    wanted: NewCacheRule,
    now: datetime,
    expected: str | None = None,
) -> CacheRule:
    """Make a rule what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, rule_id)
        hold(row, expected, Target("", _KIND, row.id))
        if not differences(row, wanted):
            return row
        _check(actor, wanted, own_id=row.id).refuse_any()
        before = snapshot(row)
        for name, value in _columns(wanted).items():
            setattr(row, name, value)
        row.updated_at = now
        row.save()
        _record(actor, row, "updated", now, before)
    return row


def archive(actor: Actor, rule_id: str, now: datetime) -> CacheRule:
    """End a rule; it matches nothing from then on. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, rule_id)
        before = snapshot(row)
        row.archived_at = row.updated_at = now
        row.save()
        _record(actor, row, "deleted", now, before)
    return row


def find(organization_id: str, rule_id: str) -> CacheRule:
    """Return a rule of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = CacheRule.get_or_none(
        CacheRule.id == rule_id,
        CacheRule.organization_id == organization_id,
        CacheRule.archived_at.is_null(),
    )
    if row is None:
        raise not_found("cache rule")
    return row


def all_of(organization_id: str) -> list[CacheRule]:
    """Return the rules of an organization that are not archived, in the order in which they are tried."""
    query = CacheRule.select().where(
        CacheRule.organization_id == organization_id, CacheRule.archived_at.is_null()
    )
    return list(query.order_by(CacheRule.priority.desc(), CacheRule.id))


def _columns(new: NewCacheRule) -> dict[str, Any]:
    matchers = new.matchers
    if isinstance(matchers, Mapping):
        matchers = {
            name: value for name, value in matchers.items() if value not in (None, [], {}, "")
        }
    return {
        "name": new.name.strip(),
        "description": new.description,
        "priority": new.priority,
        "enabled": new.enabled,
        "matchers": matchers,
        "mode": new.mode,
    }


def _check(actor: Actor, new: NewCacheRule, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    complaints.add("matchers", matchers_error(new.matchers))
    complaints.need(new.mode in MODES, "mode", f"Choose one of {', '.join(MODES)}.")
    least, most = PRIORITIES
    is_number = type(new.priority) is int and least <= new.priority <= most
    complaints.need(
        is_number, "priority", f"The priority is a whole number from {least} to {most}."
    )
    complaints.add(
        "name", taken_error(CacheRule, actor.organization_id, new.name, own_id, "cache rule")
    )
    return complaints


def _record(
    actor: Actor, row: CacheRule, action: str, now: datetime, before: dict[str, Any] | None = None
) -> None:
    target = Target(f"gateway.{_KIND}.{action}", _KIND, row.id)
    audited(actor, target, now, before, snapshot(row))
    announced(Change(row.organization_id, ChangeKind.CACHE_RULE_UPDATED), now)
