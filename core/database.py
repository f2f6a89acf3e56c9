"""Opens the control database, SQLite or PostgreSQL, and migrates it. Queries live beside the models."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import peewee
from peewee import Database, DatabaseProxy, SqliteDatabase
from playhouse.migrations import Runner
from playhouse.pool import PooledPostgresqlDatabase

LOG = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 15
POOL_CONNECTIONS = 24
# Any two numbers that no other program uses as an advisory lock in the same database.
_MIGRATION_LOCK = 7_551_001
_INBOX_LOCK = 7_551_002
_LIMITS_LOCK = 7_551_003

database = DatabaseProxy()


class Model(peewee.Model):
    """The base of every entity: bound to the one control database of this process."""

    class Meta:
        database = database
        legacy_table_names = False


def open_database(url: str) -> Database:
    """Bind the models of this process to the database at ``url`` and return it.

    ``sqlite:///path`` or ``postgresql://user:password@host:port/name``; a PostgreSQL socket directory
    goes in ``?host=``. Nothing is created or migrated.
    """
    opened = _sqlite(url) if url.startswith("sqlite:///") else _postgres(url)
    database.initialize(opened)
    return opened


def _sqlite(url: str) -> SqliteDatabase:
    pragmas = {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "busy_timeout": BUSY_SECONDS * 1000,
        # What was answered with 202 must survive a power cut too, not only a killed process.
        "synchronous": "full",
        "cache_size": -16_000,
    }
    return SqliteDatabase(unquote(url.removeprefix("sqlite:///")), pragmas=pragmas)


def _postgres(url: str) -> Database:
    parts = urlsplit(url)
    given = parse_qs(parts.query)
    options: dict[str, Any] = {
        "host": parts.hostname or given.get("host", ["localhost"])[0],
        "port": parts.port or 5432,
        "user": unquote(parts.username or "postgres"),
        "connect_timeout": BUSY_SECONDS,
    }
    if parts.password:
        options["password"] = unquote(parts.password)
    opened: Database = PooledPostgresqlDatabase(
        parts.path.lstrip("/") or "postgres",
        max_connections=POOL_CONNECTIONS,
        stale_timeout=300,
        timeout=BUSY_SECONDS,
        **options,
    )
    return opened


def is_sqlite() -> bool:
    """Say whether the control database is SQLite."""
    return isinstance(database.obj, SqliteDatabase)


@contextmanager
def connection() -> Iterator[None]:
    """Hold a connection for one unit of work; nested use keeps the outer one."""
    if not database.is_closed():
        yield
        return
    with database.connection_context():
        yield


@contextmanager
def transaction() -> Iterator[None]:
    """Run a block as one write transaction, holding a connection for it.

    On SQLite it takes the write lock at once, so that what was read inside can't be outrun by another
    writer; on PostgreSQL rows that are read to be changed are changed by guarded UPDATEs.
    """
    with connection():
        if is_sqlite() and not database.in_transaction():
            with database.atomic("IMMEDIATE"):
                yield
        else:
            with database.atomic():
                yield


def serialise_inbox() -> None:
    """Let writers of the inbox commit one after the other, so that its ids appear in order.

    SQLite has one writer anyway. PostgreSQL hands out ids before commit; without this a reader could
    pass an id that appears later. Must be called first in the transaction; the lock ends with it.
    """
    _lock_until_commit(_INBOX_LOCK)


def serialise_limits() -> None:
    """Let writers of limit periods and leases commit one after the other.

    Must be called in a transaction, after ``serialise_inbox`` where both are needed.
    """
    _lock_until_commit(_LIMITS_LOCK)


def _lock_until_commit(number: int) -> None:
    if not is_sqlite():
        database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (number,))


def migrate() -> list[str]:
    """Apply the migrations that are missing and return their names. Two programs at once are safe."""
    with database.connection_context():
        if is_sqlite():
            with database.atomic("IMMEDIATE"):
                return _run_migrations()
        database.execute_sql("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        try:
            return _run_migrations()
        finally:
            database.execute_sql("SELECT pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))


def pending_migrations() -> list[str]:
    """Return the names of the migrations this code knows and the database has not seen."""
    with connection():
        runner = Runner(database.obj, str(MIGRATIONS))
        applied = runner.applied()
        return [m.name for m in runner.migrations() if m.name not in applied]


def _run_migrations() -> list[str]:
    names = pending_migrations()
    if names:
        Runner(database.obj, str(MIGRATIONS)).up()
        LOG.info("database_migrated", extra={"migrations": ", ".join(names)})
    return names
