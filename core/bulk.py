"""Many rows in few statements, alike on both databases. For the internal API's batches; pages use the models."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
import psycopg2.extras
from peewee import SQL, Model, Select, Value, fn

from core.database import database, is_sqlite


def insert_new(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of stored values, leaving out those whose primary key exists. Call in a transaction."""
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join(["?" if is_sqlite() else "%s"] * len(columns))
    table = model._meta.table_name
    _run(f'INSERT INTO "{table}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING', rows)


def update_by_key(
    model: type[Model], key: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Update rows of stored values; each row ends with the value of ``key``. Call in a transaction."""
    mark = "?" if is_sqlite() else "%s"
    sets = ", ".join(f'"{name}" = {mark}' for name in columns)
    table = model._meta.table_name
    _run(f'UPDATE "{table}" SET {sets} WHERE "{key}" = {mark}', rows)


def among(column: Any, values: Collection[str]) -> Any:
    """Return the condition that a column holds one of some texts, which are one value of the statement.

    However many there are: written one by one, thousands take longer to write down than to look for.
    """
    if is_sqlite():
        listed = Value(orjson.dumps(list(values)).decode(), converter=False)
        return column.in_(Select((fn.JSON_EACH(listed),), (SQL("value"),)))
    return column == fn.ANY(Value(list(values), converter=False, unpack=False))


def _run(sql: str, rows: Iterable[Sequence[Any]]) -> None:
    cursor = database.cursor()
    if is_sqlite():
        cursor.executemany(sql, rows)
    else:
        psycopg2.extras.execute_batch(cursor, sql, list(rows), page_size=500)
