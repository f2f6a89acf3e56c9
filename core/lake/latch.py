"""Keeps readers of an embedded lake out of the moment in which rows move from the catalog to a file.

DuckLake reads its snapshot and the rows that wait in a SQLite catalog on different connections, so a flush between
the two hides those rows from a query (seen with DuckDB 1.5.5; a PostgreSQL catalog does not do this). Readers share
the latch, a flush has it alone; both are file locks, which the system drops with their process.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TURNSTILE, _ROOM = "flush.turnstile", "flush.room"
_LOOK_SECONDS = 0.005


class Latch:
    """The two lock files: readers pass the turnstile into the room; a flush closes it and waits for the room."""

    def __init__(self, lake_dir: Path) -> None:
        self._lake_dir = lake_dir

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Read while no flush moves rows. Waits for one that is under way."""
        turnstile, room = self._open(_TURNSTILE), self._open(_ROOM)
        try:
            fcntl.flock(turnstile, fcntl.LOCK_SH)
            fcntl.flock(room, fcntl.LOCK_SH)
            os.close(turnstile)
            turnstile = -1
            yield
        finally:
            with suppress(OSError):
                os.close(turnstile)
            os.close(room)

    @contextmanager
    def alone(self, patience_seconds: float) -> Iterator[bool]:
        """Flush while nobody reads; yields False when readers did not finish in time, and nothing may be moved."""
        turnstile, room = self._open(_TURNSTILE), self._open(_ROOM)
        deadline = time.monotonic() + patience_seconds
        try:
            yield _taken(turnstile, deadline) and _taken(room, deadline)
        finally:
            os.close(room)
            os.close(turnstile)

    def _open(self, name: str) -> int:
        return os.open(self._lake_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(descriptor: int, deadline: float) -> bool:
    pause = threading.Event()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            pause.wait(_LOOK_SECONDS)
        else:
            return True
