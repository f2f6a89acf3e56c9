"""What the pages about trace destinations show: the list with health, the form, a test, what is kept. Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from core.authoring.trace_destinations import NewTraceDestination
from core.models import TraceDestination
from core.trace_trial import TraceTried
from webapp import filters
from webapp.page_models import homes
from webapp.page_models.settings_pages import Action, Cell, Field, FormPage, Row, Table

HERE = "/settings/trace-destinations"
COLUMNS = ("Destination", "Spans of", "Health", "Last sent", "Waiting", "Sent")
_OFF = {"autocomplete": "off", "spellcheck": "false"}
_ERROR_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class TriedPage:
    """The outcome of a test of a destination."""

    name: str
    again: str
    tried: TraceTried | None
    """None until the test was made."""
    as_page: bool


def table_of(
    rows: Sequence[TraceDestination],
    names: homes.Names,
    waiting: Mapping[str, int],
    now: datetime,
    may_manage: bool,
) -> Table:
    """Return the table of destinations with how each does."""
    return Table(
        "trace-destinations",
        "Trace destinations",
        COLUMNS,
        [
            _row(row, homes.label(row.scope, row.scope_id, names), waiting, now, may_manage)
            for row in rows
        ],
        "Spans of calls are sent nowhere yet.",
        "Spans that can't be sent wait for seven days.",
    )


def _row(
    row: TraceDestination,
    where: str,
    waiting: Mapping[str, int],
    now: datetime,
    may_manage: bool,
) -> Row:
    dropped = f"{filters.plural(row.dropped_spans, 'span')} dropped" if row.dropped_spans else ""
    cells = (
        Cell(row.name, note=urlsplit(row.endpoint).hostname or ""),
        Cell(where),
        health(row, now),
        Cell(look="time", moment=row.last_sent_at),
        Cell(filters.plural(waiting.get(row.id, 0), "span")),
        Cell(filters.plural(row.sent_spans, "span"), note=dropped),
    )
    actions = _actions(row) if may_manage else ()
    return Row(row.id, cells, actions, is_off=not row.is_enabled)


def health(row: TraceDestination, now: datetime) -> Cell:
    """Return how a destination does, in one badge and one line."""
    sent_at: datetime | None = row.last_sent_at
    if not row.is_enabled:
        return Cell("Off", "badge", note="Nothing is queued for it.")
    if row.failures:
        again = ""
        if row.retry_at is not None and row.retry_at > now:
            again = f" Next try in {filters.duration((row.retry_at - now).total_seconds())}."
        told = f"{filters.plural(row.failures, 'failure')} in a row.{again}"
        return Cell(
            "Failing", "badge", "critical", note=f"{told} {row.last_error}"[:_ERROR_CHARACTERS]
        )
    if sent_at is None:
        return Cell("Waiting for calls", "badge")
    if row.last_error:
        return Cell("Partly refused", "badge", "warning", note=row.last_error[:_ERROR_CHARACTERS])
    return Cell("Working", "badge", "positive")


def _actions(row: TraceDestination) -> tuple[Action, ...]:
    path = f"{HERE}/{row.id}"
    return (
        Action("pulse", f"Test {row.name}", f"{path}/test"),
        Action("pencil", f"Edit {row.name}", f"{path}/edit"),
        Action(
            "archive",
            f"Archive {row.name}",
            post=f"{path}/archive",
            title=f"Archive {row.name}?",
            body="No span goes there any more, and those that wait for it are forgotten.",
            yes="Archive",
        ),
    )


def fields_of(scopes: Sequence[tuple[str, str]], row: TraceDestination | None) -> list[Field]:
    """Return the controls; a stored destination keeps its scope, and its headers unless others are typed."""
    scope = Field("applies_to", "Spans of", "select", options=scopes)
    stored = ", ".join(row.header_names) if row is not None else ""
    help = "One a line: Name: value. They are stored sealed and not shown again."
    if stored:
        help = f"Stored: {stored}. Empty keeps them. {help}"
    drop = Field("drop_headers", "Send no headers from now on", "checkbox")
    return [
        *([] if row is not None else [scope]),
        Field("name", "Name", attrs=_OFF),
        Field(
            "endpoint",
            "Address",
            "url",
            "The whole address that takes OTLP over HTTP.",
            attrs={**_OFF, "placeholder": "https://otel.example.com/v1/traces"},
        ),
        Field("headers", "Headers", "lines", help, required=False, attrs=_OFF),
        *([drop] if stored else []),
        Field("is_enabled", "In use", "checkbox"),
    ]


def values_of(row: TraceDestination) -> dict[str, Any]:
    """Return what stands in the controls over a stored destination; nothing of its headers."""
    return {"name": row.name, "endpoint": row.endpoint, "is_enabled": row.is_enabled}


def typed_destination(
    values: Mapping[str, Any], where: tuple[str, str], is_operator: bool, errors: dict[str, str]
) -> NewTraceDestination:
    """Return the destination as typed; ``headers`` None keeps those that are stored."""
    headers: dict[str, str] = {}
    for line in filter(str.strip, values["headers"].splitlines()):
        name, mark, value = line.partition(":")
        if not mark or not name.strip():
            # What was typed may be a secret, so it is not repeated.
            errors["headers"] = "Write each line as Name: value."
        headers[name.strip()] = value.strip()
    is_dropped = values.get("drop_headers") == "1"
    return NewTraceDestination(
        values["name"],
        *where,
        values["endpoint"],
        headers if headers or is_dropped else None,
        values["is_enabled"] == "1",
        is_operator,
    )


def capture_form(is_allowed: bool) -> FormPage:
    """Return the form of the switch that allows or forbids to keep prompts and answers."""
    field = Field(
        "allowed",
        "Prompts and answers",
        "select",
        "A key asks for it in its own settings. What was kept before stays for its time.",
        [
            ("1", "Kept by keys that ask for it"),
            ("0", "Kept by no key"),
        ],
    )
    return FormPage(
        "Prompts and answers",
        f"{HERE}/capture",
        HERE,
        (field,),
        {"allowed": "1" if is_allowed else "0"},
        caption="Holds for every key of the organization, at once.",
        trail="Trace destinations",
    )
