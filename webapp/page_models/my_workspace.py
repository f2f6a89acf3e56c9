"""What everyone's own page shows, as plain values. It looks nothing up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.models import Project, VirtualKey
from rules.activity_events import ActivityEvent
from webapp.page_models.budgets import BudgetRow
from webapp.page_models.connecting import Snippet
from webapp.page_models.settings_pages import Field, Row
from webapp.page_models.virtual_keys import May, list_row, row_actions

HERE = "/me"
KEYS = "/me/keys"
NAME = Field(
    "name",
    "Name",
    help="Where it is used, such as anna-laptop. One key a machine, so that each can be ended alone.",
    attrs={"autocomplete": "off", "spellcheck": "false"},
)


@dataclass(frozen=True, slots=True)
class MyWorkspacePage:
    """One's own keys, budgets, tools and latest calls."""

    name: str
    keys: tuple[Row, ...]
    spent_nanousd: int
    budgets: tuple[BudgetRow, ...]
    snippets: Sequence[Snippet]
    gateway_url: str
    calls: Sequence[ActivityEvent]
    may_create: bool
    now: datetime


def own_row(
    row: VirtualKey, project: Project | None, spent_nanousd: int, may_rotate: bool, now: datetime
) -> Row:
    """Return one's own key as a row; its name leads nowhere, for its page needs a permission."""
    shown = list_row(row, project, None, spent_nanousd, May(), now)
    name, _, *others = shown.cells
    plain = type(name)(name.text, note=name.note, badges=name.badges)
    may = May(rotate=may_rotate, delete=True)
    return Row(row.id, (plain, *others), row_actions(row, may, KEYS))
