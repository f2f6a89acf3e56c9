"""Lends slices of limits to gateway workers and books what was used against them.

The rule that everything rests on: a slice is granted only while settled + leased + granted <= limit. A budget
keeps both sums in the row of its period. A rate limit keeps what is lent in one row, and what was used in a
row for each slot of its rolling window (``rules.rates``); settled is then what the window's slots add up to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from peewee import fn

from core.clock import EPOCH, from_ms, to_ms
from core.database import serialise_limits, transaction
from core.models.gateway import Provider, VirtualKey
from core.models.limits import Budget, Lease, LimitPeriod
from rules.rates import COUNTING, COUNTING_RPM, Dimension, read_rate_limit_id

LEASE_LIFETIME = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of one limit, in its unit, in one period or slot; the unit of asking, giving back and charging."""

    limit_id: str
    period_start_ms: int
    amount: int


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What one owner holds of one limit after an answer, and how the whole limit stands, in its unit."""

    limit_id: str
    period_start_ms: int
    granted: int
    remaining: int
    settled: int
    leased: int
    limit: int
    gone: bool
    opens_at_ms: int | None = None
    """When the oldest used slot of a rolling window leaves it; None for budgets, and when none is used."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a limit stands, whoever asks: the row that its leases hang on, and the sums."""

    account: LimitPeriod
    limit: int
    settled: int
    opens_at_ms: int | None = None


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


def charge(owner: str, amounts: Iterable[Amount], now: datetime) -> None:
    """Book what calls used: settled grows, and the owner's lease shrinks by as much as it still covers.

    Must run in the transaction that makes those calls settled, so that each is booked once.
    """
    totals: dict[tuple[str, int], int] = {}
    for amount in amounts:
        key = (amount.limit_id, amount.period_start_ms)
        totals[key] = totals.get(key, 0) + amount.amount
    serialise_limits()
    for (limit_id, period_start_ms), amount_used in totals.items():
        rate = read_rate_limit_id(limit_id)
        account = _period(limit_id, period_start_ms if rate is None else 0)
        held = Lease.get_or_none(Lease.limit_period_id == account.id, Lease.owner == owner)
        covered = 0
        if held is not None:
            covered = min(held.remaining, amount_used)
            Lease.update(remaining=Lease.remaining - covered).where(Lease.id == held.id).execute()
        if rate is None:
            _move(account.id, settled=amount_used, leased=-covered)
        else:
            _move(account.id, leased=-covered)
            _use_slot(limit_id, rate[0], period_start_ms, amount_used, now)


def settled_amount(limit_id: str, period_start: datetime) -> int:
    """Return what a budget has settled in a period, in nano-USD."""
    row = LimitPeriod.get_or_none(
        LimitPeriod.limit_id == limit_id, LimitPeriod.period_start == period_start
    )
    return 0 if row is None else row.settled


def _period(limit_id: str, period_start_ms: int) -> LimitPeriod:
    start = from_ms(period_start_ms)
    LimitPeriod.insert(limit_id=limit_id, period_start=start).on_conflict_ignore().execute()
    return LimitPeriod.get(LimitPeriod.limit_id == limit_id, LimitPeriod.period_start == start)


def _grant(owner: str, want: Amount, now: datetime) -> LeaseState:
    standing = _standing(want, now)
    if standing is None:
        return LeaseState(want.limit_id, want.period_start_ms, 0, 0, 0, 0, 0, True)
    account = standing.account
    leased = account.leased - _expire(account.id, now)
    free = max(0, standing.limit - standing.settled - leased)
    granted = min(max(0, want.amount), free)
    remaining = _extend(owner, account.id, granted, now)
    return LeaseState(
        want.limit_id,
        want.period_start_ms,
        granted,
        remaining,
        standing.settled,
        leased + granted,
        standing.limit,
        False,
        standing.opens_at_ms,
    )


def _standing(want: Amount, now: datetime) -> _Standing | None:
    """Return how a limit stands, or None when there is no such limit any more."""
    rate = read_rate_limit_id(want.limit_id)
    if rate is None:
        budget = Budget.get_or_none(Budget.id == want.limit_id, Budget.archived_at.is_null())
        if budget is None:
            return None
        period = _period(want.limit_id, want.period_start_ms)
        return _Standing(period, budget.limit_at(now), period.settled)
    dimension, subject_id = rate
    limit = _rate_limit(dimension, subject_id)
    if limit is None:
        return None
    settled, opens_at_ms = _window(want.limit_id, dimension, now)
    return _Standing(_period(want.limit_id, 0), limit, settled, opens_at_ms)


# Rate limits
def _rate_limit(dimension: Dimension, subject_id: str) -> int | None:
    """Return the amount of a rate limit as its key or provider says it now."""
    if dimension is COUNTING:
        return COUNTING_RPM
    key = VirtualKey.get_or_none(VirtualKey.id == subject_id)
    if key is not None:
        section = key.config.get("rate_limits")
        return section.get(dimension.name) if isinstance(section, dict) else None
    provider = Provider.get_or_none(Provider.id == subject_id, Provider.archived_at.is_null())
    return None if provider is None else provider.rate_limits.get(dimension.name)


def _window(limit_id: str, dimension: Dimension, now: datetime) -> tuple[int, int | None]:
    """Return what the slots of a window add up to, and when the oldest used one leaves it."""
    oldest = from_ms(max(1, dimension.counted_from_ms(to_ms(now))))
    query = LimitPeriod.select(fn.SUM(LimitPeriod.settled), fn.MIN(LimitPeriod.period_start)).where(
        LimitPeriod.limit_id == limit_id,
        LimitPeriod.period_start >= oldest,
        LimitPeriod.settled > 0,
    )
    settled, first = query.scalar(as_tuple=True)
    if settled is None:
        return 0, None
    return int(settled), dimension.leaves_at_ms(to_ms(first))


def _use_slot(
    limit_id: str, dimension: Dimension, slot_start_ms: int, amount: int, now: datetime
) -> None:
    """Book what was used in its slot, unless that left the window already, and clear slots that did."""
    counted_from_ms = dimension.counted_from_ms(to_ms(now))
    if slot_start_ms >= max(1, counted_from_ms):
        _move(_period(limit_id, slot_start_ms).id, settled=amount)
    LimitPeriod.delete().where(  # type: ignore[misc]
        LimitPeriod.limit_id == limit_id,
        LimitPeriod.period_start > EPOCH,
        LimitPeriod.period_start < from_ms(max(1, counted_from_ms)),
    ).execute()


# Leases
def _extend(owner: str, period_id: int, granted: int, now: datetime) -> int:
    held = Lease.get_or_none(Lease.limit_period_id == period_id, Lease.owner == owner)
    if held is None:
        if granted == 0:
            return 0
        Lease.create(
            limit_period_id=period_id,
            owner=owner,
            remaining=granted,
            expires_at=now + LEASE_LIFETIME,
        )
        _move(period_id, leased=granted)
        return granted
    if granted:
        Lease.update(remaining=Lease.remaining + granted).where(Lease.id == held.id).execute()
        _move(period_id, leased=granted)
    remaining: int = held.remaining + granted
    return remaining


def _give_back(owner: str, amount: Amount) -> None:
    is_rate = read_rate_limit_id(amount.limit_id) is not None
    period = _period(amount.limit_id, 0 if is_rate else amount.period_start_ms)
    held = Lease.get_or_none(Lease.limit_period_id == period.id, Lease.owner == owner)
    if held is None:
        return
    given = min(held.remaining, max(0, amount.amount))
    Lease.update(remaining=Lease.remaining - given).where(Lease.id == held.id).execute()
    _move(period.id, leased=-given)


def _expire(period_id: int, now: datetime) -> int:
    expired = list(
        Lease.select().where(Lease.limit_period_id == period_id, Lease.expires_at <= now)
    )
    for row in expired:
        _drop(row)
    return sum(row.remaining for row in expired)


def _drop(row: Lease) -> None:
    _move(row.limit_period_id, leased=-row.remaining)
    row.delete_instance()


def _move(period_id: int, settled: int = 0, leased: int = 0) -> None:
    LimitPeriod.update(
        settled=LimitPeriod.settled + settled,
        leased=LimitPeriod.leased + leased,
    ).where(LimitPeriod.id == period_id).execute()
