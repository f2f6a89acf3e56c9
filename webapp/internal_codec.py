"""Reads and writes the bodies of the internal API. Books and lends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import msgspec

from core.fault import Fault, Refused
from core.models import ChangeEvent
from core.models.bookkeeping import Booked
from core.models.leasing import Amount, LeaseState

MAX_COMMANDS = 2000
MAX_WANTS = 5000
_NUL = "\x00"
Form = TypeVar("Form")


class ResolveRequest(msgspec.Struct):
    """The key that a gateway was shown."""

    key_presented: str = ""
    gateway_node_id: str = ""


class AmountText(msgspec.Struct):
    """An amount asked for or given back. The urgency is a hint that nothing here needs."""

    limit_id: str
    period_start_ms: int
    amount: int
    urgent: bool = False


class LeaseRequest(msgspec.Struct):
    """What a worker asks for and gives back."""

    owner: str
    want: list[AmountText] = []
    give_back: list[AmountText] = []


class ReleaseRequest(msgspec.Struct):
    """The worker whose leases end."""

    owner: str


class SpendRequest(msgspec.Struct):
    """A batch of records, as the worker's spool has them."""

    worker: str
    commands: list[dict[str, Any]]


def read(body: bytes, form: type[Form]) -> Form:
    """Return a body as the form it must have. Raises Refused(BAD_REQUEST)."""
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.MsgspecError as error:
        raise Refused(Fault.BAD_REQUEST, str(error)) from None


def amounts(texts: Sequence[AmountText]) -> list[Amount]:
    """Return amounts as leasing takes them. Raises Refused for negative or too many."""
    if len(texts) > MAX_WANTS:
        raise Refused(Fault.BAD_REQUEST, f"At most {MAX_WANTS} amounts in one call.")
    found = []
    for text in texts:
        if not 0 <= text.amount < 2**62 or not -(2**52) < text.period_start_ms < 2**52:
            raise Refused(Fault.BAD_REQUEST, "An amount is negative or out of range.")
        found.append(Amount(text.limit_id, text.period_start_ms, text.amount))
    return found


def leases_json(states: Sequence[LeaseState], expires_at_ms: int) -> dict[str, Any]:
    """Return the answer to a lease request."""
    return {"leases": [asdict(state) for state in states], "expires_at_ms": expires_at_ms}


def booked_json(booked: Booked) -> dict[str, Any]:
    """Return the answer to a batch of records."""
    rejected = [asdict(rejection) for rejection in booked.rejected]
    return {"accepted": booked.accepted, "rejected": rejected}


def changes_json(events: Sequence[ChangeEvent], current_revision: int) -> dict[str, Any]:
    """Return a page of the change feed."""
    names = ("revision", "kind", "organization_id", "virtual_key_id", "budget_id", "provider_id")
    changes = [{name: getattr(event, name) for name in names} for event in events]
    return {"current_revision": current_revision, "changes": changes}


def without_nul(value: Any) -> Any:
    """Return a JSON value with every NUL replaced: PostgreSQL stores none, and a record must not stick for that."""
    if isinstance(value, str):
        return value.replace(_NUL, "�")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(item) for name, item in value.items()}
    return value
