"""Makes a virtual key together with a budget of its own, or neither."""

from dataclasses import dataclass
from datetime import datetime

from core.authoring import budgets, virtual_keys
from core.authoring.actor import Actor
from core.authoring.record import change
from core.authoring.validation import NAME_CHARACTERS, invalid
from core.authoring.virtual_keys import NewVirtualKey
from core.fault import Fault, Refused
from core.models import VirtualKey
from core.secrets import Secret


@dataclass(frozen=True, slots=True)
class KeyBudget:
    """What a key may spend, in nano-USD a window; ``on_breach`` is block or warn."""

    limit_nanousd: int
    window: str = "month"
    on_breach: str = "block"


def create(
    actor: Actor, new: NewVirtualKey, budget: KeyBudget | None, pepper: Secret, now: datetime
) -> tuple[VirtualKey, Secret]:
    """Create a key and, if one is wanted, the budget at it, in one transaction; return the key and its secret.

    Raises Refused; what is wrong with the budget is told about the field ``budget``.
    """
    with change():
        row, secret = virtual_keys.create(actor, new, pepper, now)
        if budget is not None:
            _add(actor, row, budget, now)
    return row, secret


def _add(actor: Actor, row: VirtualKey, budget: KeyBudget, now: datetime) -> None:
    name = f"{row.name} a {budget.window}"[-NAME_CHARACTERS:]
    new = budgets.NewBudget(
        name, "virtual_key", row.id, budget.window, budget.limit_nanousd, budget.on_breach
    )
    try:
        budgets.create(actor, new, now)
    except Refused as refused:
        told = refused.facts.get("errors")
        if refused.fault is not Fault.VALIDATION_ERROR or not isinstance(told, dict):
            raise
        raise invalid({"budget": " ".join(told.values())}) from refused
