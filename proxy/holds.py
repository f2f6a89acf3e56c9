"""Admission against limits: takes, queues for and settles holds. Borrowing is planned in ``proxy.leasing``.

``take`` is the hot path: no await, no allocation but the hold. A call is admitted when every blocking
limit has its estimate available. What is short is asked of the control plane by the link task, and the call
queues for it, first come, first served. Holds are not spend: ``settle`` replaces one by the real cost.
"""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import trio

from core.fault import Fault, Refused
from proxy.limit_state import NEVER_TOLD, Hold, LimitState, Period, Terms
from rules.limits import check

__all__ = ["Hold", "HoldTiming", "Holds", "LimitState", "Period", "Terms"]


@dataclass(frozen=True, slots=True)
class HoldTiming:
    """How long calls wait, in seconds."""

    queue_seconds: float = 2.0
    """How long a call waits while only calls under way stand between it and the limit."""
    answer_seconds: float = 4.0
    """How much longer it waits when the control plane has not yet said how the limit stands."""
    outage_seconds: float = 300.0
    """How long the last slices are trusted while the control plane is away."""


class Waiter:
    """One call in the queue, and what became of it."""

    __slots__ = ("amount_nanousd", "done", "limits", "outcome", "short", "since_s")

    def __init__(self, limits: Sequence[LimitState], amount_nanousd: int, now_s: float) -> None:
        self.limits = limits
        self.amount_nanousd = amount_nanousd
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
    def limit_for(self, terms: Terms, period_start_ms: int, settled_nanousd: int) -> LimitState:
        """Return the one state of a limit, brought up to date with what a bundle says of it."""
        limit = self._limits.get(terms.id)
        if limit is None:
            limit = self._limits[terms.id] = LimitState(terms)
            limit.turn((period_start_ms + 0.5) / 1000)
        elif limit.terms != terms:
            is_moved = (limit.terms.window, limit.terms.anchor_ms) != (
                terms.window,
                terms.anchor_ms,
            )
            limit.adopt(terms)
            if is_moved:
                limit.ends_s = NEVER_TOLD
        current = limit.current
        if current.start_ms == period_start_ms:
            current.settled_nanousd = max(current.settled_nanousd, settled_nanousd)
        return limit

    def find(self, limit_id: str) -> LimitState | None:
        """Return the state of a limit that some bundle still uses."""
        return self._limits.get(limit_id)

    def warnings(self, limits: Sequence[LimitState]) -> list[str]:
        """Return ``scope:percent`` for each limit of which at least 80 percent is spent."""
        found = []
        for limit in limits:
            period = limit.current
            if period.settled_nanousd + period.unacked_nanousd >= limit.warn_from_nanousd:
                spent, terms = period.spent_nanousd, limit.terms
                found.append(f"{terms.scope}:{check(spent, terms.limit_nanousd, '').percent}")
        return found

    # Taking and settling
    def take(
        self, limits: Sequence[LimitState], amount_nanousd: int, now_s: float
    ) -> Hold | LimitState:
        """Return a hold on every limit, or the first limit that is short. ``now_s`` is Unix time."""
        is_trusted = now_s <= self.trusted_until_s
        # A free model passes while something is left and not after: that is what "spent" means.
        amount = amount_nanousd or 1
        for limit in limits:
            if now_s >= limit.ends_s:
                limit.turn(now_s)
            if limit.blocks and (
                limit.current.available_nanousd < amount or limit.waiting or not is_trusted
            ):
                return limit
        return self._hold(limits, amount)

    def _hold(self, limits: Sequence[LimitState], amount: int) -> Hold:
        periods = tuple([limit.current for limit in limits])
        is_low = False
        for period in periods:
            period.is_used = True
            period.held_nanousd += amount
            period.available_nanousd -= amount
            is_low |= period.available_nanousd < period.low_water_nanousd
        if is_low:
            self.wake()
        return Hold(amount, periods)

    def settle(self, hold: Hold, cost_nanousd: int) -> None:
        """Replace a hold by what the call cost; the same hold a second time changes nothing.

        The cost stays counted here until the control plane has booked it (``acknowledge``).
        """
        if hold.is_settled:
            return
        hold.is_settled = True
        freed = hold.amount_nanousd - cost_nanousd
        for period in hold.periods:
            period.held_nanousd -= hold.amount_nanousd
            period.unacked_nanousd += cost_nanousd
            period.available_nanousd += freed
            period.is_used = True
            self.active[period] = None
        if self.waiters:
            self.serve(self._now_s())
            self.wake()

    def release(self, hold: Hold) -> None:
        """Give a hold up for a call that cost nothing."""
        self.settle(hold, 0)

    def acknowledge(self, costs: Mapping[Period, int]) -> None:
        """Note that the control plane has booked these costs: settled grew and the slices shrank by them."""
        for period, cost in costs.items():
            covered = min(cost, max(0, period.lease_nanousd))
            period.unacked_nanousd -= cost
            period.available_nanousd += cost - covered
            period.settled_nanousd += cost

    # Queueing
    async def obtain(self, limits: Sequence[LimitState], amount_nanousd: int, now_s: float) -> Hold:
        """Return a hold, waiting a little for a slice or for calls under way.

        Raises Refused: BUDGET_EXCEEDED when a limit is spent or nothing of it can be had in time,
        BUDGET_UNAVAILABLE when the control plane is away and a limit blocks without it.
        """
        waiter = Waiter(limits, amount_nanousd or 1, now_s)
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
        blocked: set[LimitState] = set()
        for waiter in list(self.waiters):
            if waiter.outcome is None:
                outcome = self._judge(waiter, blocked, now_s)
                if outcome is not None:
                    waiter.finish(outcome)

    def _judge(
        self, waiter: Waiter, blocked: set[LimitState], now_s: float
    ) -> Hold | Refused | None:
        amount, short = waiter.amount_nanousd, []
        is_trusted = now_s <= self.trusted_until_s
        for limit in waiter.limits:
            if now_s >= limit.ends_s:
                limit.turn(now_s)
            if not limit.blocks:
                continue
            if limit.current.spent_nanousd >= limit.terms.limit_nanousd:
                limit.current.is_used = True
                self.active[limit.current] = None
                return _exceeded(limit)
            if limit in blocked or not is_trusted or not _covers(limit.current, amount):
                short.append(limit)
        if not short:
            return self._hold(waiter.limits, amount)
        if self.away_since_s is not None and self._is_long_away(now_s):
            return self._without_control_plane(waiter, short)
        for limit in short:
            self.active[limit.current] = None
        blocked.update(short)
        if waiter.short not in short:
            waiter.queue_for(short[0])
        return None

    def _is_long_away(self, now_s: float) -> bool:
        away_since_s = now_s if self.away_since_s is None else self.away_since_s
        return now_s - away_since_s >= self.timing.queue_seconds

    def _without_control_plane(self, waiter: Waiter, short: Sequence[LimitState]) -> Hold | Refused:
        for limit in short:
            if limit.terms.on_outage != "allow":
                return Refused(Fault.BUDGET_UNAVAILABLE, budget_id=limit.id, name=limit.terms.name)
        return self._hold(waiter.limits, waiter.amount_nanousd)

    def _is_unanswered(self, waiter: Waiter) -> bool:
        """Say whether a slow answer, and not the limit, is what a call waits for."""
        if self.away_since_s is not None:
            return False
        return all(
            limit.current.told_s < waiter.since_s
            for limit in waiter.limits
            if limit.blocks and not _covers(limit.current, waiter.amount_nanousd)
        )

    def _last_word(self, waiter: Waiter) -> Hold | Refused:
        """Judge a call whose time in the queue is over."""
        short = [
            limit
            for limit in waiter.limits
            if limit.blocks and limit.current.available_nanousd < waiter.amount_nanousd
        ]
        for limit in short:
            if limit.current.told_s >= waiter.since_s:
                return _exceeded(limit)
        return self._without_control_plane(waiter, short or waiter.limits)

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


def _covers(period: Period, amount_nanousd: int) -> bool:
    # The last call before a limit may cost more than is left: it is admitted alone, on all that is left.
    available = period.available_nanousd
    return available >= amount_nanousd or (available > 0 and period.is_sole)


_NOUNS = {"virtual_key": "virtual key", "principal": "personal"}


def _exceeded(limit: LimitState) -> Refused:
    terms, spent = limit.terms, limit.current.spent_nanousd
    noun = _NOUNS.get(terms.scope, terms.scope)
    state = "is spent" if spent >= terms.limit_nanousd else "is taken up by calls under way"
    return Refused(
        Fault.BUDGET_EXCEEDED,
        f'The {noun} budget "{terms.name}" ({terms.scope}:{terms.window}) {state}.',
        budget_id=terms.id,
        name=terms.name,
        scope=terms.scope,
        window=str(terms.window),
        limit_nanousd=terms.limit_nanousd,
        spent_nanousd=spent,
        resets_at_ms=int(limit.ends_s * 1000),
    )
