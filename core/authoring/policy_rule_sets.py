"""Creates, changes and archives policy rules of an organization, a team or a project. Judges no call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.scopes import complain_of_home, home_id
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.ids import new_id
from core.models import PolicyRuleSet
from rules.permissions import SCOPES
from rules.policy import canonical_rules, rules_errors

_KIND = "policy_rule_set"


@dataclass(frozen=True, slots=True)
class NewPolicyRuleSet:
    """A set of rules as it shall be; ``scope_id`` may stay empty for the organization."""

    name: str
    scope: str
    scope_id: str
    rules: Mapping[str, Any]
    description: str = ""
    enabled: bool = True


def create(actor: Actor, new: NewPolicyRuleSet, now: datetime) -> PolicyRuleSet:
    """Create a set of rules. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, own_id="").refuse_any()
        row = PolicyRuleSet.create(
            id=new_id("policy", now),
            organization_id=actor.organization_id,
            created_at=now,
            updated_at=now,
            **_columns(actor, new),
        )
        _record(actor, row, "created", now)
    return row


def differences(actor: Actor, row: PolicyRuleSet, wanted: NewPolicyRuleSet) -> list[str]:
    """Return the names of the fields in which a stored set differs from the wanted one."""
    return [name for name, value in _columns(actor, wanted).items() if getattr(row, name) != value]


def update(
    actor: Actor,
    set_id: str,
    wanted: NewPolicyRuleSet,
    now: datetime,
    expected: str | None = None,
) -> PolicyRuleSet:
    """Make a set what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, set_id)
        hold(row, expected, Target("", _KIND, row.id))
        if not differences(actor, row, wanted):
            return row
        _check(actor, wanted, own_id=row.id).refuse_any()
        before = snapshot(row)
        for name, value in _columns(actor, wanted).items():
            setattr(row, name, value)
        row.updated_at = now
        row.save()
        _record(actor, row, "updated", now, before)
    return row


def archive(actor: Actor, set_id: str, now: datetime) -> PolicyRuleSet:
    """End a set of rules; it judges nothing from then on. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, set_id)
        before = snapshot(row)
        row.archived_at = row.updated_at = now
        row.save()
        _record(actor, row, "deleted", now, before)
    return row


def find(organization_id: str, set_id: str) -> PolicyRuleSet:
    """Return a set of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = PolicyRuleSet.get_or_none(
        PolicyRuleSet.id == set_id,
        PolicyRuleSet.organization_id == organization_id,
        PolicyRuleSet.archived_at.is_null(),
    )
    if row is None:
        raise not_found("set of policy rules")
    return row


def all_of(organization_id: str) -> list[PolicyRuleSet]:
    """Return the sets of an organization that are not archived, oldest first."""
    query = PolicyRuleSet.select().where(
        PolicyRuleSet.organization_id == organization_id, PolicyRuleSet.archived_at.is_null()
    )
    return list(query.order_by(PolicyRuleSet.id))


def policy_rules_error(rules: Any) -> str:
    """Return what is wrong with policy rules, place by place in one text, or an empty string."""
    return " ".join(f"{place}: {sentence}" for place, sentence in rules_errors(rules).items())


def _columns(actor: Actor, new: NewPolicyRuleSet) -> dict[str, Any]:
    return {
        "name": new.name.strip(),
        "description": new.description,
        "scope": new.scope,
        "scope_id": home_id(actor.organization_id, new.scope, new.scope_id),
        "rules": canonical_rules(new.rules),
        "enabled": new.enabled,
    }


def _check(actor: Actor, new: NewPolicyRuleSet, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    errors = rules_errors(new.rules)
    for place, sentence in errors.items():
        complaints.add("rules" if place == "rules" else f"rules.{place}", sentence)
    if not errors:
        complaints.need(
            bool(canonical_rules(new.rules)), "rules", "Give a rule for tools, mcp, urls or models."
        )
    organization_id = actor.organization_id
    where = home_id(organization_id, new.scope, new.scope_id)
    complain_of_home(complaints, organization_id, new.scope, where, SCOPES)
    complaints.add(
        "name",
        taken_error(PolicyRuleSet, actor.organization_id, new.name, own_id, "set of policy rules"),
    )
    return complaints


def _record(
    actor: Actor,
    row: PolicyRuleSet,
    action: str,
    now: datetime,
    before: dict[str, Any] | None = None,
) -> None:
    target = Target(f"gateway.{_KIND}.{action}", _KIND, row.id)
    audited(actor, target, now, before, snapshot(row))
    announced(Change(row.organization_id, ChangeKind.POLICY_UPDATED), now)
