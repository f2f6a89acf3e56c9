"""Books what gateway workers report: spend commands become ledger rows, charges and one inbox row.

Everything happens in one transaction and every command may arrive any number of times.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec
import orjson

from core.bulk import insert_new, update_by_key
from core.database import serialise_inbox, transaction
from core.models import captures
from core.models.gateway import VirtualKey
from core.models.leasing import Amount, charge
from core.models.ledger import InboxRow, LedgerRow
from core.models.policy_events import audit_policies

COLUMNS: tuple[str, ...] = tuple(LedgerRow._meta.fields)
# What an admission says of a call; everything else is said by its settlement.
_ADMITTED_COLUMNS = (
    *("call_id", "organization_id", "project_id", "team_id", "virtual_key_id"),
    *("principal_user_id", "provider_id", "provider_type", "request_type", "model"),
    *("requested_model", "is_streamed", "price_source", "session_id", "worker"),
    *("trace_id", "span_id", "parent_span_id"),
)
_SETTLED_COLUMNS = (
    *("outcome", "code", "status", "model", "duration_ms", "first_byte_ms"),
    *("input_tokens", "output_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "cache_write_1h_tokens", "cost_nanousd"),
    *("is_estimated", "price_source", "usage_raw", "facts"),
)
_JSON_COLUMNS = ("usage_raw", "facts")
_UPDATED_COLUMNS = (*_SETTLED_COLUMNS, "settled_at", "provider_id", "provider_type")


class Admission(msgspec.Struct, forbid_unknown_fields=False):
    """The payload of ``admitSpend``."""

    call_id: str
    admitted_at_ms: int
    organization_id: str
    project_id: str
    team_id: str
    virtual_key_id: str
    request_type: str
    principal_user_id: str | None = None
    provider_id: str | None = None
    provider_type: str = ""
    model: str = ""
    requested_model: str = ""
    is_streamed: bool = False
    estimate_nanousd: int = 0
    price_source: str = ""
    charges: list[tuple[str, int]] = []
    rates: list[tuple[str, int, int]] = []
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    session_id: str = ""
    worker: str = ""


class Settlement(msgspec.Struct, forbid_unknown_fields=False):
    """The payload of ``confirmSpend`` and ``failSpend``."""

    call_id: str
    settled_at_ms: int
    outcome: str
    code: str = ""
    status: int | None = None
    model: str = ""
    duration_ms: int | None = None
    first_byte_ms: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cost_nanousd: int = 0
    is_estimated: bool = True
    price_source: str = ""
    usage_raw: Any = None
    charges: list[tuple[str, int]] = []
    rates: list[tuple[str, int, int]] = []
    """Rate limit, slot and amount, for each that the call counts in."""
    owner: str = ""
    admission: Admission | None = None
    provider_id: str | None = None
    """Given where another provider served the call than the one it was admitted for."""
    provider_type: str = ""
    facts: dict[str, Any] | None = None


_MOST_STORED = 2**63 - 1
OUTCOMES = frozenset({"completed", "cancelled", "truncated", "failed", "refused", "unsettled"})


@dataclass(frozen=True, slots=True)
class Rejection:
    """A command that can't be booked, by its index in the batch."""

    index: int
    code: str


@dataclass(frozen=True, slots=True)
class Booked:
    """What became of a batch; ``settled`` counts the calls that it was the first to settle."""

    accepted: int
    rejected: tuple[Rejection, ...]
    settled: int


def record(commands: Sequence[dict[str, Any]], now: datetime) -> Booked:
    """Book a batch of spend commands in one transaction.

    A call is admitted once and settled once; what is repeated is accepted and changes nothing.
    """
    admissions, settlements, contents, rejected = _read(commands)
    with transaction():
        serialise_inbox()
        rows = _known({*admissions} | {s.call_id for _, s in settlements})
        new = {k: _admitted_row(a) for k, a in admissions.items() if k not in rows}
        rows |= new
        settled, orphans = _settle(rows, new, settlements)
        insert_new(LedgerRow, COLUMNS, ([row[c] for c in COLUMNS] for row in new.values()))
        _update([s for s in settled if s["call_id"] not in new])
        captures.keep(contents)
        _book(settled, settlements, now)
    rejected += [Rejection(i, "admission_missing") for i in orphans]
    return Booked(len(commands) - len(rejected), tuple(rejected), len(settled))


def _read(
    commands: Sequence[dict[str, Any]],
) -> tuple[
    dict[str, Admission], list[tuple[int, Settlement]], list[captures.Content], list[Rejection]
]:
    admissions: dict[str, Admission] = {}
    contents: list[captures.Content] = []
    settlements: list[tuple[int, Settlement]] = []
    rejected: list[Rejection] = []
    for index, command in enumerate(commands):
        try:
            if command.get("command") == captures.COMMAND:
                contents.append(captures.read(command.get("payload")))
            elif command.get("command") == "admitSpend":
                admission = msgspec.convert(command.get("payload"), Admission)
                admissions.setdefault(admission.call_id, admission)
            else:
                settlements.append((index, _settlement(command)))
        except (msgspec.ValidationError, ValueError):
            rejected.append(Rejection(index, "invalid_payload"))
    return admissions, settlements, contents, rejected


def _settlement(command: dict[str, Any]) -> Settlement:
    if command.get("command") not in ("confirmSpend", "failSpend"):
        raise ValueError("unknown command")
    settlement = msgspec.convert(command.get("payload"), Settlement)
    counts = [getattr(settlement, c) for c in _SETTLED_COLUMNS if c.endswith("_tokens")]
    counts += [amount for _, _, amount in settlement.rates]
    counts.append(settlement.cost_nanousd)
    if settlement.outcome not in OUTCOMES or min(counts) < 0 or max(counts) > _MOST_STORED:
        # One that can't be stored would be sent again for ever, and all that come after it with it.
        raise ValueError("unknown outcome, or a count that can't be stored")
    return settlement


def _known(call_ids: set[str]) -> dict[str, dict[str, Any]]:
    query = LedgerRow.select().where(LedgerRow.call_id.in_(list(call_ids)))
    found = cast("Iterable[dict[str, Any]]", query.dicts())
    return {row["call_id"]: _stored(row) for row in found}


def _stored(row: dict[str, Any]) -> dict[str, Any]:
    fields = LedgerRow._meta.fields
    return {name: fields[name].db_value(value) for name, value in row.items()}


def _admitted_row(admission: Admission) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS) | {c: getattr(admission, c) for c in _ADMITTED_COLUMNS}
    zeros = dict.fromkeys((c for c in COLUMNS if c.endswith("_tokens")), 0)
    return (
        row
        | zeros
        | {
            "outcome": "admitted",
            "code": "",
            "admitted_at": admission.admitted_at_ms * 1000,
            "cost_nanousd": admission.estimate_nanousd,
            "is_estimated": True,
        }
    )


def _settle(
    rows: dict[str, dict[str, Any]],
    new: dict[str, dict[str, Any]],
    settlements: Iterable[tuple[int, Settlement]],
) -> tuple[list[dict[str, Any]], list[int]]:
    """Turn admitted rows into settled ones, in place; return those and the indexes without an admission."""
    settled: list[dict[str, Any]] = []
    orphans: list[int] = []
    for index, settlement in settlements:
        row = rows.get(settlement.call_id)
        if row is None and settlement.admission is not None:
            row = rows[settlement.call_id] = new[settlement.call_id] = _admitted_row(
                settlement.admission
            )
        if row is None:
            orphans.append(index)
        elif row["outcome"] == "admitted":
            settled_model = row["model"]
            row |= {c: getattr(settlement, c) for c in _SETTLED_COLUMNS if c not in _JSON_COLUMNS}
            row["model"] = settlement.model or settled_model
            if settlement.provider_id:
                row["provider_id"] = settlement.provider_id
                row["provider_type"] = settlement.provider_type
            row |= {c: _json(getattr(settlement, c)) for c in _JSON_COLUMNS}
            row["settled_at"] = settlement.settled_at_ms * 1000
            settled.append(row)
    return settled, orphans


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _update(rows: Sequence[dict[str, Any]]) -> None:
    values = ([*(row[c] for c in _UPDATED_COLUMNS), row["call_id"]] for row in rows)
    update_by_key(LedgerRow, "call_id", _UPDATED_COLUMNS, values)


def _book(
    settled: Sequence[dict[str, Any]],
    settlements: Iterable[tuple[int, Settlement]],
    now: datetime,
) -> None:
    if not settled:
        return
    first = {s.call_id: s for _, s in reversed(list(settlements))}
    by_owner: dict[str, list[Amount]] = {}
    for row in settled:
        settlement = first[row["call_id"]]
        used = by_owner.setdefault(settlement.owner, [])
        used += [
            Amount(limit, start, settlement.cost_nanousd) for limit, start in settlement.charges
        ]
        used += [Amount(limit, slot, amount) for limit, slot, amount in settlement.rates]
    for owner, amounts in by_owner.items():
        charge(owner, amounts, now)
    _mark_used(settled)
    audit_policies(((row, first[row["call_id"]].facts) for row in settled), now)
    by_organization: dict[str, list[dict[str, Any]]] = {}
    for row in settled:
        by_organization.setdefault(row["organization_id"], []).append(row)
    for organization_id, rows in by_organization.items():
        InboxRow.create(
            kind="gateway",
            organization_id=organization_id,
            content_type="application/json",
            payload=orjson.dumps(rows),
            received_at=now,
        )


def _mark_used(settled: Sequence[dict[str, Any]]) -> None:
    latest: dict[str, int] = {}
    for row in settled:
        key = row["virtual_key_id"]
        latest[key] = max(latest.get(key, 0), row["admitted_at"])
    for key, used_at in latest.items():
        VirtualKey.update(last_used_at=used_at).where(
            VirtualKey.id == key,
            VirtualKey.last_used_at.is_null() | (VirtualKey.last_used_at < used_at),
        ).execute()
