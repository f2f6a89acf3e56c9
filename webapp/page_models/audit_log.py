"""The audit log as a page and as a file: rows in words, what changed, and the addresses of the pages around it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from core.clock import isoformat
from core.models import AuditRow
from rules.spreadsheet import as_cell
from webapp.queries.audit_log import AuditFilter

SIZES = (25, 50, 100, 250)
PERIODS = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("", "All"))
CELL_CHARACTERS = 4096
CUT = "… (cut)"
COLUMNS = (
    *("id", "at", "actor", "actor_id", "action", "target_kind", "target_id", "surface"),
    *("ip_address", "before", "after", "hash"),
)
_VALUE_CHARACTERS = 200
_UNCHANGING = ("updated_at", "revision")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of what was changed; None where there was or is nothing."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for, as text for the form and as a filter for the query."""

    who: str = ""
    action: str = ""
    target_kind: str = ""
    target_id: str = ""
    project_id: str = ""
    days: str = "30"
    size: int = SIZES[0]
    below_id: int = 0

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Asked:
        """Return what an address asks for; what makes no sense counts as not asked."""
        days = given.get("days", "30")
        size, below = given.get("size", ""), given.get("before", "")
        return cls(
            who=_text(given, "who"),
            action=_text(given, "action"),
            target_kind=_text(given, "targetKind"),
            target_id=_text(given, "targetId"),
            project_id=_text(given, "projectId"),
            days=days if days in dict(PERIODS) else "30",
            size=int(size) if size in map(str, SIZES) else SIZES[0],
            below_id=int(below[:18]) if below.isascii() and below.isdigit() else 0,
        )

    def filter(self, now: datetime) -> AuditFilter:
        """Return the rows that are asked for."""
        since = now - timedelta(days=int(self.days)) if self.days else None
        return AuditFilter(
            self.who, self.action, self.target_kind, self.target_id, since, self.project_id
        )

    def address(self, path: str, **changed: str) -> str:
        """Return the address of the same question with some of it changed."""
        values = {
            "who": self.who,
            "action": self.action,
            "targetKind": self.target_kind,
            "targetId": self.target_id,
            "projectId": self.project_id,
            "days": self.days,
            "size": str(self.size) if self.size != SIZES[0] else "",
        } | changed
        kept = {name: value for name, value in values.items() if value or name == "days"}
        return f"{path}?{urlencode(kept)}"


@dataclass(frozen=True, slots=True)
class AuditLogPage:
    """One page of the log, newest first."""

    now: datetime
    asked: Asked
    rows: list[AuditRow]
    people: Mapping[str, str]
    older: int
    path: str
    projects: Sequence[tuple[str, str]] = ()

    @property
    def periods(self) -> tuple[tuple[str, str], ...]:
        return PERIODS

    @property
    def older_address(self) -> str:
        return self.asked.address(self.path, before=str(self.older)) if self.older else ""

    @property
    def newest_address(self) -> str:
        return self.asked.address(self.path) if self.asked.below_id else ""

    @property
    def untargeted_address(self) -> str:
        return self.asked.address(self.path, targetKind="", targetId="")

    def actor(self, row: AuditRow) -> str:
        """Return who it was: a person's address, or the name of the program."""
        return self.people.get(row.actor_id, row.actor_id)

    def differences(self, row: AuditRow) -> tuple[Difference, ...]:
        """Return what a row says was changed."""
        return differences(row.before, row.after)


def _text(given: Mapping[str, str], name: str) -> str:
    return given.get(name, "").strip()[:_VALUE_CHARACTERS]


def differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[Difference, ...]:
    """Return the fields in which two states differ; all that hold something when there is only one state."""
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if name not in _UNCHANGING]
    return tuple(
        Difference(name, _shown(old.get(name)), _shown(new.get(name)))
        for name in names
        if old.get(name) != new.get(name)
    )


def _shown(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _VALUE_CHARACTERS else text[:_VALUE_CHARACTERS] + CUT


def csv_lines(batches: Iterable[tuple[list[AuditRow], Mapping[str, str]]]) -> Iterator[str]:
    """Yield the file in pieces: the heading, then the rows of each batch."""
    yield _csv([COLUMNS])
    for rows, people in batches:
        yield _csv([_cells(row, people) for row in rows])


def _cells(row: AuditRow, people: Mapping[str, str]) -> list[str]:
    values = (
        str(row.id),
        isoformat(row.created_at),
        people.get(row.actor_id, row.actor_id),
        row.actor_id,
        row.action,
        row.target_kind,
        row.target_id,
        row.surface,
        row.ip_address,
        _json_cell(row.before),
        _json_cell(row.after),
        row.hash,
    )
    return [as_cell(value) for value in values]


def _json_cell(value: Mapping[str, Any] | None) -> str:
    text = "" if value is None else orjson.dumps(value).decode()
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + CUT


def _csv(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
