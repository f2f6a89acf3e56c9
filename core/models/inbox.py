"""Reads and empties the inbox, in order. Writing it is the receivers' work."""

from collections.abc import Sequence
from typing import cast

from peewee import fn

from core.database import connection, database, is_sqlite, transaction
from core.models.governance import IngestionSource
from core.models.ledger import InboxRow

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 16 * 1024 * 1024


def first_id() -> int | None:
    """Return the lowest id in the inbox, or None when it is empty."""
    with connection():
        row = InboxRow.select(InboxRow.id).order_by(InboxRow.id).first()
    return None if row is None else row.id


def next_rows(after_id: int) -> list[InboxRow]:
    """Return the next rows in order, as many as fit into one batch; one that is larger comes alone."""
    with connection():
        sizes = (
            InboxRow.select(InboxRow.id, fn.LENGTH(InboxRow.payload))
            .where(InboxRow.id > after_id)
            .order_by(InboxRow.id)
            .limit(ROWS_AT_ONCE)
            .tuples()
        )
        ids = _fitting(cast("Sequence[tuple[int, int]]", list(sizes)))
        return list(InboxRow.select().where(InboxRow.id.in_(ids)).order_by(InboxRow.id))


def _fitting(sizes: Sequence[tuple[int, int]]) -> list[int]:
    chosen: list[int] = []
    total_bytes = 0
    for row_id, size_bytes in sizes:
        total_bytes += size_bytes
        if chosen and total_bytes > BYTES_AT_ONCE:
            break
        chosen.append(row_id)
    return chosen


def remove_through(last_id: int, errors_by_source: dict[str, int] | None = None) -> int:
    """Delete what the lake has, up to and with ``last_id``, and count the sources' errors; return how many."""
    with transaction():
        for source_id, count in sorted((errors_by_source or {}).items()):
            IngestionSource.update(error_count=IngestionSource.error_count + count).where(
                IngestionSource.id == source_id
            ).execute()
        # The stubs take the fields of a model for its type's own here.
        removed: int = InboxRow.delete().where(InboxRow.id <= last_id).execute()  # type: ignore[misc]
        return removed


def last_id_given() -> int:
    """Return the highest id that this database ever gave to an inbox row; 0 when it never gave one."""
    sql = (
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'inbox'"
        if is_sqlite()
        else "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM inbox_id_seq"
    )
    with connection():
        found = database.execute_sql(sql).fetchone()
    return int(found[0])
