"""Creates, changes and archives the endpoints that spans are sent to. Sending is the streamer's work."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.scopes import complain_of_home
from core.authoring.validation import Complaints, name_error, not_found, origin_of, url_error
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.ids import new_id
from core.models import TraceDestination, span_queue
from core.secrets import Sealer
from rules.permissions import SCOPES

HEADERS = 20
_HEADER_CHARACTERS = 4000
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
# They frame the request or name its form; the sender sets them.
_OWN_HEADERS = frozenset(
    {
        *("host", "content-length", "content-type", "content-encoding", "transfer-encoding"),
        *("connection", "upgrade", "te", "trailer", "expect"),
    }
)
TRACES_PATH = "/v1/traces"


@dataclass(frozen=True, slots=True)
class NewTraceDestination:
    """An endpoint as it shall be; ``headers`` None keeps those that are stored."""

    name: str
    scope: str
    scope_id: str
    endpoint: str
    headers: Mapping[str, str] | None = None
    is_enabled: bool = True
    is_operator_address: bool = False


def create(
    actor: Actor, new: NewTraceDestination, sealer: Sealer, now: datetime
) -> TraceDestination:
    """Create a destination. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, own_id="").refuse_any()
        row_id = new_id("tracedest", now)
        row = TraceDestination.create(
            id=row_id,
            organization_id=actor.organization_id,
            created_at=now,
            updated_at=now,
            **_columns(new),
            **_sealed(new.headers or {}, row_id, sealer),
        )
        target = Target("gateway.trace_destination.created", "trace_destination", row.id)
        audited(actor, target, now, after=snapshot(row))
        _announce(row, now)
    return row


def differences(row: TraceDestination, wanted: NewTraceDestination, sealer: Sealer) -> list[str]:
    """Return the names of the fields in which a stored destination differs from the wanted one."""
    different = [name for name, value in _columns(wanted).items() if getattr(row, name) != value]
    if wanted.headers is not None and dict(wanted.headers) != headers_of(row, sealer):
        different.append("headers")
    return different


def update(
    actor: Actor,
    destination_id: str,
    wanted: NewTraceDestination,
    sealer: Sealer,
    now: datetime,
    expected: str | None = None,
) -> TraceDestination:
    """Make a destination what is wanted; nothing is written when nothing differs. Raises Refused.

    What waits for it goes to the new address: it is the same tenant's. A change ends a pause after failures.
    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, destination_id)
        hold(row, expected, Target("", "trace_destination", row.id))
        if not differences(row, wanted, sealer):
            return row
        complaints = _check(actor, wanted, own_id=row.id)
        is_same = (row.scope, row.scope_id) == (wanted.scope, wanted.scope_id)
        complaints.need(
            is_same, "scope", "A destination keeps its scope; archive it and make another."
        )
        if wanted.headers is None and row.sealed_headers is not None:
            # Otherwise whoever may change a destination could have its secrets sent to a server of their own.
            stays = origin_of(wanted.endpoint.strip()) == origin_of(row.endpoint)
            sentence = "Enter the headers again, since the endpoint's host changes."
            complaints.need(stays, "headers", sentence)
        complaints.refuse_any()
        before = snapshot(row)
        values = _columns(wanted)
        if wanted.headers is not None:
            values |= _sealed(wanted.headers, row.id, sealer)
        values |= {"updated_at": now, "retry_at": None}
        for name, value in values.items():
            setattr(row, name, value)
        # The sender counts on the same row, so only what was changed is written.
        row.save(only=list(values))
        target = Target("gateway.trace_destination.updated", "trace_destination", row.id)
        audited(actor, target, now, before, snapshot(row))
        _announce(row, now)
    return row


def archive(actor: Actor, destination_id: str, now: datetime) -> TraceDestination:
    """End a destination and forget what waits for it. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, destination_id)
        before = snapshot(row)
        row.archived_at = row.updated_at = now
        row.save(only=["archived_at", "updated_at"])
        span_queue.forget(row.id)
        target = Target("gateway.trace_destination.deleted", "trace_destination", row.id)
        audited(actor, target, now, before, snapshot(row))
        _announce(row, now)
    return row


def find(organization_id: str, destination_id: str) -> TraceDestination:
    """Return a destination of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = TraceDestination.get_or_none(
        TraceDestination.id == destination_id,
        TraceDestination.organization_id == organization_id,
        TraceDestination.archived_at.is_null(),
    )
    if row is None:
        raise not_found("trace destination")
    return row


def headers_of(row: TraceDestination, sealer: Sealer) -> dict[str, str]:
    """Return the headers in clear, for sending. Raises core.secrets.SealError."""
    if row.sealed_headers is None:
        return {}
    opened: dict[str, str] = orjson.loads(
        sealer.open(row.sealed_headers, _purpose(row.id)).reveal()
    )
    return opened


def _columns(new: NewTraceDestination) -> dict[str, Any]:
    return {
        "name": new.name.strip(),
        "scope": new.scope,
        "scope_id": new.scope_id,
        "endpoint": new.endpoint.strip(),
        "is_enabled": new.is_enabled,
        "is_operator_address": new.is_operator_address,
    }


def _sealed(headers: Mapping[str, str], row_id: str, sealer: Sealer) -> dict[str, Any]:
    text = orjson.dumps(dict(headers)).decode()
    return {
        "sealed_headers": sealer.seal(text, _purpose(row_id)) if headers else None,
        "header_names": sorted(headers),
    }


def _purpose(row_id: str) -> str:
    return f"trace destination:{row_id}"


def _check(actor: Actor, new: NewTraceDestination, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("endpoint", url_error(new.endpoint.strip()))
    complaints.add("headers", _headers_error(new.headers or {}))
    complain_of_home(complaints, actor.organization_id, new.scope, new.scope_id, SCOPES)
    complaints.add(
        "name",
        taken_error(TraceDestination, actor.organization_id, new.name, own_id, "trace destination"),
    )
    return complaints


def _headers_error(headers: Mapping[str, str]) -> str:
    if len(headers) > HEADERS:
        return f"Give at most {HEADERS} headers."
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            return "A header's name has letters, digits and hyphens."
        if name.lower() in _OWN_HEADERS:
            return f"{name} is set by the sender."
        if len(value) > _HEADER_CHARACTERS or not _HEADER_VALUE.fullmatch(value):
            return f"The value of {name} is a line of up to {_HEADER_CHARACTERS} plain characters."
    return ""


def _announce(row: TraceDestination, now: datetime) -> None:
    announced(Change(row.organization_id, ChangeKind.TRACE_DESTINATION_UPDATED), now)
