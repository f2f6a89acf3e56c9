"""Counts the SQL statements that a block of a test runs, by listening to Peewee's own log."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LOGGER = logging.getLogger("peewee")


class Statements(logging.Handler):
    """The statements seen, in order, without those that set a connection up."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[str] = []
        self.executed: list[tuple[str, Sequence[Any]]] = []
        """Each statement with its values, so that its plan can be asked for."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one statement."""
        if record.name != LOGGER.name:
            return
        message = record.msg
        text, values = message if isinstance(message, tuple) else (message, ())
        self._seen.append(str(text))
        self.executed.append((str(text), values or ()))

    def all(self) -> list[str]:
        """Return every statement."""
        return [text for text in self._seen if not text.startswith("PRAGMA")]

    def selects(self) -> list[str]:
        """Return the statements that read."""
        return [text for text in self.all() if text.startswith("SELECT")]


@contextmanager
def counted() -> Iterator[Statements]:
    """Listen to every statement of this process while the block runs."""
    statements = Statements()
    level = LOGGER.level
    LOGGER.addHandler(statements)
    LOGGER.setLevel(logging.DEBUG)
    try:
        yield statements
    finally:
        LOGGER.removeHandler(statements)
        LOGGER.setLevel(level)
