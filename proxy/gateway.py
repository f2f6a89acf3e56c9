"""Everything one worker's requests share, as one frozen object. Built by the worker; holds no request."""

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.settings import Settings
from proxy.holds import Holds
from proxy.keyring import Keyring
from proxy.pipeline.identity import Identities
from proxy.pipeline.lanes import PlanBook
from proxy.pipeline.prices import PriceBook
from proxy.providers.sandbox import Pace
from proxy.readiness import Readiness
from proxy.spool import Spool
from proxy.transport.upstream import UpstreamPool
from rules.estimates import OutputHistory


def _version() -> str:
    try:
        return importlib.metadata.version("langwatch-control-plane")
    except importlib.metadata.PackageNotFoundError:
        return "dev"


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the pipeline works with."""

    settings: Settings
    keyring: Keyring
    holds: Holds
    spool: Spool
    pool: UpstreamPool
    readiness: Readiness
    history: OutputHistory
    prices: PriceBook = field(default_factory=PriceBook)
    identities: Identities = field(default_factory=Identities)
    plans: PlanBook = field(default_factory=PlanBook)
    sandbox_pace: Pace = field(default_factory=Pace)
    version: str = field(default_factory=_version)
    now_s: Callable[[], float] = time.time
    """Unix seconds; the one clock of the request path."""
    version_bytes: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version_bytes", self.version.encode())
