"""Everything that a page changes can be done through the management API, under the same permission."""

from pathlib import Path

import pytest
from flask import Flask

from tests.component.webapp.app.site import site
from tests.component.webapp.app.twins import TWINS, WRITING_READS, Without
from webapp.access import Access, Kind, declared
from webapp.api.endpoint import Endpoint
from webapp.api.tables import TABLES

pytestmark = pytest.mark.usefixtures("sqlite_db")
MACHINES = ("/api/", "/scim/")
"""What programs call anyway."""


def writing_pages(app: Flask) -> dict[str, Access]:
    """Return what each route of a page that writes has declared."""
    found = {}
    for rule in app.url_map.iter_rules():
        access = declared(app.view_functions[rule.endpoint])
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            name = f"{method} {rule.rule}"
            is_write = method != "GET" or name in WRITING_READS
            if is_write and not rule.rule.startswith(MACHINES) and access is not None:
                found[name] = access
    return found


def asked(access: Access) -> tuple[str, str]:
    """Return what a page asks for, and where it must be held."""
    where = "at the thing" if access.at else "anywhere" if access.anywhere else "everywhere"
    return ("", "") if access.kind is Kind.SIGNED_IN else (access.permission, where)


def asked_by(one: Endpoint) -> tuple[str, str]:
    where = "at the thing" if one.at else "anywhere" if one.anywhere else "everywhere"
    return ("", "") if not one.permission else (one.permission, where)


def test_every_page_that_writes_has_a_twin_or_a_reason(tmp_path: Path) -> None:
    assert sorted(writing_pages(site(tmp_path).app)) == sorted(TWINS)
    assert all(row.reason.endswith(".") for row in TWINS.values() if isinstance(row, Without))


def test_a_twin_asks_the_permission_of_its_page(tmp_path: Path) -> None:
    twins = {one.name: one for table in TABLES for one in table.endpoints}
    pages = writing_pages(site(tmp_path).app)
    rows = {page: row for page, row in TWINS.items() if not isinstance(row, Without)}
    found = {(page, name): asked_by(twins[name]) for page, row in rows.items() for name in row}
    expected = {(page, name): asked(pages[page]) for page, row in rows.items() for name in row}
    assert found == expected
