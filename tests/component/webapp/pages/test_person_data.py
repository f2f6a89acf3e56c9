"""A person's data in the browser: own for everybody, anybody's for administrators, erased by typing the address."""

import io
import zipfile
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.authoring import people
from core.clock import utcnow
from core.lake import open_writer
from core.models import User
from core.person_export import FILE
from rules.activity_events import ActivityEvent
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


@pytest.mark.usefixtures("sqlite_db")
def test_nobody_takes_what_is_anothers_by_calling_themselves_so(tmp_path: Path) -> None:
    at, now = desk(tmp_path), utcnow()
    writer = open_writer(at.settings)
    actors = ("ada@acme.test", "ada", "build bot", "dan@acme.test")
    found = [
        ActivityEvent(
            f"e-{who}", at.actor.organization_id, "otel_generic", "src", "api.call", now, now,
            actor=who, raw_payload=f"the words of {who}",
        )
        for who in actors
    ]  # fmt: skip
    writer.append(found, 1, now)
    writer.close()
    dan = people.find_by_email(at.actor.organization_id, "dan@acme.test")
    assert dan is not None

    def words(browser: FlaskClient, path: str) -> set[str]:
        file = io.BytesIO(browser.get(path).data)
        text = zipfile.ZipFile(file).read(FILE).decode()
        return {who for who in actors if f"the words of {who}" in text}

    people.update(at.actor, at.actor.actor_id, "Ada", "admin", now)
    browser = at.browser("dan@acme.test")
    for name in ("ada@acme.test", "Ada", "Build Bot"):
        people.update(at.actor, dan.id, name, "member", now)
        assert words(browser, "/me/data/person.zip") == {"dan@acme.test"}, name
        by_name = {"build bot"} if name == "Build Bot" else set()
        theirs = words(at.client, f"/settings/members/{dan.id}/data/person.zip")
        assert theirs == {"dan@acme.test"} | by_name, name
        assert people.name_alone(at.actor.organization_id, User.get_by_id(dan.id)) == "".join(
            by_name
        )
