"""What a worker knows of each limit: its terms, the current period, its own slice. Talks to nobody.

A budget adds up nano-USD within periods that turn. A rate limit adds up requests or tokens in a rolling
window (``rules.rates``): its slice outlives the slots, and only what was used is booked in one.
"""

from dataclasses import dataclass

from core.clock import from_ms, to_ms
from rules.limits import WARN_PERCENT
from rules.rates import Amounts, Dimension, Unit
from rules.windows import Window, period

NEVER_TOLD = float("-inf")
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Terms:
    """A budget or a rate limit, as the control plane describes it. ``amount`` is in its unit, a window."""

    id: str
    name: str
    scope: str
    scope_id: str
    window: Window
    anchor_ms: int | None
    amount: int
    on_breach: str
    on_unpriced: str
    on_outage: str
    rolling: Dimension | None = None
    """What a rate limit counts and in which window; None for a budget."""
    provider_id: str | None = None
    """The one provider whose calls it counts; None when it counts all."""
    provider_name: str = ""
    reset_ms: int | None = None
    """When an administrator began the period anew."""

    @property
    def unit(self) -> Unit:
        """What the amounts of this limit are."""
        return Unit.NANOUSD if self.rolling is None else self.rolling.unit


class Period:
    """One period of one limit, as this worker sees it. All amounts in the limit's unit.

    ``available`` is what may be held now: the slice, less ``held`` by calls under way, less ``unacked``,
    which is spent but not yet booked by the control plane. It is negative after calls that cost more
    than was held for them. ``settled``, ``others`` and ``free`` are as the control plane last told.
    A rolling limit has one period that never ends.
    """

    __slots__ = (
        "ask_at_s",
        "available",
        "charge",
        "free",
        "held",
        "is_unsure",
        "is_used",
        "is_yielding",
        "limit",
        "low_water",
        "opens_s",
        "others",
        "settled",
        "start_ms",
        "told_s",
        "unacked",
        "unit",
        "used_s",
    )

    def __init__(self, limit: "LimitState", start_ms: int) -> None:
        self.limit = limit
        self.unit = int(limit.terms.unit)
        self.start_ms = start_ms
        self.charge = (limit.terms.id, start_ms)
        """Where what is used is booked: the limit, and the period's start or the slot under way."""
        self.available = self.held = self.unacked = 0
        self.low_water = self.settled = 0
        self.others = self.free = 0
        self.told_s = self.used_s = self.ask_at_s = NEVER_TOLD
        self.opens_s = NEVER
        """When a spent rolling limit may have room again, because a slot leaves its window."""
        self.is_used = False
        """Set when a call came or settled; cleared when the link task looked."""
        self.is_unsure = False
        """Set when an exchange about it went unanswered, until the control plane tells how it stands."""
        self.is_yielding = False
        """Set when what is available helps no call that queues here, and should go back at once."""

    @property
    def lease(self) -> int:
        """The slice that the control plane counts as lent to this worker."""
        return self.available + self.held + self.unacked

    @property
    def spent(self) -> int:
        """What is settled by all workers, and by this one but not yet booked."""
        return self.settled + self.unacked

    def is_spent(self, now_s: float) -> bool:
        """Say whether nothing is left, whatever becomes of calls under way."""
        return self.spent >= self.limit.terms.amount and now_s < self.opens_s

    @property
    def is_sole(self) -> bool:
        """True when this worker has borrowed all that is left and no call of its own holds any of it."""
        return self.told_s > NEVER_TOLD and self.free == 0 and self.others == 0 and self.held == 0

    @property
    def is_at_rest(self) -> bool:
        """True when nothing of this period is borrowed, held or unbooked."""
        return not (self.held or self.unacked or self.available > 0)


class LimitState:
    """One limit, shared by every bundle it applies to. ``blocks`` is False for warnings only."""

    __slots__ = (
        "__weakref__",
        "alone_since_s",
        "alone_used",
        "blocks",
        "current",
        "ends_s",
        "is_gone",
        "terms",
        "unit",
        "waiting",
        "warn_from",
    )

    def __init__(self, terms: Terms) -> None:
        self.waiting = 0
        """Calls that queue for this limit; a newcomer does not overtake them."""
        self.is_gone = False
        self.ends_s = NEVER_TOLD
        self.alone_since_s, self.alone_used = NEVER_TOLD, 0
        self.unit = int(terms.unit)
        self.adopt(terms)
        self.current = Period(self, 0)

    def __repr__(self) -> str:
        return f"<LimitState {self.terms.id} available={self.current.available}>"

    @property
    def id(self) -> str:
        """The budget's or the rate limit's id."""
        return self.terms.id

    @property
    def is_rate(self) -> bool:
        """True for a rate limit: it refuses at once where a budget lets calls queue."""
        return self.terms.rolling is not None

    @property
    def on_unpriced(self) -> str:
        """What to do with a model of unknown price: flat, refuse or allow."""
        return self.terms.on_unpriced

    def adopt(self, terms: Terms) -> None:
        """Take over changed terms; a limit of zero or less is not judged."""
        self.terms = terms
        self.is_gone = False
        self.blocks = terms.on_breach == "block" and terms.amount > 0
        self.warn_from: float = NEVER
        if terms.amount > 0 and terms.rolling is None:
            self.warn_from = -(-terms.amount * WARN_PERCENT // 100)

    def retire(self) -> None:
        """Stop judging: the control plane no longer knows this limit."""
        self.is_gone = True
        self.blocks = False
        self.warn_from = NEVER

    def turn(self, now_s: float) -> None:
        """Begin the period that holds ``now_s`` (Unix seconds); holds keep the period they were taken in."""
        terms = self.terms
        if terms.rolling is not None:
            self._roll(terms.rolling, int(now_s * 1000))
            return
        anchor, reset = (
            None if ms is None else from_ms(ms) for ms in (terms.anchor_ms, terms.reset_ms)
        )
        start, end = period(terms.window, from_ms(int(now_s * 1000)), anchor, reset)
        if to_ms(start) != self.current.start_ms or self.ends_s == NEVER_TOLD:
            self.current = Period(self, to_ms(start))
        self.ends_s = to_ms(end) / 1000

    def _roll(self, rolling: Dimension, now_ms: int) -> None:
        """Book in the next slot from now on; the slice and what is held stay as they are."""
        slot_ms = rolling.slot_start_ms(now_ms)
        current = self.current
        current.charge = (self.terms.id, slot_ms)
        # What is used from now on leaves the window then at the latest; what the control plane tells of
        # older slots makes it sooner.
        current.opens_s = min(current.opens_s, rolling.leaves_at_ms(slot_ms) / 1000)
        self.ends_s = (slot_ms + rolling.slot_ms) / 1000

    def learn_opening(self, opens_at_ms: int | None) -> None:
        """Note when, as the control plane tells, the oldest used slot of a rolling window leaves it."""
        rolling = self.terms.rolling
        if rolling is not None:
            own = rolling.leaves_at_ms(self.current.charge[1])
            self.current.opens_s = (own if opens_at_ms is None else min(own, opens_at_ms)) / 1000

    def passes_alone(self, amount: int, now_s: float) -> bool:
        """Say whether a worker on its own lets a call pass, which counts it.

        While the control plane is away, a rate limit holds for each worker by itself.
        """
        rolling = self.terms.rolling
        if rolling is None:
            return self.terms.on_outage == "allow"
        if now_s - self.alone_since_s >= rolling.window_ms / 1000:
            self.alone_since_s, self.alone_used = now_s, 0
        if self.alone_used + amount > self.terms.amount and self.alone_used:
            return False
        self.alone_used += amount
        return True


class Hold:
    """An amount set aside for one call, in the periods it was taken in. Settled or released once."""

    __slots__ = (
        "admission",
        "amounts",
        "file",
        "is_money",
        "is_settled",
        "more",
        "periods",
        "rates",
        "used",
    )

    def __init__(
        self, amounts: Amounts, periods: tuple[Period, ...], is_money: bool = False
    ) -> None:
        self.amounts = amounts
        """What is held in each period, by the period's unit."""
        self.periods = periods
        self.is_money = is_money
        """It is known to hold in budgets only, so that the first of its amounts is all that matters."""
        self.is_settled = False
        self.used: Amounts | None = None
        """What is booked of it whatever the call uses in the end: of an attempt that failed, a request."""
        self.more: tuple[Hold, ...] = ()
        """What else the same call took, for later attempts."""
        self.rates: tuple[tuple[int, str, int], ...] = ()
        """Unit, limit and slot of each rate limit that it counts in, as they were when it was recorded."""
        self.admission = b""
        """The admission's line, kept by the spool until the call settles."""
        self.file: object = None

    def record(self) -> list[tuple[str, int]]:
        """Return the budgets and period starts (ms) that it is charged to, and fix the slots it counts in."""
        if self.is_money:
            return [p.charge for p in self.periods]
        charges = [p.charge for p in self.periods if not p.unit]
        if len(charges) != len(self.periods):
            self.rates = tuple([(p.unit, *p.charge) for p in self.periods if p.unit])
        return charges

    def split(self, provider_id: str) -> "Hold | None":
        """Take one provider's limits out, as a hold of their own; None when it holds in none of them."""
        theirs = tuple(p for p in self.periods if p.limit.terms.provider_id == provider_id)
        if not theirs:
            return None
        part = Hold(self.amounts, theirs)
        self.periods = tuple(p for p in self.periods if p not in theirs)
        ids = {p.limit.id for p in theirs}
        part.rates = tuple(rate for rate in self.rates if rate[1] in ids)
        self.rates = tuple(rate for rate in self.rates if rate[1] not in ids)
        return part

    def shares(self, used: Amounts) -> "list[tuple[Hold, Amounts]]":
        """Return every part of it with what is booked of that part when the call used ``used``."""
        return [(part, used if part.used is None else part.used) for part in (self, *self.more)]
