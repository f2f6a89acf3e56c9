"""Admission against limits: takes, queues for and settles holds. Borrowing is planned in ``proxy.leasing``.

``take`` is the hot path: no await, no allocation but the hold. A call is admitted when every blocking
limit, budgets and rate limits alike, has available what the call takes of its unit; else it takes nothing of
any. What is short is asked of the control plane by the link task, and the call queues for it, first come,
first served. Holds are not spend: ``settle`` replaces one by what was really used.

A call does not queue for calls under way to leave it room in a rate limit: it waits for the control plane to
say how the limit stands, and, while another worker may hold the last of it, a moment for that.
"""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import trio

from core.fault import Fault, Refused
from proxy.limit_state import NEVER_TOLD, Hold, LimitState, Period, Terms
from proxy.refusals import reached
from rules.limits import check
from rules.rates import NOTHING, Amounts

__all__ = ["Hold", "HoldTiming", "Holds", "LimitState", "Period", "Terms"]


@dataclass(frozen=True, slots=True)
class HoldTiming:
    """How long calls wait, in seconds."""

    queue_seconds: float = 2.0
    """How long a call waits while only calls under way stand between it and a budget."""
    rate_seconds: float = 1.0
    """How long a call waits for what other workers hold of a rate limit."""
    answer_seconds: float = 4.0
    """How much longer it waits when the control plane has not yet said how the limit stands."""
    outage_seconds: float = 300.0
    """How long the last slices are trusted while the control plane is away."""


class Waiter:
    """One call in the queue, and what became of it."""

    __slots__ = ("amounts", "done", "limits", "outcome", "short", "since_s")

    def __init__(self, limits: Sequence[LimitState], amounts: Amounts, now_s: float) -> None:
        self.limits = limits
        self.amounts = amounts
        self.since_s = now_s
        self.short: LimitState | None = None
        """The limit whose queue it stands in."""
        self.done = trio.Event()
        self.outcome: Hold | Refused | None = None

    def queue_for(self, limit: LimitState | None) -> None:
        """Move to another limit's queue, or out of all."""
        if self.short is not None:
            self.short.waiting -= 1
        self.short = limit
        if limit is not None:
            limit.waiting += 1

    def finish(self, outcome: Hold | Refused) -> None:
        """Let the call go on."""
        self.queue_for(None)
        self.outcome = outcome
        self.done.set()


class Holds:
    """The limits of one worker. ``wake`` is called when the link task should plan at once."""

    def __init__(
        self,
        owner: str,
        timing: HoldTiming | None = None,
        wake: Callable[[], None] = lambda: None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.owner = owner
        self.waiters: dict[Waiter, None] = {}
        self.active: dict[Period, None] = {}
        """Periods of which something is borrowed, held, unbooked or wanted; and those just used."""
        self.timing = timing or HoldTiming()
        self.wake = wake
        self._now_s = now_s
        self.trusted_until_s = NEVER_TOLD
        self.away_since_s: float | None = None
        self._limits: weakref.WeakValueDictionary[str, LimitState] = weakref.WeakValueDictionary()

    # What is known
    def limit_for(self, terms: Terms, period_start_ms: int, settled: int) -> LimitState:
        """Return the one state of a limit, brought up to date with what a bundle says of it."""
        limit = self._limits.get(terms.id)
        if limit is None:
            limit = self._limits[terms.id] = LimitState(terms)
            if terms.rolling is None:
                limit.turn((period_start_ms + 0.5) / 1000)
        elif limit.terms != terms:
            before = limit.terms
            is_moved = (before.window, before.anchor_ms, before.reset_ms) != (
                terms.window,
                terms.anchor_ms,
                terms.reset_ms,
            )
            limit.adopt(terms)
            if is_moved:
                limit.ends_s = NEVER_TOLD
        current = limit.current
        if current.start_ms == period_start_ms:
            current.settled = max(current.settled, settled)
        return limit

    def find(self, limit_id: str) -> LimitState | None:
        """Return the state of a limit that some bundle still uses."""
        return self._limits.get(limit_id)

    def warnings(self, limits: Sequence[LimitState]) -> list[str]:
        """Return ``scope:percent`` for each budget of which at least 80 percent is spent.

        A budget for one provider's calls says so: ``scope/provider:percent``.
        """
        found = []
        for limit in limits:
            period = limit.current
            if period.settled + period.unacked >= limit.warn_from:
                spent, terms = period.spent, limit.terms
                place = f"{terms.scope}/{terms.provider_id}" if terms.provider_id else terms.scope
                found.append(f"{place}:{check(spent, terms.amount, '').percent}")
        return found

    # Taking and settling
    def take(
        self, limits: Sequence[LimitState], amounts: Amounts, now_s: float
    ) -> Hold | LimitState:
        """Return a hold on every limit, or the first limit that is short. ``now_s`` is Unix time.

        ``amounts`` says what the call takes, by unit.
        """
        is_trusted = now_s <= self.trusted_until_s
        if not amounts[0]:
            amounts = _of_free_model(amounts)
        for limit in limits:
            if now_s >= limit.ends_s:
                limit.turn(now_s)
            if limit.blocks and (
                limit.current.available < amounts[limit.unit] or limit.waiting or not is_trusted
            ):
                return limit
        return self._hold(limits, amounts)

    def _hold(self, limits: Sequence[LimitState], amounts: Amounts) -> Hold:
        periods = tuple([limit.current for limit in limits])
        is_low, units = False, 0
        for period in periods:
            units |= (unit := period.unit)
            amount = amounts[unit]
            period.is_used = True
            period.held += amount
            period.available = available = period.available - amount
            if available < period.low_water:
                is_low = True
        if is_low:
            self.wake()
        return Hold(amounts, periods, not units)

    def settle(self, hold: Hold, used: Amounts) -> None:
        """Replace a hold by what the call used; the same hold a second time changes nothing.

        What was used stays counted here until the control plane has booked it (``acknowledge``).
        """
        if hold.is_settled:
            return
        hold.is_settled = True
        held, active = hold.amounts, self.active
        cost, amount, is_mixed = used[0], held[0], not hold.is_money
        for period in hold.periods:
            if is_mixed:
                unit = period.unit
                cost, amount = used[unit], held[unit]
            period.held -= amount
            period.unacked += cost
            period.available += amount - cost
            period.is_used = True
            active[period] = None
        if self.waiters:
            self.serve(self._now_s())
            self.wake()

    def release(self, hold: Hold) -> None:
        """Give a hold up for a call that used nothing."""
        self.settle(hold, NOTHING)

    def acknowledge(self, used: Mapping[Period, int]) -> None:
        """Note that the control plane has booked these amounts: settled grew and the slices shrank by them."""
        for period, amount in used.items():
            covered = min(amount, max(0, period.lease))
            period.unacked -= amount
            period.available += amount - covered
            period.settled += amount

    # Queueing
    async def obtain(self, limits: Sequence[LimitState], amounts: Amounts, now_s: float) -> Hold:
        """Return a hold, waiting a little for a slice or for calls under way.

        Raises Refused: BUDGET_EXCEEDED or a rate limit's fault when a limit is spent or nothing of it can
        be had in time, BUDGET_UNAVAILABLE when the control plane is away and a budget blocks without it.
        """
        waiter = Waiter(limits, amounts if amounts[0] else _of_free_model(amounts), now_s)
        self.waiters[waiter] = None
        try:
            self.serve(now_s)
            if waiter.outcome is None:
                self.wake()
                with trio.move_on_after(self.timing.queue_seconds):
                    await waiter.done.wait()
            if waiter.outcome is None and self._is_unanswered(waiter):
                with trio.move_on_after(self.timing.answer_seconds):
                    await waiter.done.wait()
            if waiter.outcome is None:
                waiter.finish(self._last_word(waiter))
        except BaseException:
            if isinstance(waiter.outcome, Hold):
                self.release(waiter.outcome)
            raise
        finally:
            waiter.queue_for(None)
            del self.waiters[waiter]
        if isinstance(waiter.outcome, Hold):
            return waiter.outcome
        raise waiter.outcome or Refused(Fault.INTERNAL_ERROR)

    def serve(self, now_s: float) -> None:
        """Go through the queue once, in order, after anything changed; nobody overtakes on a short limit."""
        queued: dict[LimitState, int] = {}
        for waiter in list(self.waiters):
            if waiter.outcome is None:
                outcome = self._judge(waiter, queued, now_s)
                if outcome is not None:
                    waiter.finish(outcome)

    def _judge(
        self, waiter: Waiter, queued: dict[LimitState, int], now_s: float
    ) -> Hold | Refused | None:
        """Judge one call; ``queued`` adds up what those before it wait for, by limit."""
        amounts, short = waiter.amounts, []
        is_trusted = now_s <= self.trusted_until_s
        for limit in waiter.limits:
            if now_s >= limit.ends_s:
                limit.turn(now_s)
            if not limit.blocks:
                continue
            if limit.current.is_spent(now_s):
                limit.current.is_used = True
                self.active[limit.current] = None
                return reached(limit, now_s)
            if limit in queued or not is_trusted or not _covers(limit, amounts):
                short.append(limit)
        if not short:
            return self._hold(waiter.limits, amounts)
        if self.away_since_s is not None and self._is_long_away(now_s):
            return self._without_control_plane(waiter, short, now_s)
        for limit in short:
            if limit.is_rate and self._is_hopeless(waiter, limit, queued.get(limit, 0), now_s):
                return reached(limit, now_s)
        for limit in short:
            self.active[limit.current] = None
            queued[limit] = queued.get(limit, 0) + amounts[limit.unit]
        if waiter.short not in short:
            waiter.queue_for(short[0])
        return None

    def _is_hopeless(self, waiter: Waiter, limit: LimitState, queued: int, now_s: float) -> bool:
        """Say whether a call has nothing to wait for: a rate limit is used up as far as can be told."""
        period = limit.current
        if period.told_s < waiter.since_s or self.away_since_s is not None:
            return False
        elsewhere = period.free + period.others + max(0, period.available)
        has_time = now_s - waiter.since_s < self.timing.rate_seconds
        return not has_time or elsewhere < queued + waiter.amounts[limit.unit]

    def _is_long_away(self, now_s: float) -> bool:
        away_since_s = now_s if self.away_since_s is None else self.away_since_s
        return now_s - away_since_s >= self.timing.queue_seconds

    def _without_control_plane(
        self, waiter: Waiter, short: Sequence[LimitState], now_s: float
    ) -> Hold | Refused:
        for limit in short:
            if not limit.passes_alone(waiter.amounts[limit.unit], now_s):
                if limit.is_rate:
                    return reached(limit, now_s)
                return Refused(Fault.BUDGET_UNAVAILABLE, budget_id=limit.id, name=limit.terms.name)
        return self._hold(waiter.limits, waiter.amounts)

    def _is_unanswered(self, waiter: Waiter) -> bool:
        """Say whether a slow answer, and not the limit, is what a call waits for."""
        if self.away_since_s is not None:
            return False
        return all(
            limit.current.told_s < waiter.since_s
            for limit in waiter.limits
            if limit.blocks and not _covers(limit, waiter.amounts)
        )

    def _last_word(self, waiter: Waiter) -> Hold | Refused:
        """Judge a call whose time in the queue is over."""
        now_s = self._now_s()
        short = [
            limit
            for limit in waiter.limits
            if limit.blocks and limit.current.available < waiter.amounts[limit.unit]
        ]
        for limit in short:
            if limit.current.told_s >= waiter.since_s:
                return reached(limit, now_s)
        return self._without_control_plane(waiter, short or waiter.limits, now_s)

    # What the link task reports
    def heard(self, now_s: float) -> None:
        """Note that the control plane answered about slices; they are trusted for a while from now."""
        self.away_since_s = None
        self.trusted_until_s = now_s + self.timing.outage_seconds

    def missed(self, now_s: float) -> None:
        """Note that the control plane did not answer."""
        if self.away_since_s is None:
            self.away_since_s = now_s
        self.serve(now_s)


def _of_free_model(amounts: Amounts) -> Amounts:
    # A free model passes while something is left and not after: that is what "spent" means.
    return (1, amounts[1], amounts[2])


def _covers(limit: LimitState, amounts: Amounts) -> bool:
    period, amount = limit.current, amounts[limit.unit]
    available = period.available
    if available >= amount:
        return True
    # The last call before a budget may cost more than is left: it is admitted alone, on all that is left.
    # A rate limit has no last call; one that asks for more than the whole limit is admitted on all of it.
    least = limit.terms.amount if limit.is_rate else 1
    return available >= least and period.is_sole
