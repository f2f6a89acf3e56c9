"""Plans what a worker borrows and gives back, and learns from the answer. Sends nothing itself.

A round is one call at most: wants and gifts of all limits together. An answer is absolute (this worker's
slice, and how the limit stands), so a lost answer or a repeated call leaves nothing wrong for long.

When several workers queue for the last of a limit, each may hold a piece too small for any call. What does
not help the first in the queue therefore goes back at once, and is asked for again a little later; the
pause differs between workers, so that one of them finds all pieces together.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.control_plane import LeaseGift, LeaseState, LeaseWant
from proxy.holds import Holds
from proxy.limit_state import NEVER_TOLD, Period
from rules.rates import Unit
from rules.slices import IDLE_SECONDS, REST_SECONDS, Slice, cushion, low_water, surplus

RETRY_SECONDS = 0.04
READ_SECONDS = 1.0
"""How often a slice that rests is looked at, so that one who starves gets it within about a second."""
WARN_READ_SECONDS = 2.0
MAX_WANTS = 500


@dataclass(frozen=True, slots=True)
class Round:
    """One call to make: what is wanted and what is given back."""

    wants: tuple[LeaseWant, ...]
    gifts: tuple[LeaseGift, ...]

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to say."""
        return not (self.wants or self.gifts)


class Leasing:
    """The lending side of one worker's limits."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        # Workers that ask in step would keep splitting what is left between them.
        share = zlib.crc32(holds.owner.encode()) % 64 / 64
        self._retry_seconds = RETRY_SECONDS * (1 + share)

    def plan(self, now_s: float) -> Round:
        """Return the next round. What it gives back is no longer available here from this moment."""
        wants: list[LeaseWant] = []
        gifts: list[LeaseGift] = []
        needs = self._needs()
        for period in sorted(self._holds.active, key=lambda p: p.told_s):
            _note_use(period, now_s)
            gift = _gift(period, period in needs, now_s)
            if gift > 0:
                period.available -= gift
                period.free += gift
                gifts.append(LeaseGift(period.limit.id, period.start_ms, gift))
            want = _want(period, needs.get(period, 0), now_s)
            if want is not None and len(wants) < MAX_WANTS:
                wants.append(want)
            is_quiet = want is None and gift == 0 and period not in needs
            if is_quiet and _is_done(period, now_s):
                del self._holds.active[period]
        return Round(tuple(wants), tuple(gifts))

    def next_ask_s(self) -> float | None:
        """Return when a call that queues may be asked for again (Unix seconds), if any queues."""
        needs = self._needs()
        if not needs:
            return None
        return min(0.0 if p.is_yielding else p.ask_at_s for p in needs)

    def is_tight(self) -> bool:
        """Say whether a call queues for a limit of which nothing is left to borrow."""
        return any(p.told_s > NEVER_TOLD and p.free == 0 for p in self._needs())

    def lost(self, failed: Round) -> None:
        """Note that no answer came to a round: it may have been carried out or not."""
        said = {(w.limit_id, w.period_start_ms) for w in failed.wants}
        said |= {(g.limit_id, g.period_start_ms) for g in failed.gifts}
        for period in self._holds.active:
            if (period.limit.id, period.start_ms) in said:
                period.is_unsure = True

    def learn(self, states: Sequence[LeaseState], now_s: float) -> None:
        """Take in an answer, then serve the queue."""
        holds = self._holds
        holds.heard(now_s)
        known = {(p.limit.id, p.start_ms): p for p in holds.active}
        told = []
        for state in states:
            period = known.get((state.limit_id, state.period_start_ms))
            if period is not None:
                _update(period, state, now_s)
                told.append(period)
        holds.serve(now_s)
        needs = self._needs()
        for period in told:
            # With something left to borrow, the queue only grew during the call: ask again at once.
            if period in needs and period.free == 0:
                period.is_yielding = 0 < period.available < self._first_need(period)
                period.ask_at_s = now_s + self._retry_seconds

    def _needs(self) -> dict[Period, int]:
        """Add up what the queue needs of each period that can't serve all of it."""
        needs: dict[Period, int] = {}
        for waiter in self._holds.waiters:
            if waiter.outcome is None:
                for limit in waiter.limits:
                    if limit.blocks:
                        current = limit.current
                        needs[current] = needs.get(current, 0) + waiter.amounts[limit.unit]
        return {p: need for p, need in needs.items() if p.available < need}

    def _first_need(self, period: Period) -> int:
        for waiter in self._holds.waiters:
            if waiter.outcome is None and period.limit in waiter.limits:
                return waiter.amounts[period.unit]
        return 0


def _note_use(period: Period, now_s: float) -> None:
    if period.is_used or period.used_s == NEVER_TOLD:
        period.used_s = now_s
        period.is_used = False


def _gift(period: Period, is_needed: bool, now_s: float) -> int:
    """Return what of a slice goes back now."""
    available, limit = period.available, period.limit
    if available <= 0 or not (limit.blocks or limit.is_gone):
        return 0
    if period is not limit.current or period.is_yielding:
        period.is_yielding = False
        return available
    # Calls that cost more than was held for them may have spent what this slice was cut from.
    if limit.is_gone or period.is_spent(now_s):
        return available
    if is_needed:
        return 0
    return surplus(
        Slice(
            limit.terms.amount,
            available,
            period.free,
            2 * period.low_water,
            now_s - period.used_s,
            Unit(period.unit),
        )
    )


def _want(period: Period, need: int, now_s: float) -> LeaseWant | None:
    """Return what to ask of a limit now; 0 to read how it stands, None to leave it alone."""
    limit, available = period.limit, period.available
    since_told = now_s - period.told_s
    if limit.is_gone:
        return None
    if not limit.blocks:
        is_in_use = now_s - period.used_s < IDLE_SECONDS or period.used_s > period.told_s
        is_due = is_in_use and since_told >= WARN_READ_SECONDS
        return LeaseWant(limit.id, period.start_ms, 0) if is_due else None
    ahead = _ahead(period)
    if need > available:
        if now_s < period.ask_at_s:
            return None
        return LeaseWant(limit.id, period.start_ms, max(need, ahead) - available, True)
    is_busy = now_s - period.used_s < REST_SECONDS and period is limit.current
    if is_busy and available < period.low_water:
        return LeaseWant(limit.id, period.start_ms, ahead - available)
    is_read_due = since_told >= READ_SECONDS and (period.lease > 0 or period.is_spent(now_s))
    if is_read_due or period.is_unsure:
        return LeaseWant(limit.id, period.start_ms, 0)
    return None


def _ahead(period: Period) -> int:
    """Return what this worker should have beyond its holds."""
    if period.told_s > NEVER_TOLD:
        return 2 * period.low_water
    amount = period.limit.terms.amount
    return cushion(amount, amount - period.spent)


def _is_done(period: Period, now_s: float) -> bool:
    is_resting = now_s - period.used_s >= IDLE_SECONDS
    is_past = period is not period.limit.current
    return (
        period.is_at_rest
        and not period.is_unsure
        and (is_resting or is_past or period.limit.is_gone)
    )


def _update(period: Period, state: LeaseState, now_s: float) -> None:
    limit = period.limit
    if state.gone:
        limit.retire()
        return
    if state.limit != limit.terms.amount:
        limit.adopt(replace(limit.terms, amount=state.limit))
    period.told_s = now_s
    period.is_unsure = False
    period.settled = state.settled
    period.available = state.remaining - period.held - period.unacked
    period.others = max(0, state.leased - state.remaining)
    period.free = max(0, state.limit - state.settled - state.leased)
    limit.learn_opening(state.opens_at_ms)
    reachable = period.free + max(0, period.available)
    period.low_water = low_water(cushion(state.limit, reachable))
