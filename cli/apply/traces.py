"""What a governance file says of where spans of calls are sent. Applies it, one destination at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cli.apply.entries import Entry
from core.authoring import trace_destinations
from core.authoring.actor import Actor
from core.authoring.trace_destinations import NewTraceDestination
from core.secrets import Sealer
from rules.permissions import SCOPES

TRACE_DESTINATION = "trace destination"


@dataclass(frozen=True, slots=True)
class TraceDestination:
    """An endpoint that takes OTLP; ``target`` is the slug of its team or project, empty for the organization."""

    line: int
    name: str
    scope: str
    target: str
    endpoint: str
    headers: Mapping[str, str]
    """May hold secrets, which the file takes from the environment."""
    is_enabled: bool

    kind = TRACE_DESTINATION


def read_destination(entry: Entry) -> TraceDestination:
    """Return the destination that an entry declares."""
    scope, target = entry.scope(SCOPES)
    return TraceDestination(
        entry.line,
        entry.text("name"),
        scope,
        target,
        entry.text("endpoint"),
        entry.texts_by_name("headers"),
        entry.switch("enabled", True),
    )


def work_of(
    told: TraceDestination, scope_id: str, there: str | None, sealer: Sealer
) -> Callable[[Actor, datetime], object]:
    """Return what creates or updates a destination."""
    new = NewTraceDestination(
        told.name,
        told.scope,
        scope_id,
        told.endpoint,
        told.headers,
        told.is_enabled,
        is_operator_address=True,
    )

    def work(actor: Actor, now: datetime) -> object:
        if there is None:
            return trace_destinations.create(actor, new, sealer, now)
        return trace_destinations.update(actor, there, new, sealer, now)

    return work
