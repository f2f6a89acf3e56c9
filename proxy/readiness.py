"""Whether this worker wants requests: what the probes answer from. Does no input or output."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Readiness:
    """Start and drain of one worker. Only the worker writes it."""

    answered_s: Callable[[], float | None] = lambda: None
    """When the control plane last gave a good answer (monotonic seconds)."""
    started: bool = False
    draining: bool = False
    begun_s: float = field(default_factory=time.monotonic)

    @property
    def is_ready(self) -> bool:
        """True between start and drain; depends on no other system."""
        return self.started and not self.draining

    def uptime_seconds(self) -> float:
        """Return how long the worker has lived."""
        return time.monotonic() - self.begun_s

    def control_plane_silent_seconds(self) -> float:
        """Return how long ago the control plane last answered; since the start if it never did."""
        answered_s = self.answered_s()
        return time.monotonic() - (self.begun_s if answered_s is None else answered_s)
