"""Sets an organization's content mode, and creates, changes and deletes its privacy rules. Applies none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.authoring import organizations, versions
from core.authoring.actor import Actor
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.scopes import scope_error
from core.authoring.validation import Complaints, not_found
from core.changes import Change, ChangeKind
from core.ids import new_id
from core.models import Department, Group, Organization, PrivacyRule
from rules.globs import glob_error
from rules.patterns import pattern_error
from rules.privacy import (
    CATEGORIES,
    DEPARTMENT,
    DISPOSITIONS,
    GROUP,
    MODES,
    NARROWABLE,
    ORGANIZATION,
    PROJECT,
    RESTRICT,
    SCOPES,
    TEAM,
    TREATMENTS,
    audience_error,
)

MOST_ENTRIES = 50
MANAGE_ORGANIZATION = "organization:manage"
PERMISSIONS = {
    ORGANIZATION: MANAGE_ORGANIZATION,
    DEPARTMENT: MANAGE_ORGANIZATION,
    TEAM: "team:manage",
    PROJECT: "project:update",
}
"""Scope to the permission that whoever writes a rule there must hold there."""
_KIND = "privacy_rule"


@dataclass(frozen=True, slots=True)
class NewPrivacyRule:
    """A rule as it shall be: per category capture, restrict or drop; empty leaves it to wider rules."""

    scope: str
    scope_id: str
    choices: Mapping[str, str] = field(default_factory=dict)
    is_personal_only: bool = False
    drop_keys: Sequence[str] = ()
    secret_patterns: Sequence[str] = ()
    personal_data: str = ""
    """What becomes of personal data: redact or keep; empty leaves it to wider rules."""
    secrets: str = ""
    audience: Sequence[str] = ()
    """Who may read what is restricted: admins, members, group:<id>, department:<id>; empty is nobody."""


def set_mode(actor: Actor, mode: str, now: datetime, version: str | None = None) -> Organization:
    """Set what is dropped for the whole organization, whatever rules say. Raises Refused; CONFLICT when stale.

    It holds for what comes from now on; what is stored already is the business of retention.
    """
    with change():
        row = organizations.find(actor.organization_id)
        target = Target("organization.content_mode_changed", ORGANIZATION, row.id)
        versions.hold(row, version, target)
        if row.content_mode == mode:
            return row
        complaints = Complaints()
        complaints.need(mode in MODES, "content_mode", f"Choose one of {', '.join(MODES)}.")
        complaints.refuse_any()
        before = snapshot(row)
        row.content_mode = mode
        row.revision += 1
        row.save(only=["content_mode", "revision"])
        audited(actor, target, now, before, snapshot(row))
        announced(Change(row.id, ChangeKind.ORGANIZATION_UPDATED), now)
    return row


def create(actor: Actor, new: NewPrivacyRule, now: datetime) -> PrivacyRule:
    """Create a rule; a scope has one, and one more for its personal projects. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new).refuse_any()
        complaints = Complaints()
        is_taken = at_scope(actor.organization_id, new.scope, new.scope_id, new.is_personal_only)
        complaints.need(is_taken is None, "scope_id", "This scope has a rule already; change that.")
        complaints.refuse_any()
        row = PrivacyRule.create(
            id=new_id("privacy", now),
            organization_id=actor.organization_id,
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        _record(actor, row, "created", now)
    return row


def differences(row: PrivacyRule, wanted: NewPrivacyRule) -> list[str]:
    """Return the names of the fields in which a stored rule differs from the wanted one."""
    return [name for name, value in _columns(wanted).items() if getattr(row, name) != value]


def update(
    actor: Actor,
    rule_id: str,
    wanted: NewPrivacyRule,
    now: datetime,
    version: str | None = None,
) -> PrivacyRule:
    """Make a rule what is wanted; its scope stays. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, rule_id)
        versions.hold(row, version, _target("updated", row))
        if not differences(row, wanted):
            return row
        complaints = _check(actor, wanted, row.scope_id)
        is_same = (row.scope, row.scope_id, row.is_personal_only) == (
            wanted.scope,
            wanted.scope_id,
            wanted.is_personal_only,
        )
        complaints.need(is_same, "scope", "A rule keeps its scope.")
        complaints.refuse_any()
        before = snapshot(row)
        for name, value in _columns(wanted).items():
            setattr(row, name, value)
        row.updated_at = now
        row.revision += 1
        row.save()
        _record(actor, row, "updated", now, before)
    return row


def delete(actor: Actor, rule_id: str, now: datetime) -> PrivacyRule:
    """End a rule; wider rules and the organization's mode decide from then on. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, rule_id)
        before = snapshot(row)
        row.delete_instance()
        audited(actor, _target("deleted", row), now, before)
        announced(Change(row.organization_id, ChangeKind.ORGANIZATION_UPDATED), now)
    return row


def find(organization_id: str, rule_id: str) -> PrivacyRule:
    """Return a rule of this organization. Raises Refused(NOT_FOUND)."""
    row = PrivacyRule.get_or_none(
        PrivacyRule.id == rule_id, PrivacyRule.organization_id == organization_id
    )
    if row is None:
        raise not_found("privacy rule")
    return row


def at_scope(
    organization_id: str, scope: str, scope_id: str, is_personal_only: bool
) -> PrivacyRule | None:
    """Return the rule of a scope, or None."""
    row: PrivacyRule | None = PrivacyRule.get_or_none(
        PrivacyRule.organization_id == organization_id,
        PrivacyRule.scope == scope,
        PrivacyRule.scope_id == scope_id,
        PrivacyRule.is_personal_only == is_personal_only,
    )
    return row


def all_of(organization_id: str) -> list[PrivacyRule]:
    """Return the rules of an organization, oldest first."""
    query = PrivacyRule.select().where(PrivacyRule.organization_id == organization_id)
    return list(query.order_by(PrivacyRule.id))


def _columns(new: NewPrivacyRule) -> dict[str, Any]:
    return {
        "scope": new.scope,
        "scope_id": new.scope_id,
        "is_personal_only": new.is_personal_only,
        **{category: new.choices.get(category) or "" for category in CATEGORIES},
        "drop_keys": _entries(new.drop_keys),
        "secret_patterns": _entries(new.secret_patterns),
        "personal_data": new.personal_data,
        "secrets": new.secrets,
        "audience": _entries(new.audience),
    }


def _entries(given: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(entry.strip() for entry in given if entry.strip()))


def _check(actor: Actor, new: NewPrivacyRule, own_scope_id: str = "") -> Complaints:
    complaints = Complaints()
    if new.scope not in SCOPES:
        complaints.add("scope", f"Choose one of {', '.join(SCOPES)}.")
    elif new.scope_id != own_scope_id:
        # A rule stays changeable when what it is about was archived.
        complaints.add("scope_id", _scope_error(actor.organization_id, new.scope, new.scope_id))
    if new.is_personal_only:
        may = new.scope in NARROWABLE
        sentence = "Only an organization's or a department's rule can be narrowed like this."
        complaints.need(may, "is_personal_only", sentence)
    for category in new.choices:
        complaints.need(category in CATEGORIES, category, "There is no such category.")
    for category in CATEGORIES:
        is_known = (new.choices.get(category) or "") in ("", *DISPOSITIONS)
        complaints.need(is_known, category, f"Choose one of {', '.join(DISPOSITIONS)}.")
    for field_name in ("personal_data", "secrets"):
        is_known = getattr(new, field_name) in ("", *TREATMENTS)
        complaints.need(is_known, field_name, f"Choose one of {', '.join(TREATMENTS)}.")
    complaints.add("audience", _audience_error(actor.organization_id, new))
    keys, patterns = _entries(new.drop_keys), _entries(new.secret_patterns)
    for field_name, entries, judge in (
        ("drop_keys", keys, glob_error),
        ("secret_patterns", patterns, pattern_error),
    ):
        complaints.need(
            len(entries) <= MOST_ENTRIES, field_name, f"Keep it to {MOST_ENTRIES} entries."
        )
        for entry in entries:
            complaints.add(field_name, judge(entry))
    return complaints


def _audience_error(organization_id: str, new: NewPrivacyRule) -> str:
    entries = _entries(new.audience)
    if entries and RESTRICT not in new.choices.values():
        return "An audience is for what the rule restricts; restrict a category, or name nobody."
    if len(entries) > MOST_ENTRIES:
        return f"Keep it to {MOST_ENTRIES} entries."
    if error := next(filter(None, map(audience_error, entries)), ""):
        return error
    for kind, model in ((GROUP, Group), (DEPARTMENT, Department)):
        wanted = {each.partition(":")[2] for each in entries if each.startswith(f"{kind}:")}
        known = model.select().where(model.id.in_(wanted), model.organization_id == organization_id)
        if wanted and known.count() < len(wanted):
            return f"There is no such {kind}."
    return ""


def _scope_error(organization_id: str, scope: str, scope_id: str) -> str:
    if scope != DEPARTMENT:
        return scope_error(organization_id, scope, scope_id)
    known = Department.select().where(
        Department.id == scope_id,
        Department.organization_id == organization_id,
        Department.archived_at.is_null(),
    )
    return "" if known.exists() else "There is no such department."


def _target(action: str, row: PrivacyRule) -> Target:
    return Target(f"governance.{_KIND}.{action}", _KIND, row.id)


def _record(
    actor: Actor, row: PrivacyRule, action: str, now: datetime, before: dict[str, Any] | None = None
) -> None:
    audited(actor, _target(action, row), now, before, snapshot(row))
    announced(Change(row.organization_id, ChangeKind.ORGANIZATION_UPDATED), now)
