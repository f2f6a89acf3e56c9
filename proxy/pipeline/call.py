"""One call on its way through the stages: what is known of it so far. Decides nothing."""

import enum
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from core.fault import Fault, Refused
from proxy.capture import Capture
from proxy.checks import NO_CHECKS, Checks
from proxy.dialects.dialect import Ask, Counts, Dialect
from proxy.dialects.meters import Meter
from proxy.holds import Hold
from proxy.pipeline.identity import Identity
from proxy.pipeline.incoming import Incoming, read_headers
from proxy.pipeline.lanes import Choice, Lane, Plan
from proxy.providers.provider import Upstream
from proxy.routes import Route
from proxy.translation.neutral import Context
from proxy.transport.asgi import Scope, Send
from proxy.transport.leash import Holder, Leash
from rules.cache_mode import CacheMode
from rules.pricing import FREE_PRICE, Price
from rules.usage import Usage

NO_USAGE = Usage()
NO_CHARGES = msgspec.Raw(b"[]")
_NOTHING_TOLD = Counts()
_NOTHING_ASKED = Ask("")
_NO_HEADERS = read_headers([])
_NO_FACTS: Mapping[str, Any] = MappingProxyType({})


class Outcome(enum.StrEnum):
    """What became of a call; the words of the ledger."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    TRUNCATED = "truncated"
    FAILED = "failed"
    REFUSED = "refused"


class Converter(Protocol):
    """Turns what the meter let pass into what the client gets: another dialect, or a guarded text."""

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Return what the pieces turn into; what must wait for more is kept."""

    def finish(self) -> list[bytes]:
        """Return what is left, once the provider's answer has come to a clean end."""

    @property
    def at_boundary(self) -> bool:
        """What has been returned so far ends between two events of the client's dialect."""

    @property
    def has_ended(self) -> bool:
        """What ends the client's dialect has been returned."""


class Call(msgspec.Struct, eq=False):
    """The state of one call. Each stage fills in its part and reads that of the stages before it."""

    scope: Scope
    send: Send
    route: Route
    dialect: Dialect
    """The route's."""
    identity: Identity
    begun: float = msgspec.field(default_factory=time.monotonic)
    leash: Leash = msgspec.field(default_factory=Leash)
    incoming: Incoming = _NO_HEADERS
    body: bytes = b""
    coding: bytes = b""
    """How the body is packed, until the stage that unpacks it."""
    ask: Ask = _NOTHING_ASKED
    plan: Plan | None = None
    checks: Checks = NO_CHECKS
    """The plan's, at hand."""
    chain: tuple[Choice, ...] = ()
    """The lanes that may serve the call, in the order in which they are tried."""
    lane: Lane | None = None
    """The lane that serves the call, or is about to."""
    model: str = ""
    """The model's name at the provider."""
    fallback_count: int = 0
    """How many lanes of the chain were tried or passed by before the one that serves the call."""
    price: Price = FREE_PRICE
    estimate: Usage = NO_USAGE
    estimate_nanousd: int = 0
    """What the estimate costs; the hold may be larger where such calls cost more than estimated lately."""
    hold: Hold | None = None
    charges: msgspec.Raw = NO_CHARGES
    """The budgets and periods that the hold was taken in, as JSON."""
    admitted_s: float = 0.0
    probes: str = ""
    """The provider whose half-open breaker let this call through, to find out whether it is well again."""
    watches_sealed: bool = False
    """Several providers of the key serve the model, so who made the sealed parts of the answer is remembered."""
    hides_usage: bool = False
    """The client did not ask for the usage on the stream that the gateway asks for."""
    is_dispatched: bool = False
    """The provider may have seen the request."""
    upstream: Upstream | None = None
    meter: Meter | None = None
    translated: Context | None = None
    """What the request that was translated last leaves for its answer."""
    converters: Sequence[Converter] = ()
    """What stands between the meter and the client, in order; none where bytes pass as they are."""
    cache_mode: CacheMode = CacheMode.RESPECT
    """What became of the markers of the provider's prompt cache."""
    takes_kept: bool = True
    """A kept answer may serve it; not on a WebSocket, where each question goes to whoever has the ones before."""
    answer_key: Hashable | None = None
    """Under what the answer is kept, where a key has answers given again."""
    is_replayed: bool = False
    """A kept answer or one of our own serves the call, and no provider."""
    asking: Callable[[], Awaitable[list[bytes]]] | None = None
    """What the last converter asks of others about what it has taken; returns what may go then."""
    own_headers: Sequence[tuple[bytes, bytes]] = ()
    """What stages add to the headers of the answer."""
    has_started: bool = False
    """The client has got a part of the answer, so its status can't change any more."""
    has_delivered_end: bool = False
    """The client has got the dialect's terminal event, or the whole of an unstreamed answer."""
    has_ended: bool = False
    first_byte: float | None = None
    outcome: Outcome | None = None
    code: str = ""
    status: int | None = None
    refused: Refused | None = None
    """What to tell the client, as an answer or, within a stream, as an error event."""
    is_settled: bool = False
    capture: Capture | None = None
    """Collects the answer where the key keeps content."""
    facts: Mapping[str, Any] = _NO_FACTS
    """What else the ledger keeps of the call, by name; ``note`` adds to it."""
    _counted: object = None
    """The usage object that ``_counts`` was made from; a reading replaces it when more is told."""
    _counts: Counts = _NOTHING_TOLD

    @property
    def connection(self) -> Holder:
        """The client's connection, which the leash is attached to."""
        holder: Holder = self.scope["state"]["connection"]
        return holder

    def end(self, outcome: Outcome, code: str = "", refused: Refused | None = None) -> None:
        """Say what became of the call. The first word counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.code = code
            self.refused = refused
            if refused is not None and not self.has_started:
                self.status = refused.fault.status

    def choose(self, choice: Choice) -> None:
        """Let a lane of the chain serve the call from here on."""
        self.lane, self.model = lane, _ = choice
        ask = self.ask
        self.hides_usage = (
            ask.is_streamed
            and ask.asks_usage is None
            and lane.provider.asks_for_usage
            and lane.way is None
        )

    def note(self, name: str, value: Any) -> None:
        """Keep a fact about the call for the ledger: JSON, small, never a secret and never a prompt."""
        if self.facts is _NO_FACTS:
            self.facts = {}
        self.facts[name] = value  # type: ignore[index]

    def told_counts(self) -> Counts:
        """Return the token counts that the provider has told so far."""
        usage = None if self.meter is None else self.meter.reading.usage
        if usage is None:
            return _NOTHING_TOLD
        if self._counted is not usage:
            self._counted, self._counts = usage, self.required_lane().wire.counts(usage)
        return self._counts

    def required_plan(self) -> Plan:
        """Return the plan. Raises Refused when a stage is run before authentication."""
        if self.plan is None:
            raise Refused(Fault.INTERNAL_ERROR, "The call is not authenticated.")
        return self.plan

    def required_lane(self) -> Lane:
        """Return the lane. Raises Refused when a stage is run before routing."""
        if self.lane is None:
            raise Refused(Fault.INTERNAL_ERROR, "The call has no route.")
        return self.lane


def new_call(scope: Scope, send: Send, route: Route, identity: Identity) -> Call:
    """Return a call that has just come in. Raises ValueError for a route that is no exchange."""
    if route.dialect is None:
        raise ValueError("only routes with a dialect are exchanges")
    return Call(scope, send, route, route.dialect, identity)
