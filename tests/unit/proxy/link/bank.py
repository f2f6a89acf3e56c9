"""The control plane's lending rule in memory, and a worker driven by hand; for tests without sockets."""

from dataclasses import dataclass, field

from proxy.control_plane import LeaseState
from proxy.holds import Hold, Holds, LimitState, Period, Terms
from proxy.holds import Waiter as QueuedCall
from proxy.leasing import Leasing, Round
from rules.rates import Amounts, Dimension, read_rate_limit_id
from rules.windows import Window

START_S = 1_750_000_000.0


def terms(amount: int, **changes: object) -> Terms:
    """A blocking monthly project budget, but for ``changes``."""
    values: dict[str, object] = {
        "id": "bud_1",
        "name": "coding",
        "scope": "project",
        "scope_id": "prj_1",
        "window": Window.TOTAL,
        "anchor_ms": None,
        "amount": amount,
        "on_breach": "block",
        "on_unpriced": "flat",
        "on_outage": "block",
    }
    return Terms(**(values | changes))  # type: ignore[arg-type]


@dataclass
class Account:
    """One limit in one period, or a rate limit with what each of its slots settled."""

    settled: int = 0
    slots: dict[int, int] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)

    @property
    def leased(self) -> int:
        return sum(self.leases.values())


class Bank:
    """Lends while settled + leased + granted <= limit, and books each call once."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.accounts: dict[tuple[str, int], Account] = {}
        self.now_s = START_S
        """Only rate limits look at the time."""

    def account(self, limit_id: str, start_ms: int) -> Account:
        return self.accounts.setdefault((limit_id, start_ms), Account())

    def lease(self, owner: str, plan: Round) -> list[LeaseState]:
        for gift in plan.gifts:
            leases = self.account(gift.limit_id, gift.period_start_ms).leases
            leases[owner] = max(0, leases.get(owner, 0) - gift.amount)
        return [self._grant(owner, w.limit_id, w.period_start_ms, w.amount) for w in plan.wants]

    def _grant(self, owner: str, limit_id: str, start_ms: int, amount: int) -> LeaseState:
        if limit_id not in self.limits:
            return LeaseState(limit_id, start_ms, 0, 0, 0, 0, 0, True)
        account, limit = self.account(limit_id, start_ms), self.limits[limit_id]
        rate, opens_at_ms = read_rate_limit_id(limit_id), None
        if rate is not None:
            opens_at_ms = self._roll(account, rate[0])
        granted = max(0, min(amount, limit - account.settled - account.leased))
        remaining = account.leases[owner] = account.leases.get(owner, 0) + granted
        return LeaseState(
            limit_id,
            start_ms,
            granted,
            remaining,
            account.settled,
            account.leased,
            limit,
            opens_at_ms=opens_at_ms,
        )

    def _roll(self, account: Account, dimension: Dimension) -> int | None:
        counted_from_ms = dimension.counted_from_ms(int(self.now_s * 1000))
        slots = [slot for slot, used in account.slots.items() if slot >= counted_from_ms and used]
        account.settled = sum(account.slots[slot] for slot in slots)
        return dimension.leaves_at_ms(min(slots)) if slots else None

    def charge(self, owner: str, costs: dict[tuple[str, int], int]) -> None:
        for (limit_id, start_ms), cost in costs.items():
            is_rate = read_rate_limit_id(limit_id) is not None
            account = self.account(limit_id, 0 if is_rate else start_ms)
            account.settled += cost
            account.slots[start_ms] = account.slots.get(start_ms, 0) + cost
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
        self.charges: dict[tuple[str, int], int] = {}
        self._charges: dict[Hold, list[tuple[str, int]]] = {}

    def request(self, amount: int) -> QueuedCall | Hold:
        """Ask for a hold; a call that has to wait stands in ``queue``."""
        amounts = (amount, 1, amount)
        taken = self.holds.take(self.limits, amounts, self.now_s)
        if isinstance(taken, LimitState):
            waiter = QueuedCall(self.limits, (amount or 1, 1, amount), self.now_s)
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
        self._charges[hold] = [*hold.record(), *(rate[1:] for rate in hold.rates)]
        blocking = [p for p in hold.periods if p.limit.blocks]
        lowest = min((p.available for p in blocking), default=0)
        self.under_way.append(Call(hold, min(hold.amounts[0], max(0, -lowest))))

    def finish(self, call: Call, cost: int) -> None:
        """End a call; its cost waits to be shipped."""
        self.end(call, (cost, 1, cost))

    def end(self, call: Call, used: Amounts) -> None:
        """End a call that used amounts; those wait to be shipped."""
        if call in self.under_way:
            self.under_way.remove(call)
        self.holds.settle(call.hold, used)
        for period in call.hold.periods:
            self.costs[period] = self.costs.get(period, 0) + used[period.unit]
        units = {p.limit.id: p.unit for p in call.hold.periods}
        for charge in self._charges.pop(call.hold):
            self.charges[charge] = self.charges.get(charge, 0) + used[units[charge[0]]]
        self.look()

    def ship(self) -> None:
        """Have everything booked."""
        self.bank.charge(self.name, self.charges)
        self.holds.acknowledge(self.costs)
        self.costs, self.charges = {}, {}
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
