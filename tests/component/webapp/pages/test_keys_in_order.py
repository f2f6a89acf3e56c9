"""The list of virtual keys stays as quick however many there are: it is read from an index, without sorting."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.database import connection
from core.models import VirtualKey
from tests.component.webapp.pages.desk import desk
from tests.component.webapp.pages.test_virtual_keys import HERE, a_key, a_project, fill
from tests.statements import counted


@pytest.mark.usefixtures("sqlite_db")
def test_the_list_is_read_from_an_index_in_the_order_it_is_shown_in(tmp_path: Path) -> None:
    at = desk(tmp_path)
    fill(at, a_key(at, a_project(at)), 100)
    for status in ("in-use", "active", "disabled", "revoked", "all"):
        with counted() as statements:
            at.client.get(f"{HERE}?status={status}")
        (listing,) = [s for s in statements.all() if 'ORDER BY "t1"."name"' in s]
        marks = listing.count("?")
        with connection():
            plan = VirtualKey._meta.database.execute_sql(
                f"EXPLAIN QUERY PLAN {listing}", ["x"] * marks
            )
            steps = " ".join(str(step[3]) for step in plan.fetchall())
        assert "USING INDEX" in steps and "TEMP B-TREE FOR ORDER BY" not in steps, steps
