"""The rows of a ledger export, oldest first and one a call, however many are read."""

import heapq
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from cli.ledger.spool import Unshipped
from core.clock import from_ms, isoformat
from core.database import connection
from core.models import LedgerRow, Project, Provider, User, VirtualKey

PAGE_ROWS = 2000
COLUMNS = (
    *("call_id", "admitted_at", "settled_at", "virtual_key", "virtual_key_id", "principal"),
    *("project", "provider", "provider_type", "model", "request_type", "outcome", "code", "status"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("cache_write_1h_tokens", "cost_nanousd", "cost_basis", "price_source", "duration_ms"),
    "trace_id",
)
_TOKENS = tuple(c for c in COLUMNS if c.endswith("_tokens"))
_SETTLED = (
    *("outcome", "code", "status", "model", "duration_ms", *_TOKENS),
    *("cost_nanousd", "is_estimated", "price_source", "provider_id", "provider_type"),
)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: calls admitted at or after ``since``, as seen at ``now``."""

    since: datetime
    now: datetime
    longest_call: timedelta
    """After this an admission without a settlement is no running call, wherever its worker is."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of the ledger are called; an id without a row stays an id."""

    keys: Mapping[str, str]
    people: Mapping[str, str]
    projects: Mapping[str, str]
    providers: Mapping[str, str]


def load_names() -> Names:
    """Return the names of everything that a ledger row points at, archived things included."""
    with connection():
        return Names(
            {row.id: row.name for row in VirtualKey.select(VirtualKey.id, VirtualKey.name)},
            {row.id: row.email for row in User.select(User.id, User.email)},
            {row.id: row.slug for row in Project.select(Project.id, Project.slug)},
            {row.id: row.name for row in Provider.select(Provider.id, Provider.name)},
        )


def exported(question: Question, unshipped: Unshipped, names: Names) -> Iterator[Row]:
    """Yield the finished calls in order of admission, each once.

    Settled in the database wins; then what a spool file says. A call whose worker died is ``unsettled`` at
    its estimate. A call that still runs is left out: it will be there when it has an outcome.
    """
    both = heapq.merge(_booked(question.since), _spooled(question.since, unshipped), key=_place)
    for _, same in itertools.groupby(both, key=lambda row: row["call_id"]):
        row = next(same)
        finished = _finished(row, question, unshipped)
        if finished is not None:
            yield _shown(finished, names)


def _place(row: Row) -> tuple[datetime, str]:
    return row["admitted_at"], row["call_id"]


def _booked(since: datetime) -> Iterator[Row]:
    """Read page by page after the last key: no long transaction, and no result set in memory."""
    after, last = since, ""
    while True:
        later = (LedgerRow.admitted_at > after) | (
            (LedgerRow.admitted_at == after) & (LedgerRow.call_id > last)
        )
        query = LedgerRow.select().where(later)
        query = query.order_by(LedgerRow.admitted_at, LedgerRow.call_id).limit(PAGE_ROWS)
        with connection():
            page = cast("list[Row]", list(query.dicts()))
        yield from page
        if len(page) < PAGE_ROWS:
            return
        after, last = page[-1]["admitted_at"], page[-1]["call_id"]


def _spooled(since: datetime, unshipped: Unshipped) -> list[Row]:
    rows = []
    for admission in unshipped.admissions.values():
        row = admission | {"admitted_at": from_ms(admission["admitted_at_ms"])}
        row |= {"outcome": "admitted", "cost_nanousd": admission.get("estimate_nanousd", 0)}
        rows.append(row | {"is_estimated": True})
    return sorted((row for row in rows if row["admitted_at"] >= since), key=_place)


def _finished(row: Row, question: Question, unshipped: Unshipped) -> Row | None:
    if row["outcome"] != "admitted":
        return row
    settlement = unshipped.settlements.get(row["call_id"])
    if settlement is not None:
        told = {c: settlement[c] for c in _SETTLED if settlement.get(c) not in (None, "")}
        return row | told | {"settled_at": from_ms(settlement["settled_at_ms"])}
    worker = row.get("worker") or ""
    age = question.now - row["admitted_at"]
    if worker in unshipped.living or (worker not in unshipped.dead and age < question.longest_call):
        return None
    return row | {"outcome": "unsettled", "code": row.get("code") or "worker_lost"}


def _shown(row: Row, names: Names) -> Row:
    key, person = row["virtual_key_id"], row.get("principal_user_id")
    provider, project = row.get("provider_id"), row["project_id"]
    settled = row.get("settled_at")
    shown = {name: row.get(name) for name in COLUMNS}
    shown |= {name: row.get(name) or 0 for name in (*_TOKENS, "cost_nanousd")}
    shown |= {name: row.get(name) or "" for name in ("code", "price_source", "trace_id", "model")}
    return shown | {
        "admitted_at": isoformat(row["admitted_at"]),
        "settled_at": None if settled is None else isoformat(settled),
        "virtual_key": names.keys.get(key, key),
        "principal": person and names.people.get(person, person),
        "project": names.projects.get(project, project),
        "provider": provider and names.providers.get(provider, provider),
        "cost_basis": "estimated" if row.get("is_estimated", True) else "measured",
    }
