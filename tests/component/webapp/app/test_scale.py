"""Lists cost the same statements whatever the size of the company, and no statement reads a large table whole."""

from __future__ import annotations

from pathlib import Path

from bench.scale import LARGE_TABLES, LISTS, Place, place, scans
from core.database import database
from tests.population import Size

LARGE = Size(members=1000, keys=1000, audit_rows=1000)
# People by name, whatever its case, and small tables: put in order when asked for.
BY_NAME = frozenset(
    path
    for path in LISTS
    if path.startswith(("/settings/members", "/settings/teams", "/settings/projects"))
)


def _costs(there: Place) -> dict[str, int]:
    asked = [*(there.list(path) for path in LISTS), there.resolve()]
    return {each.path: each.statements for each in asked}


def test_statements_stay_the_same_and_every_large_table_is_read_by_an_index(
    database_url: str, tmp_path: Path
) -> None:
    with place(database_url, tmp_path / "var") as there:
        small = _costs(there)
        there.grow(LARGE)
        # What more than a thousand have is not gathered before the list is read, which is a statement less.
        more = {path: cost for path, cost in _costs(there).items() if cost > small[path]}
        assert not more, (more, small)
        if database_url.startswith("sqlite"):
            asked = [*(there.list(path) for path in LISTS), there.resolve()]
            whole = {each.path: LARGE_TABLES & set(each.scanned) for each in asked}
            assert not any(whole.values()), whole
            # What a search gathered, a bounded number, is put in order too.
            listed = [each for each in asked if each.path not in BY_NAME and "?q=" not in each.path]
            sorts = [sql for each in listed for sql in each.sorts]
            assert not [
                sql
                for sql in sorts
                if any(f'FROM "{name}" ' in sql for name in LARGE_TABLES - {"user"})
            ]


def test_the_search_for_whole_reads_finds_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'control.db'}"
    sql = 'SELECT * FROM "virtual_key" AS "t1" WHERE "t1"."description" = ?'
    with place(url, tmp_path / "var"), database.connection_context():
        found = list(scans(sql, ["x"]))
    assert found == ["virtual_key"]
