"""The one writer of the lake: appends events with their sums and the inbox watermark, and keeps the files tidy.

Deciding what an event is happens before; when to call is the streamer's schedule.
"""

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import duckdb
import orjson

from core.clock import EPOCH
from core.lake import engine, ownership
from core.lake.latch import Latch
from core.lake.statements import statement
from core.secret_files import prepare_data_dir
from core.settings import Settings
from rules.activity_events import ActivityEvent

# Readers finish within seconds; an hour also lets a person look at yesterday's mistake.
KEEP_SNAPSHOTS = timedelta(hours=1)
FLUSH_PATIENCE_SECONDS = 2.0


class Unstorable(Exception):
    """An event holds a value that the lake's columns can't."""


class LakeWriter:
    """Writes the lake. Safe to share between threads: one statement at a time holds the lake."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        let_go: Callable[[], None],
        latch: Latch | None,
    ) -> None:
        self._connection = connection
        self._let_go = let_go
        self._latch = latch
        self._lock = threading.Lock()

    def watermark(self) -> int:
        """Return the id of the last inbox row whose events are in the lake; 0 for an empty one."""
        with self._lock:
            found = self._connection.execute(
                "SELECT max(inbox_id) FROM lake.inbox_watermark"
            ).fetchone()
        return int(found[0]) if found and found[0] is not None else 0

    def append(self, events: Sequence[ActivityEvent], inbox_id: int, now: datetime) -> int:
        """Add events, their sums and the watermark in one transaction; return how many were new.

        An event whose source and id the lake knows, or that comes twice, is left out.
        Raises Unstorable, and duckdb.Error when the lake can't be written; then nothing is changed.
        """
        with self._lock, self._transaction():
            try:
                added = self._add(events) if events else 0
            except (duckdb.DataError, orjson.JSONEncodeError) as error:
                raise Unstorable(f"{type(error).__name__}: {error}") from None
            self._connection.execute(
                "UPDATE lake.inbox_watermark SET inbox_id = $inbox_id, written_at = $now",
                {"inbox_id": inbox_id, "now": now},
            )
        return added

    def _add(self, events: Sequence[ActivityEvent]) -> int:
        encoded = orjson.dumps([_columns(event) for event in events]).decode()
        self._connection.execute(statement("stage"), {"events": encoded})
        times = [event.event_timestamp for event in events]
        span = {"earliest": min(times), "latest": max(times)}
        self._connection.execute(statement("fresh"), span)
        found = self._connection.execute("SELECT count(*) FROM fresh").fetchone()
        added = int(found[0]) if found else 0
        if added:
            self._connection.execute(statement("append_events"))
            self._connection.execute(statement("append_rollup"))
        return added

    def row(self, name: str, **parameters: object) -> tuple[Any, ...]:
        """Run the question ``sql/<name>.sql`` and return its one row."""
        with self._lock:
            found = self._connection.execute(statement(name), parameters).fetchone()
        return found or ()

    def change(self, *names: str, **parameters: object) -> int:
        """Run the changes ``sql/<name>.sql`` in one transaction; return how many rows the last one changed."""
        changed = 0
        with self._lock, self._transaction():
            for name in names:
                found = self._connection.execute(statement(name), parameters).fetchone()
                changed = int(found[0]) if found else 0
        return changed

    def compact_rollups(self) -> int:
        """Fold the rows of an hour that share a key into one; return how many rows remain of those hours."""
        with self._lock, self._transaction():
            self._connection.execute(statement("fold_rollup"))
            found = self._connection.execute("SELECT count(*) FROM folded").fetchone()
            if not found or not found[0]:
                return 0
            self._connection.execute(
                "DELETE FROM lake.rollup_hour WHERE hour IN (SELECT hour FROM folded)"
            )
            self._connection.execute("INSERT INTO lake.rollup_hour BY NAME FROM folded")
            return int(found[0])

    def flush(self) -> int:
        """Move the rows that wait in the catalog into Parquet files; return how many were moved.

        None are moved when readers are busy for longer than a flush may keep them waiting.
        """
        with (
            self._lock,
            self._latch.alone(FLUSH_PATIENCE_SECONDS) if self._latch else nullcontext(True) as may,
        ):
            if not may:
                return 0
            moved = self._connection.execute("CALL ducklake_flush_inlined_data('lake')").fetchall()
            return sum(int(row[2]) for row in moved)

    def tidy(self, now: datetime) -> None:
        """Merge small files, drop old snapshots, and delete the files that only those needed."""
        before = {"before": now - KEEP_SNAPSHOTS}
        with self._lock:
            run = self._connection.execute
            run("CALL ducklake_merge_adjacent_files('lake')")
            run("CALL ducklake_rewrite_data_files('lake')")
            run("CALL ducklake_expire_snapshots('lake', older_than => $before)", before)
            run("CALL ducklake_cleanup_old_files('lake', older_than => $before)", before)
            run("CALL ducklake_delete_orphaned_files('lake', older_than => $before)", before)

    def rewrite(self) -> None:
        """Write files anew that hold deleted or changed rows, however few; old ones go with their snapshots."""
        with self._lock:
            self._connection.execute(
                "CALL ducklake_rewrite_data_files('lake', delete_threshold => 0.0)"
            )

    def close(self) -> None:
        """Let the lake go, so that another process may write. May be called twice."""
        with self._lock:
            self._connection.close()
            let_go, self._let_go = self._let_go, _nothing
            let_go()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _nothing() -> None:
    """Be what a closed writer lets go of: its descriptor's number may be somebody else's by then."""


def open_writer(settings: Settings) -> LakeWriter:
    """Open the lake for writing, creating it when it is new.

    Raises LakeBusy when another process writes it, and duckdb.Error when it can't be reached.
    """
    prepare_data_dir(settings.data_dir)
    settings.lake_dir.mkdir(mode=0o700, exist_ok=True)
    let_go = ownership.take(settings)
    try:
        connection = engine.connect(settings, read_only=False)
        _create_tables(connection)
    except BaseException:
        let_go()
        raise
    latch = Latch(settings.lake_dir) if engine.is_embedded(settings) else None
    return LakeWriter(connection, let_go, latch)


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("BEGIN")
    connection.execute(statement("schema"))
    marked = connection.execute("SELECT count(*) FROM lake.inbox_watermark").fetchone()
    if not marked or not marked[0]:
        connection.execute(statement("partition"))
    connection.execute("COMMIT")


_COLUMNS = tuple(field.name for field in dataclasses.fields(ActivityEvent))


def _columns(event: ActivityEvent) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in _COLUMNS}
    row["event_timestamp"] = _microseconds(event.event_timestamp)
    row["ingested_at"] = _microseconds(event.ingested_at)
    return row


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
