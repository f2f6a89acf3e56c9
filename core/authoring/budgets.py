"""Creates, changes, resets, raises and archives budgets. What they have spent is kept and enforced elsewhere."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.reach import reach_of
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.scopes import scope_error
from core.authoring.validation import Complaints, name_error, not_found
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import Budget, Provider
from rules.windows import ENDLESS, Window

SCOPES = ("organization", "team", "project", "virtual_key", "principal")
ON_BREACH = ("block", "warn")
ON_UNPRICED = ("flat", "refuse", "allow")
ON_OUTAGE = ("block", "allow")
# Nano-USD are kept in 64 bits; this leaves room for adding a few of them up.
MOST_NANOUSD = 2**62


@dataclass(frozen=True, slots=True)
class NewBudget:
    """A budget as it shall be; the limit is in nano-USD a window."""

    name: str
    scope: str
    scope_id: str
    window: str
    limit_nanousd: int
    on_breach: str = "block"
    on_unpriced: str = "flat"
    on_outage: str = "block"
    provider_id: str | None = None
    """The one provider whose calls it counts; None counts all."""
    cycle_anchor_at: datetime | None = None
    """When its periods turn, instead of at the calendar's marks."""
    allow_unreachable: bool = False
    """Make it though no key's calls would count in it yet."""


def create(actor: Actor, new: NewBudget, now: datetime) -> Budget:
    """Create a budget. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, own_id="").refuse_any()
        if not new.allow_unreachable:
            _refuse_unreachable(actor, new, now)
        row = Budget.create(
            id=new_id("budget", now),
            organization_id=actor.organization_id,
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        target = Target("gateway.budget.created", "budget", row.id)
        audited(actor, target, now, after=snapshot(row))
        _announce(row, ChangeKind.BUDGET_CREATED, now)
    return row


def differences(row: Budget, wanted: NewBudget) -> list[str]:
    """Return the names of the fields in which a stored budget differs from the wanted one."""
    return [field for field, value in _columns(wanted).items() if getattr(row, field) != value]


def update(
    actor: Actor, budget_id: str, wanted: NewBudget, now: datetime, expected: str | None = None
) -> Budget:
    """Make a budget what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, budget_id)
        hold(row, expected, Target("", "budget", row.id))
        if not differences(row, wanted):
            return row
        complaints = _check(actor, wanted, own_id=row.id)
        is_same = (row.scope, row.scope_id) == (wanted.scope, wanted.scope_id)
        complaints.need(is_same, "scope", "A budget keeps its scope; archive it and make another.")
        kept = (row.provider_id, row.cycle_anchor_at) == (
            wanted.provider_id,
            wanted.cycle_anchor_at,
        )
        sentence = "A budget keeps its provider and its anchor; archive it and make another."
        complaints.need(kept, "provider_id", sentence)
        complaints.refuse_any()
        before = snapshot(row)
        for field, value in _columns(wanted).items():
            setattr(row, field, value)
        row.updated_at = now
        row.save()
        target = Target("gateway.budget.updated", "budget", row.id)
        audited(actor, target, now, before, snapshot(row))
        _announce(row, ChangeKind.BUDGET_UPDATED, now)
    return row


def archive(actor: Actor, budget_id: str, now: datetime) -> Budget:
    """End a budget; it limits nothing from then on. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, budget_id)
        before = snapshot(row)
        row.archived_at = row.updated_at = now
        row.save()
        target = Target("gateway.budget.deleted", "budget", row.id)
        audited(actor, target, now, before, snapshot(row))
        _announce(row, ChangeKind.BUDGET_DELETED, now)
    return row


def reset(actor: Actor, budget_id: str, now: datetime) -> Budget:
    """Begin a budget's period anew from now; what was spent stays on record, and later boundaries stay.

    Raises Refused: NOT_FOUND, and CONFLICT for a window that is never to begin anew.
    """
    with change():
        row = find(actor.organization_id, budget_id)
        if row.window == Window.TOTAL:
            sentence = "A total never resets; a budget with the window manual does."
            raise Refused(Fault.CONFLICT, sentence)
        before = snapshot(row)
        row.last_reset_at = row.updated_at = now
        row.save(only=["last_reset_at", "updated_at"])
        target = Target("gateway.budget.reset", "budget", row.id)
        audited(actor, target, now, before, snapshot(row))
        _announce(row, ChangeKind.BUDGET_UPDATED, now)
    return row


def raise_limit(
    actor: Actor, budget_id: str, limit_nanousd: int, until: datetime | None, now: datetime
) -> Budget:
    """Raise a budget's limit, for good or until a moment; that moment ends it by itself. Raises Refused."""
    with change():
        row = find(actor.organization_id, budget_id)
        complaints = Complaints()
        is_more = row.limit_nanousd < limit_nanousd <= MOST_NANOUSD
        complaints.need(is_more, "limit_usd", "Give more than the limit is now.")
        complaints.need(until is None or until > now, "until", "Choose a moment to come.")
        complaints.refuse_any()
        before = snapshot(row)
        values: dict[str, Any] = {"raised_until": until, "updated_at": now}
        values["raised_limit_nanousd"] = None if until is None else limit_nanousd
        if until is None:
            values["limit_nanousd"] = limit_nanousd
        for field, value in values.items():
            setattr(row, field, value)
        row.save(only=list(values))
        target = Target("gateway.budget.raised", "budget", row.id)
        audited(actor, target, now, before, snapshot(row))
        _announce(row, ChangeKind.BUDGET_UPDATED, now)
    return row


def find(organization_id: str, budget_id: str) -> Budget:
    """Return a budget of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = Budget.get_or_none(
        Budget.id == budget_id,
        Budget.organization_id == organization_id,
        Budget.archived_at.is_null(),
    )
    if row is None:
        raise not_found("budget")
    return row


def ids_at(scope: str, scope_id: str) -> list[str]:
    """Return the ids of the budgets that stand at one scope and are not archived."""
    query = Budget.select(Budget.id).where(
        Budget.scope == scope, Budget.scope_id == scope_id, Budget.archived_at.is_null()
    )
    return [row.id for row in query.order_by(Budget.id)]


def _columns(new: NewBudget) -> dict[str, Any]:
    values = {field.name: getattr(new, field.name) for field in fields(new)}
    del values["allow_unreachable"]
    return values | {"name": new.name.strip()}


def _check(actor: Actor, new: NewBudget, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    windows = [window.value for window in Window]
    for field, value, allowed in (
        ("window", new.window, windows),
        ("on_breach", new.on_breach, ON_BREACH),
        ("on_unpriced", new.on_unpriced, ON_UNPRICED),
        ("on_outage", new.on_outage, ON_OUTAGE),
    ):
        complaints.need(value in allowed, field, f"Choose one of {', '.join(allowed)}.")
    is_amount = 0 < new.limit_nanousd <= MOST_NANOUSD
    complaints.need(is_amount, "limit_usd", "The limit is an amount above zero.")
    if new.scope in SCOPES:
        complaints.add("scope_id", scope_error(actor.organization_id, new.scope, new.scope_id))
    else:
        complaints.add("scope", f"Choose one of {', '.join(SCOPES)}.")
    if new.cycle_anchor_at is not None:
        turns = new.window not in ENDLESS
        complaints.need(
            turns, "cycle_anchor_at", "Only a window that turns by itself has an anchor."
        )
    if new.provider_id is not None:
        complaints.add("provider_id", _provider_error(actor, new.provider_id))
    complaints.add("name", taken_error(Budget, actor.organization_id, new.name, own_id, "budget"))
    return complaints


def _provider_error(actor: Actor, provider_id: str) -> str:
    known = Provider.select().where(
        Provider.id == provider_id,
        Provider.organization_id == actor.organization_id,
        Provider.archived_at.is_null(),
    )
    return "" if known.exists() else "There is no such provider."


def _refuse_unreachable(actor: Actor, new: NewBudget, now: datetime) -> None:
    reach = reach_of(actor.organization_id, new.scope, new.scope_id, new.provider_id, now)
    if reach.is_reachable:
        return
    raise Refused(
        Fault.GATEWAY_BUDGET_SCOPE_UNREACHABLE,
        "No active virtual key makes calls that would count in this budget, so it would never act.",
        scope_type=new.scope,
        reachable_project_ids=reach.project_ids[:10],
        reachable_project_count=len(reach.project_ids),
    )


def _announce(row: Budget, kind: ChangeKind, now: datetime) -> None:
    announced(Change(row.organization_id, kind, budget_id=row.id), now)
