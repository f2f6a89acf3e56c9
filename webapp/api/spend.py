"""``/api/gateway/v1``: the ledger, call by call, and what calls came to. It prices nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from core.authoring.validation import invalid
from core.clock import from_ms
from core.fault import Fault, Refused
from webapp.api.budgets import usd
from webapp.api.endpoint import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    Call,
    Moment,
    Page,
    Query,
    Routes,
)
from webapp.api.paging import after, cursor
from webapp.api.resource import columns_of
from webapp.api.shared import GATEWAY
from webapp.queries import ledger

Millis = Annotated[int, msgspec.Meta(ge=0, le=32_503_680_000_000)]
"""Unix milliseconds, up to the year 3000."""
DAYS = 30
LONGEST = timedelta(days=92)
_LIST = "spend-events"
_VIEW = "gatewaySpend:view"
Name = Annotated[str, msgspec.Meta(max_length=200)]


By = Literal["virtual_key", "principal", "project", "team", "provider", "model", "day"]


class Window(Query, kw_only=True):
    """Of which time; the 30 days before now unless said otherwise."""

    since: Millis | None = msgspec.field(name="from", default=None)
    until: Millis | None = msgspec.field(name="to", default=None)


class SpendQuery(Window, kw_only=True):
    """Which calls; what is left out asks for all."""

    virtual_key_id: Name = ""
    principal_user_id: Name = ""
    project_id: Name = ""
    team_id: Name = ""
    provider_id: Name = ""
    model: Name = ""
    request_type: Name = ""
    outcome: Name = ""


class SpendEventQuery(SpendQuery, kw_only=True):
    """Which calls, and which part of the list."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)] = DEFAULT_PAGE
    cursor: str = ""


class SpendSummaryQuery(SpendQuery, kw_only=True):
    """Which calls, and by what they are summed up."""

    group_by: By = "day"


class SpendEvent(msgspec.Struct, kw_only=True):
    """One call; its ``outcome`` is ``admitted`` while it is under way."""

    call_id: str
    admitted_at: Moment
    settled_at: Moment | None
    virtual_key_id: str
    principal_user_id: str | None
    project_id: str
    team_id: str
    provider_id: str | None
    provider_type: str
    model: str
    requested_model: str
    request_type: str
    outcome: str
    code: str
    status: int | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    cost_nanousd: int
    is_estimated: bool
    price_source: str
    duration_ms: int | None
    trace_id: str


class SpendSum(msgspec.Struct, kw_only=True):
    """What one group came to; ``group`` is an id, a model or a day, empty for calls without one."""

    group: str
    spent_nanousd: int
    spent_usd: str
    requests: int
    input_tokens: int
    output_tokens: int


class SpendSummary(msgspec.Struct, kw_only=True):
    """Sums, the dearest first, days in their order; refused calls and those under way are not in them."""

    data: list[SpendSum]


SPEND = Routes("Spend", GATEWAY)


@SPEND.get("/spend-events", _VIEW)
def list_spend_events(call: Call, query: SpendEventQuery) -> Page[SpendEvent]:
    """List the ledger's calls; ``from`` and ``to`` are Unix milliseconds, the last 30 days without them."""
    since, until = window_of(call, query)
    found, is_more = ledger.page_of_calls(
        ledger.calls_of(call.organization_id, since, until, _equal(query)),
        behind(query.cursor, _LIST),
        query.limit,
    )
    told = [SpendEvent(**columns_of(row, SpendEvent.__struct_fields__)) for row in found]
    return Page(data=told, next_cursor=next_cursor(found, is_more, _LIST))


@SPEND.get("/spend-summaries", _VIEW)
def get_spend_summary(call: Call, query: SpendSummaryQuery) -> SpendSummary:
    """Sum up the ledger's calls of up to 92 days by key, person, project, team, provider, model or day."""
    since, until = window_of(call, query)
    if until - since > LONGEST:
        raise invalid({"from": f"Ask for at most {LONGEST.days} days at once."})
    query_ = ledger.calls_of(call.organization_id, since, until, _equal(query))
    return SpendSummary(
        data=[
            SpendSum(
                group=one.group,
                spent_nanousd=one.spent_nanousd,
                spent_usd=usd(one.spent_nanousd),
                requests=one.requests,
                input_tokens=one.input_tokens,
                output_tokens=one.output_tokens,
            )
            for one in ledger.sums_by(query_, query.group_by)
        ]
    )


def window_of(call: Call, query: Window) -> tuple[datetime, datetime]:
    """Return the time that is asked for. Raises Refused(VALIDATION_ERROR) when it ends before it begins."""
    until = call.now if query.until is None else from_ms(query.until)
    since = until - timedelta(days=DAYS) if query.since is None else from_ms(query.since)
    if since >= until:
        raise invalid({"from": "Choose a moment before that of `to`."})
    return since, until


def next_cursor(found: Sequence[Any], is_more: bool, name: str) -> str | None:
    """Return the cursor that the calls behind these begin at, or None at the end."""
    return cursor(ledger.cursor_behind(found[-1]), name) if is_more else None


def behind(text: str, name: str) -> ledger.Place | None:
    """Return the place that a cursor of a list names. Raises Refused(INVALID_CURSOR)."""
    place = ledger.place_behind(str(after(text, name))) if text else None
    if text and place is None:
        raise Refused(Fault.INVALID_CURSOR, "This cursor does not belong to this list.")
    return place


def _equal(query: SpendQuery) -> dict[str, str]:
    own = set(SpendQuery.__struct_fields__) - set(Window.__struct_fields__)
    return {name: value for name in sorted(own) if (value := getattr(query, name))}
