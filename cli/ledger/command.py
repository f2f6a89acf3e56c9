"""The `ledger export` command: where the database is, since when, in which form."""

import csv
import os
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from cli.environment import settings_for
from core.clock import EPOCH, utcnow
from rules import spreadsheet

_AGE = re.compile(r"(\d+)([smhd])")
_AGE_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A moment: ISO 8601, in UTC unless it says otherwise, or an age such as 24h or 30d."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the aware moment."""
        if isinstance(value, datetime):
            return value
        if age := _AGE.fullmatch(value):
            return utcnow() - timedelta(**{_AGE_UNITS[age.group(2)]: int(age.group(1))})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a date, a time nor an age such as 24h or 30d.")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@click.group()
def ledger() -> None:
    """Read the ledger: one row a call, whatever became of it."""


@ledger.command()
@click.option("--since", type=Since(), help="Only calls admitted at or after this moment or age.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the control plane keeps its data."
)
def export(since: datetime | None, form: str, data_dir: Path | None) -> None:
    """Print the ledger, oldest call first. The programs need not run."""
    import peewee

    from cli.ledger.rows import Question, exported, load_names
    from cli.ledger.spool import read_spool
    from cli.problems import Stopped
    from core.database import open_database, pending_migrations

    settings = settings_for(data_dir)
    if not settings.database_url and not (settings.data_dir / "control.db").exists():
        raise Stopped(f"There is no ledger in {settings.data_dir}; name another with --data-dir.")
    # The spool first: what is shipped between the two readings is then found in the database.
    unshipped = read_spool(settings.spool_dir)
    open_database(settings.control_database_url)
    try:
        if pending_migrations():
            raise Stopped("The database has an older schema; run `langwatch migrate` first.")
        longest = timedelta(seconds=settings.whole_call_seconds)
        question = Question(since or EPOCH, utcnow(), longest)
        _write(exported(question, unshipped, load_names()), form)
    except peewee.DatabaseError as error:
        raise Stopped(f"The ledger can't be read: {str(error).strip()}") from error


def _write(rows: Iterable[dict[str, Any]], form: str) -> None:
    if form == "csv":
        _write_csv(rows)
    else:
        _write_jsonl(rows)
    sys.stdout.flush()


def _write_jsonl(rows: Iterable[dict[str, Any]]) -> None:
    import orjson

    out = sys.stdout.buffer
    for row in rows:
        out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def _write_csv(rows: Iterable[dict[str, Any]]) -> None:
    from cli.ledger.rows import COLUMNS

    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator=os.linesep)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: as_cell(value) for name, value in row.items()})


def as_cell(value: Any) -> Any:
    """Return a value as a spreadsheet may take it: a text that it would run is quoted."""
    return spreadsheet.as_cell(value) if isinstance(value, str) else value
