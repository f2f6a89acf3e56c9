"""Files and decides requests for a higher budget: one transaction each, with its audit row. Tells nobody."""

from dataclasses import dataclass
from datetime import datetime

from core.authoring import budgets
from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, not_found
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import BudgetIncrease

REASON_CHARACTERS = 2000
PENDING, APPROVED, DECLINED = "pending", "approved", "declined"


@dataclass(frozen=True, slots=True)
class NewIncrease:
    """What is asked for; ``limit_nanousd`` is the limit as it shall be, not the difference."""

    budget_id: str
    limit_nanousd: int
    until: datetime | None
    reason: str
    requester: str
    user_id: str | None = None
    virtual_key_id: str | None = None


def create(actor: Actor, new: NewIncrease, now: datetime) -> BudgetIncrease:
    """File a request. Raises Refused: VALIDATION_ERROR, NOT_FOUND, CONFLICT when one is waiting already."""
    with change():
        budget = budgets.find(actor.organization_id, new.budget_id)
        complaints = Complaints()
        is_more = budget.limit_at(now) < new.limit_nanousd <= budgets.MOST_NANOUSD
        complaints.need(is_more, "limit_usd", "Ask for more than the limit is now.")
        complaints.need(bool(new.reason.strip()), "reason", "Say what it is for.")
        fits = len(new.reason) <= REASON_CHARACTERS
        complaints.need(fits, "reason", f"Keep it to {REASON_CHARACTERS} characters.")
        complaints.need(new.until is None or new.until > now, "until", "Choose a moment to come.")
        complaints.refuse_any()
        if waiting(budget.id, new.user_id, new.virtual_key_id) is not None:
            raise Refused(Fault.CONFLICT, "A request of yours for this budget is waiting already.")
        row = BudgetIncrease.create(
            id=new_id("increase", now),
            organization_id=actor.organization_id,
            budget_id=budget.id,
            requester=new.requester,
            requester_user_id=new.user_id,
            virtual_key_id=new.virtual_key_id,
            wanted_limit_nanousd=new.limit_nanousd,
            wanted_until=new.until,
            reason=new.reason.strip(),
            created_at=now,
        )
        target = Target("gateway.budget_increase.requested", "budget_increase", row.id)
        audited(actor, target, now, after=snapshot(row))
    return row


def approve(
    actor: Actor,
    increase_id: str,
    limit_nanousd: int,
    until: datetime | None,
    note: str,
    now: datetime,
) -> BudgetIncrease:
    """Raise the budget, as asked or otherwise, for good or until a moment. Raises Refused."""
    with change():
        row = _pending(actor, increase_id)
        budgets.raise_limit(actor, row.budget_id, limit_nanousd, until, now)
        row.granted_limit_nanousd = limit_nanousd
        setattr(row, "granted_until", until)  # noqa: B010 - the column may be empty
        return _decided(actor, row, APPROVED, note, now)


def decline(actor: Actor, increase_id: str, note: str, now: datetime) -> BudgetIncrease:
    """Turn a request down; the reason is the requester's to read. Raises Refused."""
    with change():
        row = _pending(actor, increase_id)
        complaints = Complaints()
        complaints.need(bool(note.strip()), "note", "Say why; whoever asked will read it.")
        complaints.refuse_any()
        return _decided(actor, row, DECLINED, note, now)


def find(organization_id: str, increase_id: str) -> BudgetIncrease:
    """Return a request of this organization. Raises Refused(NOT_FOUND)."""
    row = BudgetIncrease.get_or_none(
        BudgetIncrease.id == increase_id, BudgetIncrease.organization_id == organization_id
    )
    if row is None:
        raise not_found("request")
    return row


def waiting(
    budget_id: str, user_id: str | None, virtual_key_id: str | None
) -> BudgetIncrease | None:
    """Return the undecided request of a person, or of a key's holder, for a budget."""
    asked = BudgetIncrease.requester_user_id == user_id
    if user_id is None:
        asked = BudgetIncrease.virtual_key_id == virtual_key_id
    row: BudgetIncrease | None = BudgetIncrease.get_or_none(
        BudgetIncrease.budget_id == budget_id, BudgetIncrease.status == PENDING, asked
    )
    return row


def _pending(actor: Actor, increase_id: str) -> BudgetIncrease:
    row = find(actor.organization_id, increase_id)
    if row.status != PENDING:
        raise Refused(Fault.CONFLICT, f"This request was {row.status} already.")
    return row


def _decided(
    actor: Actor, row: BudgetIncrease, status: str, note: str, now: datetime
) -> BudgetIncrease:
    before = snapshot(row)
    row.status, row.note = status, note.strip()[:REASON_CHARACTERS]
    row.decided_by, row.decided_at = actor.actor_id, now
    row.save()
    target = Target(f"gateway.budget_increase.{status}", "budget_increase", row.id)
    audited(actor, target, now, before, snapshot(row))
    return row
