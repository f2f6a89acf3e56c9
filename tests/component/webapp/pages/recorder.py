"""Counts the SQL statements that an answer costs, by listening to Peewee's own log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger("peewee")


class _Recorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.statements: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        sql = str(record.msg[0] if isinstance(record.msg, tuple) else record.msg)
        if sql.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            self.statements.append(sql)


@contextmanager
def recorded_statements() -> Iterator[list[str]]:
    """Yield a list that fills with the statements run inside the block."""
    recorder, level = _Recorder(), LOGGER.level
    LOGGER.addHandler(recorder)
    LOGGER.setLevel(logging.DEBUG)
    try:
        yield recorder.statements
    finally:
        LOGGER.removeHandler(recorder)
        LOGGER.setLevel(level)
