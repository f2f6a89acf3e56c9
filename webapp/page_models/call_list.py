"""What the list of calls shows, and what its address asks for, as plain values. It looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from core.models import LedgerRow
from webapp.page_models.calls import HERE, outcome_of, read_tokens, took

PERIODS = (("1", "24 hours"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
OUTCOMES = (
    ("", "Any"),
    ("completed", "Completed"),
    ("refused", "Refused"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
    ("truncated", "Truncated"),
    ("unsettled", "Unsettled"),
    ("admitted", "Under way"),
)
ROWS = 50
_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for, as text for the form."""

    id: str = ""
    model: str = ""
    outcome: str = ""
    days: str = "7"
    key_id: str = ""
    user_id: str = ""
    cursor: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Asked:
        """Return what an address asks for; what makes no sense counts as not asked."""
        days, outcome = given.get("days", ""), given.get("outcome", "")
        return cls(
            id=_text(given, "id"),
            model=_text(given, "model"),
            outcome=outcome if outcome in dict(OUTCOMES) else "",
            days=days if days in dict(PERIODS) else "7",
            key_id=_text(given, "virtualKeyId"),
            user_id=_text(given, "principalUserId"),
            cursor=_text(given, "before"),
        )

    @property
    def equal(self) -> dict[str, str]:
        """The columns of the ledger that shall have a value."""
        wanted = {
            "outcome": self.outcome,
            "virtual_key_id": self.key_id,
            "principal_user_id": self.user_id,
        }
        return {name: value for name, value in wanted.items() if value}

    def since(self, now: datetime) -> datetime:
        """Return from when on."""
        return now - timedelta(days=int(self.days))

    def address(self, **changed: str) -> str:
        """Return the address of the same question with some of it changed."""
        values = {
            "id": self.id,
            "model": self.model,
            "outcome": self.outcome,
            "days": self.days,
            "virtualKeyId": self.key_id,
            "principalUserId": self.user_id,
        } | changed
        return f"{HERE}?{urlencode({name: value for name, value in values.items() if value})}"


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as a row."""

    id: str
    at: datetime
    title: str
    outcome: str
    tone: str
    note: str
    who: str
    key: str
    project: str
    tokens_in: int
    tokens_out: int
    cost_nanousd: int
    took: str


@dataclass(frozen=True, slots=True)
class CallListPage:
    """Calls, newest first."""

    now: datetime
    asked: Asked
    rows: tuple[CallRow, ...]
    older: str
    """The cursor of the older ones, empty on the last page."""
    narrowed: tuple[tuple[str, str], ...]
    """What the list is narrowed to beside the form, in words, each with the address without it."""
    path: str = HERE
    periods: tuple[tuple[str, str], ...] = PERIODS
    outcomes: tuple[tuple[str, str], ...] = OUTCOMES

    @property
    def older_address(self) -> str:
        return self.asked.address(before=self.older) if self.older else ""

    @property
    def newest_address(self) -> str:
        return self.asked.address() if self.asked.cursor else ""


def row_of(row: LedgerRow, names: Mapping[str, str]) -> CallRow:
    """Return a call as a row; ``names`` are those of keys, people and projects by id."""
    outcome, tone = outcome_of(row)
    return CallRow(
        id=row.call_id,
        at=row.admitted_at,
        title=row.model or row.requested_model or row.request_type,
        outcome=outcome,
        tone=tone,
        note=row.code,
        who=names.get(row.principal_user_id or "", ""),
        key=names.get(row.virtual_key_id, "A key that is gone"),
        project=names.get(row.project_id, ""),
        tokens_in=read_tokens(row),
        tokens_out=row.output_tokens,
        cost_nanousd=row.cost_nanousd,
        took=took(row),
    )


def _text(given: Mapping[str, str], name: str) -> str:
    return given.get(name, "").strip()[:_CHARACTERS]
