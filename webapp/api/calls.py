"""``/api/gateway/v1/calls``: the calls within reach, and one with what became of it and what was kept of its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import orjson

from core.authoring import looking
from rules.permissions import Place
from webapp.api.endpoint import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    Call,
    Moment,
    Page,
    Routes,
    moment,
)
from webapp.api.resource import columns_of
from webapp.api.shared import GATEWAY
from webapp.api.spend import Name, SpendEvent, Window, behind, next_cursor, window_of
from webapp.queries import calls as queries
from webapp.queries.calls import LOGS, FoundCall

CALLS = Routes("Calls", GATEWAY)
_LIST = "calls"
_SIDES = ("system", "input", "output")


class Kept(msgspec.Struct, kw_only=True):
    """What was kept of a call's words: messages in OpenTelemetry's form, empty where there were none."""

    mode: str
    captured_at: Moment
    is_cut: bool
    restricted: list[str]
    """The categories that privacy rules hide from the caller; they read ``[REDACTED]``."""
    system: list[dict[str, Any]]
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]


class CallOut(SpendEvent, kw_only=True):
    """One call with what is known of it; ``content`` is null where nothing was kept."""

    is_streamed: bool
    first_byte_ms: int | None
    session_id: str
    facts: dict[str, Any]
    content: Kept | None


class CallQuery(Window, kw_only=True):
    """Which calls; what is left out asks for all. ``id`` is that of a request, a trace or a session."""

    id: Name = ""
    model: Name = ""
    outcome: Name = ""
    virtual_key_id: Name = ""
    principal_user_id: Name = ""
    project_id: Name = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)] = DEFAULT_PAGE
    cursor: str = ""


@CALLS.get("/calls", LOGS, anywhere=True)
def list_calls(call: Call, query: CallQuery) -> Page[SpendEvent]:
    """List the calls that the caller may see; ``model`` is part of a name, ``from`` and ``to`` Unix milliseconds."""
    since, until = window_of(call, query)
    names = ("outcome", "virtual_key_id", "principal_user_id", "project_id")
    equal = {name: value for name in names if (value := getattr(query, name))}
    wanted = queries.Wanted(since, until, query.id, query.model, equal)
    found = queries.calls_page(call.viewer, wanted, behind(query.cursor, _LIST), query.limit)
    if owner := queries.looked_into(call.viewer, wanted, found):
        looking.looked_at(call.actor, owner, query.virtual_key_id, call.now)
    told = [SpendEvent(**columns_of(row, SpendEvent.__struct_fields__)) for row in found.rows]
    return Page(data=told, next_cursor=next_cursor(found.rows, found.is_more, _LIST))


def call_place(organization_id: str, arguments: Mapping[str, Any]) -> Place:
    """Return the place of the call that ``call_id`` names: its project. Raises Refused(NOT_FOUND)."""
    return queries.place_of(queries.row_of(organization_id, arguments["call_id"]))


@CALLS.get("/calls/<call_id>", LOGS, at=call_place)
def get_call(call: Call, call_id: str) -> CallOut:
    """Tell what became of a call, and what was kept of its words that the caller may read."""
    found = queries.found_call(call.viewer, call_id)
    if found.looks_at and found.looks_at != call.viewer.user_id:
        looking.looked_at(call.actor, found.looks_at, found.row.virtual_key_id, call.now)
    own = ("facts", "content")
    names = [name for name in CallOut.__struct_fields__ if name not in own]
    told = columns_of(found.row, names)
    return CallOut(**told, facts=dict(found.facts), content=_kept(found))


def _kept(found: FoundCall) -> Kept | None:
    if found.content is None:
        return None
    sides = {side: _messages(found.texts.get(side, "")) for side in _SIDES}
    return Kept(
        mode=found.content.mode,
        captured_at=moment(found.content.captured_at) or "",
        is_cut=found.content.is_cut,
        restricted=sorted(found.hidden),
        **sides,
    )


def _messages(text: str) -> list[dict[str, Any]]:
    try:
        found = orjson.loads(text) if text else []
    except orjson.JSONDecodeError:
        # Cut in the middle by an older release; it is a text then.
        return [{"type": "text", "content": text}]
    return found if isinstance(found, list) else []
