"""The control plane's lending rule in memory, and a worker driven by hand; for tests without sockets."""

from dataclasses import dataclass, field

from proxy.control_plane import LeaseState
from proxy.holds import Hold, Holds, LimitState, Period, Terms
from proxy.holds import Waiter as QueuedCall
from proxy.leasing import Leasing, Round
from rules.windows import Window

START_S = 1_750_000_000.0


def terms(limit_nanousd: int, **changes: object) -> Terms:
    """A blocking monthly project budget, but for ``changes``."""
    values: dict[str, object] = {
        "id": "bud_1",
        "name": "coding",
        "scope": "project",
        "scope_id": "prj_1",
        "window": Window.TOTAL,
        "anchor_ms": None,
        "limit_nanousd": limit_nanousd,
        "on_breach": "block",
        "on_unpriced": "flat",
        "on_outage": "block",
    }
    return Terms(**(values | changes))  # type: ignore[arg-type]


@dataclass
class Account:
    """One limit in one period."""

    settled: int = 0
    leases: dict[str, int] = field(default_factory=dict)

    @property
    def leased(self) -> int:
        return sum(self.leases.values())


class Bank:
    """Lends while settled + leased + granted <= limit, and books each call once."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.accounts: dict[tuple[str, int], Account] = {}

    def account(self, limit_id: str, start_ms: int) -> Account:
        return self.accounts.setdefault((limit_id, start_ms), Account())

    def lease(self, owner: str, plan: Round) -> list[LeaseState]:
        for gift in plan.gifts:
            leases = self.account(gift.limit_id, gift.period_start_ms).leases
            leases[owner] = max(0, leases.get(owner, 0) - gift.amount_nanousd)
        return [
            self._grant(owner, w.limit_id, w.period_start_ms, w.amount_nanousd) for w in plan.wants
        ]

    def _grant(self, owner: str, limit_id: str, start_ms: int, amount: int) -> LeaseState:
        if limit_id not in self.limits:
            return LeaseState(limit_id, start_ms, 0, 0, 0, 0, 0, True)
        account, limit = self.account(limit_id, start_ms), self.limits[limit_id]
        granted = max(0, min(amount, limit - account.settled - account.leased))
        remaining = account.leases[owner] = account.leases.get(owner, 0) + granted
        return LeaseState(
            limit_id, start_ms, granted, remaining, account.settled, account.leased, limit
        )

    def charge(self, owner: str, costs: dict[tuple[str, int], int]) -> None:
        for (limit_id, start_ms), cost in costs.items():
            account = self.account(limit_id, start_ms)
            account.settled += cost
            lease = account.leases.get(owner, 0)
            account.leases[owner] = lease - min(cost, lease)


@dataclass
class Call:
    """One call under way, and by how much its hold went beyond the slice."""

    hold: Hold
    uncovered: int


class Worker:
    """One worker, moved step by step: nothing happens between its methods."""

    def __init__(self, name: str, bank: Bank, limit_terms: list[Terms], now_s: float) -> None:
        self.name = name
        self.bank = bank
        self.now_s = now_s
        self.holds = Holds(name, now_s=lambda: self.now_s)
        self.leasing = Leasing(self.holds)
        self.limits = [self.holds.limit_for(t, 0, 0) for t in limit_terms]
        self.queue: list[QueuedCall] = []
        self.under_way: list[Call] = []
        self.costs: dict[Period, int] = {}

    def request(self, amount: int) -> QueuedCall | Hold:
        """Ask for a hold; a call that has to wait stands in ``queue``."""
        taken = self.holds.take(self.limits, amount, self.now_s)
        if isinstance(taken, LimitState):
            waiter = QueuedCall(self.limits, amount, self.now_s)
            self.holds.waiters[waiter] = None
            self.queue.append(waiter)
            self.holds.serve(self.now_s)
            self.look()
            return waiter
        self._begin(taken)
        return taken

    def look(self) -> None:
        """Let calls go on that the queue let through, and forget those it refused."""
        for waiter in list(self.queue):
            if waiter.outcome is not None:
                self.queue.remove(waiter)
                del self.holds.waiters[waiter]
                if isinstance(waiter.outcome, Hold):
                    self._begin(waiter.outcome)

    def _begin(self, hold: Hold) -> None:
        blocking = [p for p in hold.periods if p.limit.blocks]
        lowest = min((p.available_nanousd for p in blocking), default=0)
        self.under_way.append(Call(hold, min(hold.amount_nanousd, max(0, -lowest))))

    def finish(self, call: Call, cost: int) -> None:
        """End a call; its cost waits to be shipped."""
        self.under_way.remove(call)
        self.holds.settle(call.hold, cost)
        for period in call.hold.periods:
            self.costs[period] = self.costs.get(period, 0) + cost
        self.look()

    def ship(self) -> None:
        """Have everything booked."""
        self.bank.charge(self.name, {(p.limit.id, p.start_ms): c for p, c in self.costs.items()})
        self.holds.acknowledge(self.costs)
        self.costs = {}
        self.look()

    def borrow(self, lost: str = "") -> None:
        """Have one round; ``lost`` says whether the request or the answer gets lost."""
        plan = self.leasing.plan(self.now_s)
        if plan.is_empty:
            return
        states = [] if lost == "request" else self.bank.lease(self.name, plan)
        if lost:
            self.leasing.lost(plan)
        else:
            self.leasing.learn(states, self.now_s)
        self.look()

    def give_up(self) -> None:
        """End the queue's waiting."""
        for waiter in self.queue:
            waiter.queue_for(None)
            del self.holds.waiters[waiter]
        self.queue.clear()
