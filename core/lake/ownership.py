"""Makes sure that one process writes a lake: a file lock beside an embedded one, an advisory lock in PostgreSQL.

Both end with their process. Losing the connection that holds the second one is no danger to the data: of two
commits that move the watermark, DuckLake lets one fail.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812 - it is a class
from psycopg2.extensions import make_dsn

from core.lake import engine
from core.settings import Settings

LOCK_FILE = "writer.lock"
# A number that no other program uses as an advisory lock in the same database.
_LAKE_LOCK = 7_551_005
# PostgreSQL notices a killed client within moments; a rolling update should not wait longer for the old one.
PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.1


class LakeBusy(Exception):
    """Another process has this lake open for writing."""


def take(settings: Settings, patience_seconds: float = PATIENCE_SECONDS) -> Callable[[], None]:
    """Become the writer and return what ends it. Raises LakeBusy when another stays it for so long."""
    attempt = _take_file if engine.is_embedded(settings) else _take_advisory
    deadline = time.monotonic() + patience_seconds
    pause = threading.Event()
    while True:
        release = attempt(settings)
        if release is not None:
            return release
        if time.monotonic() >= deadline:
            raise LakeBusy("another process writes this lake")
        pause.wait(_LOOK_SECONDS)


def _take_file(settings: Settings) -> Callable[[], None] | None:
    path = settings.lake_dir / LOCK_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return lambda: os.close(descriptor)


def _take_advisory(settings: Settings) -> Callable[[], None] | None:
    address = make_dsn(**engine.postgres_fields(settings.control_database_url))
    connection: PostgresConnection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (_LAKE_LOCK,))
        found = cursor.fetchone()
    if found and found[0]:
        return connection.close
    connection.close()
    return None
