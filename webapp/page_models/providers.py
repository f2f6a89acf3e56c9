"""What the pages about providers show, as plain values: the table, its health, a form, the outcome of a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.lake.providers import ProviderRecord
from core.models import Provider
from core.provider_trial import Tried
from rules.provider_types import TYPES
from webapp import filters
from webapp.page_models.provider_fields import ProviderFields
from webapp.page_models.settings_pages import Action, Cell, FormPage, Row, Table

HERE = "/settings/providers"
COLUMNS = ("Provider", "Type", "Health, last hour", "Last failure", "Keys", "Credential set")
_GOOD, _FAIR = 0.99, 0.9


@dataclass(frozen=True, slots=True)
class May:
    """What the viewer may do to providers."""

    create: bool
    update: bool
    delete: bool


@dataclass(frozen=True, slots=True)
class ProviderForm:
    """A provider's form: the generic part, its controls in groups, and where its type is chosen and tried."""

    form: FormPage
    fields: ProviderFields
    type: str
    types: Sequence[tuple[str, str]]
    trial_path: str
    tried: Tried | None = None
    was_tried: bool = False
    """A test was asked for; without an outcome the form was not right enough for one."""

    @property
    def has_more(self) -> bool:
        """Something stands in the controls behind the fold, or is wrong with them."""
        form = self.form
        return any(form.value(f.name) or form.error(f.name) for f in self.fields.more)

    @property
    def first_error(self) -> str:
        """The first complaint, with the name of its control."""
        labels = {each.name: each.label for each in self.fields.all}
        for name, sentence in self.form.errors.items():
            return f"{labels.get(name, name)}: {sentence}"
        return ""


@dataclass(frozen=True, slots=True)
class TriedPage:
    """The outcome of a test of a stored provider."""

    provider_name: str
    again: str
    tried: Tried | None
    """None until the test was run."""
    as_page: bool


def type_choices() -> list[tuple[str, str]]:
    """Return every type with its label, in the order of the table."""
    return [(row.name, row.label) for row in TYPES.values()]


def table_of(
    rows: Sequence[Provider],
    keys: Mapping[str, int],
    records: Mapping[str, ProviderRecord],
    may: May,
) -> Table:
    """Return the table of providers."""
    return Table(
        "providers",
        "Providers",
        COLUMNS,
        [_row(row, keys.get(row.id, 0), records.get(row.id), may) for row in rows],
        "There is no provider yet. Add one, or try everything out with the sandbox.",
        "Health is what calls through the gateway came to; a caller's own mistakes do not count.",
    )


def _row(row: Provider, keys: int, record: ProviderRecord | None, may: May) -> Row:
    cells = (
        Cell(row.name, note=_host(row.base_url)),
        Cell(TYPES[row.type].label if row.type in TYPES else row.type),
        health(record),
        _last_failure(record),
        Cell(filters.plural(keys, "key")),
        _credential(row),
    )
    return Row(row.id, cells, _actions(row, may))


def health(record: ProviderRecord | None) -> Cell:
    """Return how a provider has done, in one badge and one line."""
    if record is None:
        return Cell("No calls", "badge", note="Nothing was sent there in the last hour.")
    tone = "positive" if record.success >= _GOOD else "warning"
    tone = tone if record.success >= _FAIR else "critical"
    note = filters.plural(record.calls, "call")
    if record.p50_ms is not None and record.p95_ms is not None:
        note = f"p50 {_seconds(record.p50_ms)} · p95 {_seconds(record.p95_ms)} · {note}"
    return Cell(f"{_percent(record.success)} completed", "badge", tone, note=note)


def _last_failure(record: ProviderRecord | None) -> Cell:
    if record is None or record.last_failed_at is None:
        return Cell("None")
    return Cell(look="time", moment=record.last_failed_at, note=record.last_code or "")


def _credential(row: Provider) -> Cell:
    if row.sealed_credential is None:
        return Cell("None needed" if row.type == "sandbox" else "None")
    set_at: datetime | None = row.credential_set_at
    return Cell("Set", look="time" if set_at else "text", moment=set_at)


def _actions(row: Provider, may: May) -> tuple[Action, ...]:
    path, actions = f"{HERE}/{row.id}", []
    is_sandbox = row.type == "sandbox"
    if may.update:
        test = Action("pulse", f"Test {row.name}", f"{path}/test")
        edit = Action("pencil", f"Edit {row.name}", f"{path}/edit")
        rotate = Action("rotate", f"Rotate the credential of {row.name}", f"{path}/rotate")
        actions += [test, edit] if is_sandbox else [test, edit, rotate]
    if may.delete:
        archive = Action(
            "archive",
            f"Archive {row.name}",
            post=f"{path}/archive",
            title=f"Archive {row.name}?",
            body="No key may use it any more then. Its calls stay in the ledger.",
            yes="Archive",
        )
        actions.append(archive)
    return tuple(actions)


def _host(url: str) -> str:
    return url.removeprefix("https://") if url != "sandbox://" else "Built in"


def _percent(part: float) -> str:
    # 99.97 % must not read as all of them.
    text = f"{int(part * 1000) / 10:.1f}".removesuffix(".0")
    return f"{text} %"


def _seconds(milliseconds: float) -> str:
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"
