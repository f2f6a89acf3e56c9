"""Lends slices of budgets to gateway workers and books what was spent against them.

The rule that everything rests on: a slice is granted only while settled + leased + granted <= limit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import from_ms
from core.database import serialise_limits, transaction
from core.models.limits import Budget, Lease, LimitPeriod

LEASE_LIFETIME = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Amount:
    """Nano-USD of one limit in one period; the unit of asking, giving back and charging."""

    limit_id: str
    period_start_ms: int
    nanousd: int


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What one owner holds of one limit after an answer, and how the whole limit stands, in nano-USD."""

    limit_id: str
    period_start_ms: int
    granted_nanousd: int
    remaining_nanousd: int
    settled_nanousd: int
    leased_nanousd: int
    limit_nanousd: int
    gone: bool


def lease(
    owner: str, wants: Sequence[Amount], gives: Sequence[Amount], now: datetime
) -> tuple[list[LeaseState], datetime]:
    """Take back what ``owner`` gives, grant what it wants as far as the limits reach, renew its leases.

    A want is granted in part when less is left; a want of 0 only reads. Returns one state a want,
    and the moment at which the owner's leases expire.
    """
    expires_at = now + LEASE_LIFETIME
    with transaction():
        serialise_limits()
        for amount in gives:
            _give_back(owner, amount)
        Lease.update(expires_at=expires_at).where(Lease.owner == owner).execute()
        states = [_grant(owner, want, now) for want in wants]
    return states, expires_at


def release(owner: str) -> int:
    """End every lease of an owner that stopped, or whose records have all arrived; return how many."""
    with transaction():
        serialise_limits()
        held = list(Lease.select().where(Lease.owner == owner))
        for row in held:
            _drop(row)
        return len(held)


def drop_expired(now: datetime) -> int:
    """End the leases whose owner did not renew them; return how many. Granting does this too, as it goes."""
    with transaction():
        serialise_limits()
        expired = list(Lease.select().where(Lease.expires_at <= now))
        for row in expired:
            _drop(row)
        return len(expired)


def charge(owner: str, amounts: Iterable[Amount]) -> None:
    """Book what calls cost: settled grows, and the owner's lease shrinks by as much as it still covers.

    Must run in the transaction that makes those calls settled, so that each is booked once.
    """
    totals: dict[tuple[str, int], int] = {}
    for amount in amounts:
        key = (amount.limit_id, amount.period_start_ms)
        totals[key] = totals.get(key, 0) + amount.nanousd
    serialise_limits()
    for (limit_id, period_start_ms), nanousd in totals.items():
        period = _period(limit_id, period_start_ms)
        held = Lease.get_or_none(Lease.limit_period_id == period.id, Lease.owner == owner)
        covered = 0
        if held is not None:
            covered = min(held.remaining_nanousd, nanousd)
            Lease.update(remaining_nanousd=Lease.remaining_nanousd - covered).where(
                Lease.id == held.id
            ).execute()
        _move(period.id, settled=nanousd, leased=-covered)


def settled_nanousd(limit_id: str, period_start: datetime) -> int:
    """Return what a limit has settled in a period."""
    row = LimitPeriod.get_or_none(
        LimitPeriod.limit_id == limit_id, LimitPeriod.period_start == period_start
    )
    return 0 if row is None else row.settled_nanousd


def _period(limit_id: str, period_start_ms: int) -> LimitPeriod:
    start = from_ms(period_start_ms)
    LimitPeriod.insert(limit_id=limit_id, period_start=start).on_conflict_ignore().execute()
    return LimitPeriod.get(LimitPeriod.limit_id == limit_id, LimitPeriod.period_start == start)


def _grant(owner: str, want: Amount, now: datetime) -> LeaseState:
    budget = Budget.get_or_none(Budget.id == want.limit_id, Budget.archived_at.is_null())
    if budget is None:
        return LeaseState(want.limit_id, want.period_start_ms, 0, 0, 0, 0, 0, True)
    period = _period(want.limit_id, want.period_start_ms)
    leased = period.leased_nanousd - _expire(period.id, now)
    free = max(0, budget.limit_nanousd - period.settled_nanousd - leased)
    granted = min(max(0, want.nanousd), free)
    remaining = _extend(owner, period.id, granted, now)
    return LeaseState(
        want.limit_id,
        want.period_start_ms,
        granted,
        remaining,
        period.settled_nanousd,
        leased + granted,
        budget.limit_nanousd,
        False,
    )


def _extend(owner: str, period_id: int, granted: int, now: datetime) -> int:
    held = Lease.get_or_none(Lease.limit_period_id == period_id, Lease.owner == owner)
    if held is None:
        if granted == 0:
            return 0
        Lease.create(
            limit_period_id=period_id,
            owner=owner,
            remaining_nanousd=granted,
            expires_at=now + LEASE_LIFETIME,
        )
        _move(period_id, leased=granted)
        return granted
    if granted:
        Lease.update(remaining_nanousd=Lease.remaining_nanousd + granted).where(
            Lease.id == held.id
        ).execute()
        _move(period_id, leased=granted)
    remaining: int = held.remaining_nanousd + granted
    return remaining


def _give_back(owner: str, amount: Amount) -> None:
    period = _period(amount.limit_id, amount.period_start_ms)
    held = Lease.get_or_none(Lease.limit_period_id == period.id, Lease.owner == owner)
    if held is None:
        return
    given = min(held.remaining_nanousd, max(0, amount.nanousd))
    Lease.update(remaining_nanousd=Lease.remaining_nanousd - given).where(
        Lease.id == held.id
    ).execute()
    _move(period.id, leased=-given)


def _expire(period_id: int, now: datetime) -> int:
    expired = list(
        Lease.select().where(Lease.limit_period_id == period_id, Lease.expires_at <= now)
    )
    for row in expired:
        _drop(row)
    return sum(row.remaining_nanousd for row in expired)


def _drop(row: Lease) -> None:
    _move(row.limit_period_id, leased=-row.remaining_nanousd)
    row.delete_instance()


def _move(period_id: int, settled: int = 0, leased: int = 0) -> None:
    LimitPeriod.update(
        settled_nanousd=LimitPeriod.settled_nanousd + settled,
        leased_nanousd=LimitPeriod.leased_nanousd + leased,
    ).where(LimitPeriod.id == period_id).execute()
