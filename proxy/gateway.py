"""Everything one worker's requests share, as one frozen object. Built by the worker; holds no request."""

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.settings import Settings
from proxy.access_log import AccessLog, access_level
from proxy.answer_store import AnswerStore
from proxy.capture import Captures
from proxy.holds import Holds
from proxy.keyring import Keyring
from proxy.metrics import Metrics
from proxy.models_list import ModelLists
from proxy.pipeline.circuits import Circuits
from proxy.pipeline.identity import Identities
from proxy.pipeline.lanes import PlanBook
from proxy.pipeline.prices import PriceBook
from proxy.providers.sandbox import Pace
from proxy.providers.tokens import TokenBook
from proxy.readiness import Readiness
from proxy.spool import Spool
from proxy.transport.upstream import UpstreamPool
from rules.breaker import BreakerTerms
from rules.estimates import OutputHistory
from rules.makers import Makers
from rules.strategies import Latencies


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
    model_lists: ModelLists = field(default_factory=ModelLists)
    latencies: Latencies = field(default_factory=Latencies)
    makers: Makers = field(default_factory=Makers)
    answers: AnswerStore = field(default_factory=AnswerStore)
    sandbox_pace: Pace = field(default_factory=Pace)
    version: str = field(default_factory=_version)
    now_s: Callable[[], float] = time.time
    """Unix seconds; the one clock of the request path."""
    metrics: Metrics = field(default_factory=Metrics)
    metrics_page: Callable[[], str] | None = None
    """The counts of all workers of the machine; None where this one is alone."""
    access: AccessLog = field(init=False)
    captures: Captures = field(init=False)
    version_bytes: bytes = field(init=False)
    tokens: TokenBook = field(init=False)
    circuits: Circuits = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        access = AccessLog(access_level(settings), settings.log_format == "json")
        object.__setattr__(self, "access", access)
        object.__setattr__(self, "captures", Captures(self.metrics))
        object.__setattr__(self, "tokens", TokenBook(self.pool, self.settings, self.now_s))
        terms = BreakerTerms(
            settings.circuit_window_seconds,
            settings.circuit_failures,
            settings.circuit_cooldown_seconds,
        )
        object.__setattr__(self, "circuits", Circuits(terms))
        object.__setattr__(self, "version_bytes", self.version.encode())
        install_gauges(self)


def install_gauges(gateway: Gateway) -> None:
    """Let the metrics read what the parts of a gateway know by themselves."""
    metrics, keyring, spool = gateway.metrics, gateway.keyring, gateway.spool
    one = ("l1",)
    metrics.source("gateway_auth_cache_hits_total", lambda: {one: keyring.hits})
    metrics.source("gateway_auth_cache_misses_total", lambda: {one: keyring.misses})
    metrics.source("gateway_auth_cache_lookups_total", lambda: {(): keyring.hits + keyring.misses})
    metrics.source("gateway_spend_spool_appended_total", lambda: {(): spool.appended})
    metrics.source("gateway_log_lines_dropped_total", lambda: {(): gateway.access.dropped})
    metrics.gauge("gateway_auth_cache_size", lambda: {one: len(keyring)})
    metrics.gauge("gateway_spend_spool_bytes", lambda: {(): spool.unshipped_bytes})
    metrics.gauge("gateway_circuit_state", gateway.circuits.gauge)
    metrics.gauge("gateway_circuit_state", gateway.circuits.gauge)
    metrics.gauge("gateway_draining", lambda: {(): int(gateway.readiness.draining)})
