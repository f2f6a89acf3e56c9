"""Everyone's own page on both databases: own keys, own budgets, how tools are connected."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.authoring import budgets, people
from core.authoring.budgets import NewBudget
from core.clock import utcnow
from core.database import connection
from core.models import User, VirtualKey
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of, shown
from tests.component.webapp.pages.test_virtual_keys import a_key, a_project, a_provider

pytestmark = pytest.mark.usefixtures("db")


def dan(at: Desk) -> User:
    with connection():
        user: User = User.get(User.email == "dan@acme.test")
    return user


def post(browser: FlaskClient, path: str, **form: str) -> object:
    with browser.session_transaction() as session:
        token = str(session["csrf"])
    return browser.post(path, data=form | {"csrf_token": token}, headers=DRAWER)


def test_a_person_makes_rotates_and_ends_keys_of_their_own(tmp_path: Path) -> None:
    at = desk(tmp_path)
    browser = at.browser("dan@acme.test")
    assert "No key yet" in browser.get("/me").text
    nothing = post(browser, "/me/keys", name="laptop")
    assert "An administrator has to add one first." in error_of(nothing, "name")  # type: ignore[arg-type]
    a_provider(at, "main")
    made = post(browser, "/me/keys", name="laptop")
    secret = shown(made)  # type: ignore[arg-type]
    row = VirtualKey.get(VirtualKey.name == "laptop")
    assert row.principal_user_id == dan(at).id and len(row.provider_ids) == 1
    page = browser.get("/me").text
    assert "laptop" in page and row.display_prefix in page and secret not in page
    for words in ("ANTHROPIC_BASE_URL=http://127.0.0.1:5563", "wire_api", "Cursor", "Gemini CLI"):
        assert words in page, words
    rotated = post(browser, f"/me/keys/{row.id}/rotate")
    assert shown(rotated) != secret  # type: ignore[arg-type]
    post(browser, f"/me/keys/{row.id}/revoke")
    assert VirtualKey.get_by_id(row.id).status == "revoked"
    assert f"row-{row.id}" not in browser.get("/me").text


def test_nobody_touches_another_persons_key_there(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = a_key(at, a_project(at), principal_user_id=at.actor.actor_id)
    browser = at.browser("dan@acme.test")
    assert f"row-{row.id}" not in browser.get("/me").text
    for change in ("rotate", "revoke"):
        assert post(browser, f"/me/keys/{row.id}/{change}").status_code == 404  # type: ignore[attr-defined]


def test_a_key_that_was_given_may_be_ended_and_not_rotated(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = a_key(at, a_project(at), principal_user_id=dan(at).id)
    browser = at.browser("dan@acme.test")
    page = browser.get("/me").text
    assert f"/me/keys/{row.id}/revoke" in page and f"/me/keys/{row.id}/rotate" not in page
    assert browser.get("/welcome").status_code == 200
    people.update(at.actor, dan(at).id, "Dan", "external", utcnow())
    for path in ("/me/keys", "/welcome"):
        refused = post(browser, path, name="laptop")
        assert (refused.status_code, "virtualKeys:create" in refused.text) == (403, True)  # type: ignore[attr-defined]
    assert browser.get("/welcome").headers["Location"] == "/me"
    assert post(browser, f"/me/keys/{row.id}/rotate").status_code == 403  # type: ignore[attr-defined]
    post(browser, f"/me/keys/{row.id}/revoke")
    assert VirtualKey.get_by_id(row.id).status == "revoked"


def test_own_budgets_stand_there_with_the_way_to_ask_for_more(tmp_path: Path) -> None:
    at = desk(tmp_path)
    new = NewBudget("dan-month", "principal", dan(at).id, "month", 20_000_000_000)
    row = budgets.create(at.actor, new, utcnow())
    page = at.browser("dan@acme.test").get("/me").text
    assert "dan-month" in page and f"/me/budgets/{row.id}/request" in page
    assert "My workspace" in page
    assert "dan-month" not in at.client.get("/me").text
