"""`langwatch audit verify` and `langwatch audit export`: read the audit log where it is kept. They change nothing."""

import csv
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.environment import settings_for
from cli.ledger.command import as_cell

if TYPE_CHECKING:
    from core.models import AuditRow, Organization

BROKEN = 1
_DATA_DIR = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the control plane keeps its data."
)
_ORGANIZATION = click.option(
    "--organization", help="The slug of one organization; all of them when left out."
)
COLUMNS = (
    *("id", "at", "organization", "actor_id", "action", "target_kind", "target_id", "surface"),
    *("ip_address", "before", "after", "previous_hash", "hash"),
)


@click.group()
def audit() -> None:
    """Prove that the audit log was not altered, or read it."""


@audit.command()
@_ORGANIZATION
@click.option(
    "--head",
    "known_hash",
    default="",
    help="A newest hash that was noted earlier; it must still be in the chain. Needs --organization.",
)
@_DATA_DIR
def verify(organization: str | None, known_hash: str, data_dir: Path | None) -> None:
    """Check every row against its hash and the row before it; exit 1 when one does not follow."""
    from core import audit as chain

    if known_hash and not organization:
        raise click.UsageError("--head is the newest hash of one organization; name it, too.")
    is_whole = True
    with _database(data_dir):
        for one in _organizations(organization):
            checked = chain.walk(one.id, known_hash)
            if checked.broken is None:
                click.echo(f"{one.slug}: {checked.rows} rows in order, newest hash {checked.head}")
                continue
            is_whole = False
            where = f"row {checked.broken.row_id}: " if checked.broken.row_id else ""
            click.echo(
                f"{one.slug}: BROKEN after {checked.rows} rows: {where}{checked.broken.reason}",
                err=True,
            )
    if not is_whole:
        raise click.exceptions.Exit(BROKEN)


@audit.command()
@_ORGANIZATION
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True
)
@_DATA_DIR
def export(organization: str | None, form: str, data_dir: Path | None) -> None:
    """Print the audit log, oldest row first."""
    import orjson

    with _database(data_dir):
        if form == "csv":
            writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator=os.linesep)
            writer.writeheader()
            for row in _rows(organization):
                writer.writerow({name: as_cell(_flat(value)) for name, value in row.items()})
        else:
            for row in _rows(organization):
                sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()


@contextmanager
def _database(data_dir: Path | None) -> Iterator[None]:
    import peewee

    from cli.problems import Stopped
    from core.database import connection, open_database, pending_migrations

    settings = settings_for(data_dir)
    if not settings.database_url and not (settings.data_dir / "control.db").exists():
        raise Stopped(
            f"There is no audit log in {settings.data_dir}; name another with --data-dir."
        )
    open_database(settings.control_database_url)
    try:
        if pending_migrations():
            raise Stopped("The database has an older schema; run `langwatch migrate` first.")
        with connection():
            yield
    except peewee.DatabaseError as error:
        raise Stopped(f"The audit log can't be read: {str(error).strip()}") from error


def _organizations(slug: str | None) -> "list[Organization]":
    from cli.problems import Stopped
    from core.models import Organization

    query = Organization.select().order_by(Organization.slug)
    found = list(query.where(Organization.slug == slug) if slug else query)
    if slug and not found:
        raise Stopped(f'There is no organization "{slug}".')
    return found


def _rows(slug: str | None) -> Iterator[dict[str, Any]]:
    from core.models import AuditRow

    for one in _organizations(slug):
        query = AuditRow.select().where(AuditRow.organization_id == one.id)
        for row in query.order_by(AuditRow.id).iterator():
            yield _told(row, one.slug)


def _told(row: "AuditRow", slug: str) -> dict[str, Any]:
    from core.clock import isoformat

    own = {name: getattr(row, name) for name in COLUMNS if name not in ("at", "organization")}
    told = own | {"at": isoformat(row.created_at), "organization": slug}
    return {name: told[name] for name in COLUMNS}


def _flat(value: Any) -> Any:
    import orjson

    return orjson.dumps(value).decode() if isinstance(value, Mapping) else value
