"""One call on its way through the stages: what is known of it so far. Decides nothing."""

import enum
import time
from collections.abc import Sequence
from typing import Protocol

from core.fault import Fault, Refused
from proxy.dialects.dialect import Ask, Counts, Dialect
from proxy.dialects.meters import Meter
from proxy.holds import Hold
from proxy.pipeline.identity import Identity
from proxy.pipeline.incoming import read_headers
from proxy.pipeline.lanes import Lane, Plan
from proxy.routes import Route
from proxy.transport.asgi import Scope, Send
from proxy.transport.leash import Holder, Leash
from rules.pricing import FREE_PRICE, Price
from rules.usage import Usage

NO_USAGE = Usage()
_NOTHING_TOLD = Counts()


class Outcome(enum.StrEnum):
    """What became of a call; the words of the ledger."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    TRUNCATED = "truncated"
    FAILED = "failed"
    REFUSED = "refused"


class Upstream(Protocol):
    """An answer that is being read: a provider's, or the sandbox's."""

    status: int
    headers: list[tuple[bytes, bytes]]

    @property
    def is_whole(self) -> bool:
        """The last piece has been handed out, once ``next_chunks`` has returned it."""

    async def next_chunks(self) -> list[bytes] | None:
        """Return the next pieces, or None after the last."""

    def abort(self) -> None:
        """Stop at once."""


class Call:
    """The state of one call. Each stage fills in its part and reads that of the stages before it.

    What starts out the same for every call is a class attribute, so that making a call stays cheap.
    """

    incoming = read_headers([])
    body = b""
    ask = Ask("")
    plan: Plan | None = None
    lane: Lane | None = None
    model = ""
    """The model's name at the provider."""
    price: Price = FREE_PRICE
    estimate = NO_USAGE
    estimate_nanousd = 0
    """What the estimate costs; the hold may be larger where such calls cost more than estimated lately."""
    hold: Hold | None = None
    charges: Sequence[tuple[str, int]] = ()
    """The limits and periods that the hold was taken in."""
    admitted_s = 0.0
    hides_usage = False
    """The client did not ask for the usage on the stream that the gateway asks for."""
    is_dispatched = False
    """The provider may have seen the request."""
    upstream: Upstream | None = None
    meter: Meter | None = None
    has_started = False
    """The client has got a part of the answer, so its status can't change any more."""
    has_delivered_end = False
    """The client has got the dialect's terminal event, or the whole of an unstreamed answer."""
    has_ended = False
    first_byte: float | None = None
    outcome: Outcome | None = None
    code = ""
    status: int | None = None
    refused: Refused | None = None
    """What to tell the client, as an answer or, within a stream, as an error event."""
    is_settled = False
    _counted: object = None
    """The usage object that ``_counts`` was made from; a reading replaces it when more is told."""
    _counts = _NOTHING_TOLD

    def __init__(self, scope: Scope, send: Send, route: Route, identity: Identity) -> None:
        if route.dialect is None:
            raise ValueError("only routes with a dialect are exchanges")
        self.scope = scope
        self.send = send
        self.route = route
        self.dialect: Dialect = route.dialect
        self.identity = identity
        self.begun = time.monotonic()
        self.leash = Leash()

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

    def told_counts(self) -> Counts:
        """Return the token counts that the provider has told so far."""
        usage = None if self.meter is None else self.meter.reading.usage
        if usage is None:
            return _NOTHING_TOLD
        if self._counted is not usage:
            self._counted, self._counts = usage, self.dialect.counts(usage)
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
