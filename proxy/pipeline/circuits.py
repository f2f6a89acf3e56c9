"""The circuit breakers of one worker, one a provider. Those of providers that gave no trouble do not exist."""

import logging
import time
from collections.abc import Mapping

from rules.breaker import Breaker, BreakerTerms, State

LOG = logging.getLogger(__name__)


class Circuits:
    """Breakers by provider id. Times are monotonic seconds."""

    def __init__(self, terms: BreakerTerms) -> None:
        self._terms = terms
        self._breakers: dict[str, Breaker] = {}

    def find(self, provider_id: str) -> Breaker | None:
        """Return the breaker of a provider that failed lately; None for any other."""
        return self._breakers.get(provider_id)

    def failed(self, provider_id: str) -> None:
        """Note that a provider failed: a status of 500 or more, no answer in time, or a broken connection."""
        now_s = time.monotonic()
        breaker = self._breakers.get(provider_id)
        if breaker is None:
            breaker = self._breakers[provider_id] = Breaker(self._terms)
        if breaker.failed(now_s):
            LOG.warning("circuit_opened", extra={"provider_id": provider_id})

    def alive(self, provider_id: str) -> None:
        """Note that a provider answered, be it with a refusal."""
        breaker = self._breakers.get(provider_id)
        if breaker is None:
            return
        now_s = time.monotonic()
        was_open = breaker.state(now_s) is not State.CLOSED
        breaker.alive(now_s)
        if was_open and breaker.state(now_s) is State.CLOSED:
            LOG.info("circuit_closed", extra={"provider_id": provider_id})
        if breaker.is_quiet(now_s):
            del self._breakers[provider_id]

    def let_go(self, provider_id: str) -> None:
        """Note that a call ended without telling anything of its provider."""
        breaker = self._breakers.get(provider_id)
        if breaker is not None:
            breaker.let_go()

    def states(self) -> Mapping[str, State]:
        """Return the state of each provider that failed lately; all others are closed."""
        now_s = time.monotonic()
        return {name: breaker.state(now_s) for name, breaker in self._breakers.items()}

    def gauge(self) -> dict[tuple[str, ...], float]:
        """Return the states as numbers, by provider id."""
        return {(name,): float(state) for name, state in self.states().items()}
