"""Finds the SQL files beside this module. Does not run them."""

from functools import cache
from pathlib import Path

_SQL = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> str:
    """Return the text of ``sql/<name>.sql``, read once a process."""
    return (_SQL / f"{name}.sql").read_text()
