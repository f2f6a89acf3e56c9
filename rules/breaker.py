"""When an upstream account is left alone for a while: a circuit breaker. Counts what it is told; calls nobody.

Closed, calls pass. So many failures within the window open it: nothing passes until it has cooled down. Then
one call may probe, and what becomes of that call closes it or opens it again.
"""

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

_NEVER = float("-inf")


class State(IntEnum):
    """The states, with the numbers that the gauge shows."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerTerms:
    """When it opens and for how long, in seconds."""

    window_seconds: float = 30.0
    failures: int = 10
    cooldown_seconds: float = 60.0


class Breaker:
    """The breaker of one account. All times are seconds of one monotonic clock."""

    __slots__ = ("_failed_s", "_opened_s", "_probed_s", "terms")

    def __init__(self, terms: BreakerTerms) -> None:
        self.terms = terms
        self._failed_s: deque[float] = deque(maxlen=terms.failures)
        self._opened_s: float | None = None
        self._probed_s = _NEVER

    def state(self, now_s: float) -> State:
        """Return the state at a moment."""
        if self._opened_s is None:
            return State.CLOSED
        is_cool = now_s - self._opened_s >= self.terms.cooldown_seconds
        return State.HALF_OPEN if is_cool else State.OPEN

    def would_admit(self, now_s: float) -> bool:
        """Say whether a call may pass, without counting it as the probe."""
        state = self.state(now_s)
        if state is State.HALF_OPEN:
            # A probe of which nothing was heard for this long is given up.
            return now_s - self._probed_s >= self.terms.cooldown_seconds
        return state is State.CLOSED

    def admit(self, now_s: float) -> bool:
        """Say whether a call may pass; in the half-open state it is then the probe."""
        if not self.would_admit(now_s):
            return False
        if self._opened_s is not None:
            self._probed_s = now_s
        return True

    def failed(self, now_s: float) -> bool:
        """Note that the account failed; return True when that opened the breaker."""
        state = self.state(now_s)
        if state is State.OPEN:
            return False
        self._failed_s.append(now_s)
        is_full = len(self._failed_s) == self.terms.failures
        within = now_s - self._failed_s[0] <= self.terms.window_seconds
        if state is State.CLOSED and not (is_full and within):
            return False
        self._opened_s = now_s
        self._probed_s = _NEVER
        return True

    def alive(self, now_s: float) -> None:
        """Note that the account answered: a probe that succeeds closes the breaker."""
        if self.state(now_s) is State.HALF_OPEN:
            self._opened_s = None
            self._probed_s = _NEVER
            self._failed_s.clear()

    def let_go(self) -> None:
        """Note that a call ended without telling anything of the account, as when its client left."""
        self._probed_s = _NEVER

    def wait_seconds(self, now_s: float) -> float:
        """Return how long until the next call may pass; 0 when one may pass now."""
        if self.would_admit(now_s) or self._opened_s is None:
            return 0.0
        since_s = max(self._opened_s, self._probed_s)
        return max(0.0, since_s + self.terms.cooldown_seconds - now_s)

    def is_quiet(self, now_s: float) -> bool:
        """Say whether there is nothing to remember: closed, and no failure within the window."""
        if self._opened_s is not None:
            return False
        last_s = self._failed_s[-1] if self._failed_s else _NEVER
        return now_s - last_s > self.terms.window_seconds
