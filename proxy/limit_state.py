"""What a worker knows of each limit: its terms, the current period, its own slice. Talks to nobody."""

from dataclasses import dataclass

from core.clock import from_ms, to_ms
from rules.limits import WARN_PERCENT
from rules.windows import Window, period

NEVER_TOLD = float("-inf")
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Terms:
    """A budget as the control plane describes it."""

    id: str
    name: str
    scope: str
    scope_id: str
    window: Window
    anchor_ms: int | None
    limit_nanousd: int
    on_breach: str
    on_unpriced: str
    on_outage: str


class Period:
    """One period of one limit, as this worker sees it. All amounts in nano-USD.

    ``available`` is what may be held now: the slice, less ``held`` by calls under way, less ``unacked``,
    which is spent but not yet booked by the control plane. It is negative after calls that cost more
    than was held for them. ``settled``, ``others`` and ``free`` are as the control plane last told.
    """

    __slots__ = (
        "ask_at_s",
        "available_nanousd",
        "charge",
        "free_nanousd",
        "held_nanousd",
        "is_unsure",
        "is_used",
        "is_yielding",
        "limit",
        "low_water_nanousd",
        "others_nanousd",
        "settled_nanousd",
        "start_ms",
        "told_s",
        "unacked_nanousd",
        "used_s",
    )

    def __init__(self, limit: "LimitState", start_ms: int) -> None:
        self.limit = limit
        self.start_ms = start_ms
        self.charge = (limit.terms.id, start_ms)
        self.available_nanousd = self.held_nanousd = self.unacked_nanousd = 0
        self.low_water_nanousd = self.settled_nanousd = 0
        self.others_nanousd = self.free_nanousd = 0
        self.told_s = self.used_s = self.ask_at_s = NEVER_TOLD
        self.is_used = False
        """Set when a call came or settled; cleared when the link task looked."""
        self.is_unsure = False
        """Set when an exchange about it went unanswered, until the control plane tells how it stands."""
        self.is_yielding = False
        """Set when what is available helps no call that queues here, and should go back at once."""

    @property
    def lease_nanousd(self) -> int:
        """The slice that the control plane counts as lent to this worker."""
        return self.available_nanousd + self.held_nanousd + self.unacked_nanousd

    @property
    def spent_nanousd(self) -> int:
        """What is settled by all workers, and by this one but not yet booked."""
        return self.settled_nanousd + self.unacked_nanousd

    @property
    def is_sole(self) -> bool:
        """True when this worker has borrowed all that is left and no call of its own holds any of it."""
        return (
            self.told_s > NEVER_TOLD
            and self.free_nanousd == 0
            and self.others_nanousd == 0
            and self.held_nanousd == 0
        )

    @property
    def is_at_rest(self) -> bool:
        """True when nothing of this period is borrowed, held or unbooked."""
        return not (self.held_nanousd or self.unacked_nanousd or self.available_nanousd > 0)


class LimitState:
    """One limit, shared by every bundle it applies to. ``blocks`` is False for warnings only."""

    __slots__ = (
        "__weakref__",
        "blocks",
        "current",
        "ends_s",
        "is_gone",
        "terms",
        "waiting",
        "warn_from_nanousd",
    )

    def __init__(self, terms: Terms) -> None:
        self.waiting = 0
        """Calls that queue for this limit; a newcomer does not overtake them."""
        self.is_gone = False
        self.ends_s = NEVER_TOLD
        self.adopt(terms)
        self.current = Period(self, 0)

    def __repr__(self) -> str:
        return f"<LimitState {self.terms.id} available={self.current.available_nanousd}>"

    @property
    def id(self) -> str:
        """The budget's id."""
        return self.terms.id

    @property
    def on_unpriced(self) -> str:
        """What to do with a model of unknown price: flat, refuse or allow."""
        return self.terms.on_unpriced

    def adopt(self, terms: Terms) -> None:
        """Take over changed terms; a limit of zero or less is not judged."""
        self.terms = terms
        self.is_gone = False
        self.blocks = terms.on_breach == "block" and terms.limit_nanousd > 0
        self.warn_from_nanousd: float = NEVER
        if terms.limit_nanousd > 0:
            self.warn_from_nanousd = -(-terms.limit_nanousd * WARN_PERCENT // 100)

    def retire(self) -> None:
        """Stop judging: the control plane no longer knows this limit."""
        self.is_gone = True
        self.blocks = False
        self.warn_from_nanousd = NEVER

    def turn(self, now_s: float) -> None:
        """Begin the period that holds ``now_s`` (Unix seconds); holds keep the period they were taken in."""
        anchor = None if self.terms.anchor_ms is None else from_ms(self.terms.anchor_ms)
        start, end = period(self.terms.window, from_ms(int(now_s * 1000)), anchor)
        if to_ms(start) != self.current.start_ms or self.ends_s == NEVER_TOLD:
            self.current = Period(self, to_ms(start))
        self.ends_s = to_ms(end) / 1000


class Hold:
    """An amount set aside for one call, in the periods it was taken in. Settled or released once."""

    __slots__ = ("admission", "amount_nanousd", "file", "is_settled", "periods")

    def __init__(self, amount_nanousd: int, periods: tuple[Period, ...]) -> None:
        self.amount_nanousd = amount_nanousd
        self.periods = periods
        self.is_settled = False
        self.admission = b""
        """The admission's line, kept by the spool until the call settles."""
        self.file: object = None

    @property
    def charges(self) -> list[tuple[str, int]]:
        """The limits and period starts (ms) that this call is charged to, for its records."""
        return [p.charge for p in self.periods]
