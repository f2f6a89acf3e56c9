"""Reads the lake, for pages, commands and rules. Never writes; an absent lake reads as an empty one."""

import logging
import threading
from contextlib import nullcontext
from typing import Any

import duckdb

from core.lake import engine
from core.lake.latch import Latch
from core.lake.statements import statement
from core.settings import Settings

LOG = logging.getLogger(__name__)
# A file that a query was about to read may be merged away under it; the next try sees the new one.
TRIES = 3

Row = tuple[Any, ...]


class LakeReader:
    """One a process, shared by its threads: each call runs on a cursor of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._latch = Latch(settings.lake_dir) if engine.is_embedded(settings) else None

    def rows(self, name: str, **parameters: object) -> list[Row]:
        """Run ``sql/<name>.sql`` and return its rows; none while there is no lake yet.

        Raises duckdb.Error when the lake is there but can't be read.
        """
        for attempt in range(1, TRIES + 1):
            cursor = self._cursor()
            if cursor is None:
                return []
            try:
                with self._latch.shared() if self._latch else nullcontext():
                    return cursor.execute(statement(name), parameters).fetchall()
            except duckdb.Error as error:
                if attempt == TRIES or not _has_moved_on(error):
                    raise
                LOG.info("lake_read_again", extra={"query": name, "reason": type(error).__name__})
            finally:
                cursor.close()
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Let the lake go."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _cursor(self) -> duckdb.DuckDBPyConnection | None:
        with self._lock:
            if self._connection is None:
                self._connection = _opened(self._settings)
            return None if self._connection is None else self._connection.cursor()


def open_reader(settings: Settings) -> LakeReader:
    """Return a reader. It attaches at the first query, and again later if there was no lake then."""
    return LakeReader(settings)


def _opened(settings: Settings) -> duckdb.DuckDBPyConnection | None:
    if not engine.exists(settings):
        return None
    try:
        connection = engine.connect(settings, read_only=True)
    except duckdb.Error as error:
        if _is_absent(error):
            return None
        raise
    tables = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'inbox_watermark'"
    ).fetchone()
    if not tables or not tables[0]:
        connection.close()
        return None
    connection.execute(statement("macros"))
    return connection


def _has_moved_on(error: duckdb.Error) -> bool:
    """Say whether the query met files or a snapshot that were cleared away under it."""
    if isinstance(error, duckdb.IOException | duckdb.TransactionException):
        return True
    return "snapshot" in str(error)


def _is_absent(error: duckdb.Error) -> bool:
    text = str(error)
    return "does not exist" in text or "unable to open database file" in text
