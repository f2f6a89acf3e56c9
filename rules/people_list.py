"""Reads a pasted list of people: addresses, or a table with or without a heading. Looks nobody up, judges no value."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

EMAIL, NAME, ROLE, TEAM, TEAM_ROLE, DEPARTMENT = COLUMNS = (
    "email",
    "name",
    "role",
    "team",
    "team role",
    "department",
)
BETWEEN_TEAMS = "|"
_CALLED_TOO: Mapping[str, str] = {
    "e-mail": EMAIL,
    "e-mail address": EMAIL,
    "email address": EMAIL,
    "mail": EMAIL,
    "full name": NAME,
    "teams": TEAM,
    "role in team": TEAM_ROLE,
}
_NAMED_ADDRESS = re.compile(r"([^<>]*)<\s*([^<>\s]+)\s*>")
_KNOWN = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True)
class Line:
    """One person as they were written: the cells that say something, by column, or what is wrong with the line."""

    number: int
    text: str
    cells: Mapping[str, str] = field(default_factory=dict)
    mistake: str = ""

    def cell(self, column: str) -> str:
        """Return what a column says of this person, or an empty string."""
        return self.cells.get(column, "")

    @property
    def teams(self) -> Sequence[str]:
        """The teams named, in their order."""
        named = (each.strip() for each in self.cell(TEAM).split(BETWEEN_TEAMS))
        return [each for each in named if each]


def lines_of(text: str) -> list[Line]:
    """Return everybody whom a text names, in order; empty lines name nobody.

    Cells stand between commas, semicolons or tabs. A first line that holds a column called email and no address is a
    heading; without one the cells of a line are those of ``COLUMNS``, or as many addresses.
    """
    rows = _rows(text)
    first = next(rows, None)
    if first is None:
        return []
    found: list[Line] = []
    columns: Sequence[str] = COLUMNS
    has_heading = _is_heading(first[1])
    if has_heading:
        columns = [_column(cell) for cell in first[1]]
        mistake = _heading_mistake(columns)
        if mistake:
            return [Line(first[0], _text(first[1]), mistake=mistake)]
    else:
        found += _people(*first, columns, has_heading)
    for number, cells in rows:
        found += _people(number, cells, columns, has_heading)
    return found


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that says something, with its cells."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    reader = csv.reader(io.StringIO(plain), delimiter=_delimiter(plain), skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, [cell.strip() for cell in cells]
            number = reader.line_num + 1
    except csv.Error:
        # A cell of more characters than any name has: what follows is not read.
        yield number, ["\n"]


def _delimiter(text: str) -> str:
    first = next((line for line in text.split("\n") if line.strip()), "")
    if "\t" in first:
        return "\t"
    return ";" if first.count(";") >= max(first.count(","), 1) else ","


def _is_heading(cells: Sequence[str]) -> bool:
    return EMAIL in map(_column, cells) and not any("@" in cell for cell in cells)


def _column(cell: str) -> str:
    name = " ".join(cell.lower().replace("_", " ").split())
    return _CALLED_TOO.get(name, name)


def _heading_mistake(columns: Sequence[str]) -> str:
    for column in columns:
        if column not in COLUMNS:
            return f"There is no column “{column}”; take {_KNOWN}."
        if columns.count(column) > 1:
            return f"The column “{column}” is there twice."
    return ""


def _people(
    number: int, cells: Sequence[str], columns: Sequence[str], has_heading: bool
) -> Iterator[Line]:
    said = [cell for cell in cells if cell]
    text = _text(cells)
    if any("\n" in cell for cell in cells) or cells == ["\n"]:
        yield Line(number, text, mistake="A quotation mark is opened and not closed.")
    elif not has_heading and len(said) > 1 and all("@" in cell for cell in said):
        for cell in said:
            yield Line(number, cell, _addressed({EMAIL: cell}))
    elif any(cells[len(columns) :]):
        yield Line(number, text, mistake=f"More cells than columns; the columns are {_KNOWN}.")
    else:
        values = {column: cell for column, cell in zip(columns, cells, strict=False) if cell}
        yield Line(number, text, _addressed(values))


def _addressed(values: dict[str, str]) -> dict[str, str]:
    """Take the name out of an address as mail programs write it: ``Ada Byron <ada@acme.test>``."""
    found = _NAMED_ADDRESS.fullmatch(values.get(EMAIL, ""))
    if found is None:
        return values
    name = found[1].strip().strip("\"'")
    return ({NAME: name} if name else {}) | values | {EMAIL: found[2]}


def _text(cells: Sequence[str]) -> str:
    return " ".join(", ".join(cell for cell in cells if cell).split())
