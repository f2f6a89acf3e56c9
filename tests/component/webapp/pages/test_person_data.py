"""A person's data in the browser: own for everybody, anybody's for administrators, erased by typing the address."""

from pathlib import Path

import pytest

from core.authoring import people
from core.models import User
from tests.component.webapp.pages.desk import DRAWER, desk, error_of


@pytest.mark.usefixtures("sqlite_db")
def test_everybody_takes_their_own_and_an_administrator_erases(tmp_path: Path) -> None:
    at = desk(tmp_path)
    dan = people.find_by_email(at.actor.organization_id, "dan@acme.test")
    assert dan is not None
    here = f"/settings/members/{dan.id}"
    browser = at.browser("dan@acme.test")
    own = browser.get("/me/data/person.zip")
    assert (own.status_code, own.data[:2]) == (200, b"PK")
    assert browser.get(f"{here}/data/person.zip").status_code == 403
    assert at.client.get(f"{here}/data/person.zip").data[:2] == b"PK"
    assert f"{here}/data" in at.client.get("/settings/members").text
    page = at.client.get(f"{here}/data").text
    assert f"{here}/erase" in page
    assert "<dt>E-mail</dt><dd>dan@acme.test</dd>" in page
    wrong = at.post(f"{here}/erase", DRAWER, reason="asked", email="ada@acme.test")
    assert (wrong.status_code, "not the address" in error_of(wrong, "email")) == (422, True)
    assert User.get_by_id(dan.id).email == "dan@acme.test"
    assert at.post(f"{here}/erase", reason="asked", email="Dan@acme.test").status_code == 303
    assert User.get_by_id(dan.id).name == "Erased person"
    page = at.client.get(f"{here}/data").text
    assert f"{here}/erase" not in page
    assert browser.get("/me/settings").status_code == 303, "and is signed out"
    mine = f"/settings/members/{at.actor.actor_id}/erase"
    last = at.post(mine, DRAWER, reason="asked", email="ada@acme.test")
    assert (last.status_code, "administrator" in last.text) == (422, True)
