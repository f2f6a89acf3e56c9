"""What the settings pages show: tables of things, and forms over them, as plain values. They look nothing up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a row. ``look`` is text, mono, badge or time; ``note`` stands small below."""

    text: str = ""
    look: str = "text"
    tone: str = ""
    href: str = ""
    note: str = ""
    moment: datetime | None = None
    badges: tuple[tuple[str, str], ...] = ()
    """Pairs of label and tone, shown after the text."""


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done to a row: a link to a form (``href``), or a change (``post``), asked for when it has a title."""

    icon: str
    label: str
    href: str = ""
    post: str = ""
    title: str = ""
    body: str = ""
    yes: str = ""
    is_danger: bool = True
    opens_drawer: bool = False
    """Whether the answer is something to show, such as a link, and not the list again."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in a table; ``id`` is unique on the page."""

    id: str
    cells: tuple[Cell, ...]
    actions: tuple[Action, ...] = ()
    is_off: bool = False


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a long list is shown, what was searched for, and where the parts beside it begin."""

    path: str
    search: str = ""
    kept: tuple[tuple[str, str], ...] = ()
    """What else of the address stays as it is, from part to part."""
    asked: tuple[tuple[str, str], ...] = ()
    """The part shown, as its address names it: ``before`` or ``after`` and a cursor; empty for the first."""
    before: str = ""
    after: str = ""
    summary: str = ""
    """How many rows there are, in words; empty when nobody counted."""

    def address(self, *part: tuple[str, str]) -> str:
        """Return the address of a part of the same search; without one, of the first."""
        query = dict(self.kept) | ({"q": self.search} if self.search else {}) | dict(part)
        return self.path + ("?" + urlencode(query) if query else "")

    @property
    def here(self) -> str:
        """This part of this search."""
        return self.address(*self.asked)

    @property
    def previous(self) -> str:
        """The part before this one, or an empty string. Where nothing is left of this one, the first."""
        if self.before:
            return self.address(("before", self.before))
        return self.address() if self.asked and not self.after else ""

    @property
    def next(self) -> str:
        """The part after this one, or an empty string."""
        return self.address(("after", self.after)) if self.after else ""


@dataclass(frozen=True, slots=True)
class Table:
    """A card with a table; ``add`` is a pair of label and address of the form that adds a row."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    empty: str
    caption: str = ""
    add: tuple[str, str] | None = None
    paging: Paging | None = None
    missing: str = ""
    """The permission that is lacking to see it; then nothing else of it is shown."""


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """A page of tables. ``path`` is its own address, from which its parts are fetched again."""

    title: str
    lead: str
    path: str
    now: datetime
    tables: Sequence[Table]
    trail: tuple[tuple[str, str], ...] = ()
    actions: tuple[tuple[str, str, bool], ...] = ()
    """Label, address and whether it is the main one; each opens a form in the drawer."""
    links: tuple[tuple[str, str], ...] = ()
    """Label and address of other pages that belong to this one."""
    facts: tuple[tuple[str, str], ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()
    """Label and text of what is to be entered elsewhere, each with a button that copies it."""
    search_label: str = ""
    search_hint: str = "How it begins, or a word of it"
    """What is searched, and how."""
    choices: tuple[tuple[str, str, bool], ...] = ()
    """Parts of the list to choose from: label, address and whether it is the one shown."""
    has_tabs: bool = True
    """Whether it stands among the settings; one's own account does not."""


@dataclass(frozen=True, slots=True)
class Field:
    """One control of a form. ``kind`` is an input's type, or select, textarea, checkbox, checks or lines."""

    name: str
    label: str
    kind: str = "text"
    help: str = ""
    options: Sequence[tuple[str, str]] = ()
    required: bool = True
    attrs: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    groups: Sequence[tuple[str, str, Sequence[tuple[str, str]]]] = ()
    """In the place of options, for very many checks: the name of each group, a note, and its options."""


@dataclass(frozen=True, slots=True)
class ChangedField:
    """What somebody else changed meanwhile, in words."""

    field: str
    before: str
    after: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FormPage:
    """A form in a drawer, or as a page; ``version`` is the state of the row that its values came from."""

    title: str
    action: str
    back: str
    fields: Sequence[Field]
    values: Mapping[str, Any]
    caption: str = ""
    submit: str = "Save"
    version: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    changes: Sequence[ChangedField] = ()
    is_stale: bool = False
    as_page: bool = True
    now: datetime | None = None
    trail: str = "Settings"
    is_danger: bool = False
    """Whether it can't be undone, which its button shows."""

    def value(self, name: str) -> Any:
        """Return what stands in a control."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """Return what is wrong with a control, or an empty string."""
        return self.errors.get(name, "")

    @property
    def other_errors(self) -> list[str]:
        """Complaints about nothing that the form has a control for."""
        names = {each.name for each in self.fields}
        return [text for name, text in self.errors.items() if name not in names]


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """A secret or a link that is shown in this answer and in no other."""

    title: str
    notice: str
    body: str
    label: str
    secret: str
    back: str
    caption: str = ""
    as_page: bool = True
    is_long: bool = False
    """Whether it is several lines."""
