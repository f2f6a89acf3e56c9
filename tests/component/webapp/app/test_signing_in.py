"""Signing in and out: sessions, lock-out, form tokens and where people land."""

from pathlib import Path

import pytest

from core.authoring import people
from core.authoring.passwords import authenticate
from core.clock import utcnow
from core.models import User
from core.secrets import Secret
from tests.component.webapp.app.site import PASSWORD, csrf_of, form_token, sign_in, site

pytestmark = pytest.mark.usefixtures("sqlite_db")


def test_a_stranger_is_sent_to_sign_in_and_back_again(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = made.app.test_client()
    answer = client.get("/welcome")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?next=%2Fwelcome"
    page = client.get(answer.headers["Location"])
    form = {"csrf_token": csrf_of(page), "email": "ADA@acme.test ", "password": PASSWORD.reveal()}
    back = client.post("/sign-in", data=form | {"next": "/welcome"})
    assert (back.status_code, back.headers["Location"]) == (303, "/welcome")
    assert client.get("/welcome").status_code == 200


def test_an_htmx_request_of_a_stranger_loads_the_sign_in_page(tmp_path: Path) -> None:
    client = site(tmp_path).app.test_client()
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/welcome?x=1"}
    answer = client.get("/welcome", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=%2Fwelcome%3Fx%3D1"


@pytest.mark.parametrize(
    "target", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "evil"]
)
def test_signing_in_never_leads_to_another_site(tmp_path: Path, target: str) -> None:
    made = site(tmp_path)
    client = made.app.test_client()
    form = {"csrf_token": csrf_of(client.get("/sign-in")), "email": "ada@acme.test"}
    answer = client.post("/sign-in", data=form | {"password": PASSWORD.reveal(), "next": target})
    assert answer.headers["Location"] == "/"


def test_the_start_leads_each_to_their_place(tmp_path: Path) -> None:
    made = site(tmp_path)
    assert made.app.test_client().get("/").headers["Location"] == "/sign-in"
    assert sign_in(made.app, "ada@acme.test").get("/").headers["Location"] == "/governance"
    dan = sign_in(made.app, "dan@acme.test")
    assert dan.get("/").headers["Location"] == "/home"
    assert "Hello, Dan" in dan.get("/home").text


def test_a_session_is_new_after_signing_in(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = made.app.test_client()
    before = csrf_of(client.get("/sign-in"))
    form = {"csrf_token": before, "email": "ada@acme.test", "password": PASSWORD.reveal()}
    answer = client.post("/sign-in", data=form)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    client.get("/home")
    assert form_token(client) != before


def test_a_session_cookie_is_secure_where_browsers_use_https(tmp_path: Path) -> None:
    made = site(tmp_path, LANGWATCH_PUBLIC_URL="https://gov.acme.test")
    answer = made.app.test_client().get("/sign-in")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" in answer.headers


def test_signing_out_ends_the_session(tmp_path: Path) -> None:
    client = sign_in(site(tmp_path).app, "ada@acme.test")
    client.get("/home")
    answer = client.post("/sign-out", data={"csrf_token": form_token(client)})
    assert answer.headers["Location"] == "/sign-in"
    assert client.get("/home").status_code == 303


def test_a_new_password_ends_every_session(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = sign_in(made.app, "ada@acme.test")
    assert client.get("/home").status_code == 200
    people.set_password(made.org.actor, made.org.ada.id, Secret("another good one"), utcnow())
    assert client.get("/home").status_code == 303


def test_a_deactivated_person_is_out_at_once(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = sign_in(made.app, "ada@acme.test")
    User.update(deactivated_at=utcnow()).where(User.id == made.org.ada.id).execute()
    assert client.get("/home").status_code == 303
    assert authenticate("ada@acme.test", PASSWORD, utcnow()) is None


def test_a_wrong_password_shows_the_form_again_without_it(tmp_path: Path) -> None:
    client = site(tmp_path).app.test_client()
    form = {"csrf_token": csrf_of(client.get("/sign-in")), "email": "ada@acme.test"}
    answer = client.post("/sign-in", data=form | {"password": "my-guess-1"})
    assert answer.status_code == 422
    assert "ada@acme.test" in answer.text
    assert "my-guess-1" not in answer.text


def test_many_sign_ins_from_one_address_have_to_wait(tmp_path: Path) -> None:
    made = site(tmp_path)
    client = made.app.test_client()
    form = {"csrf_token": csrf_of(client.get("/sign-in")), "email": "nobody@acme.test"}
    limit = made.app.extensions["control_plane"].sign_ins
    while not limit.retry_after_seconds("127.0.0.1"):
        pass
    answer = client.post("/sign-in", data=form | {"password": "x"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
    ],
)
def test_refuses_a_form_from_another_site(tmp_path: Path, headers: dict[str, str]) -> None:
    client = sign_in(site(tmp_path).app, "ada@acme.test")
    client.get("/home")
    form = {"csrf_token": form_token(client)}
    answer = client.post("/sign-out", data=form, headers=headers)
    assert answer.status_code == 403
    assert client.get("/home").status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_refuses_a_form_without_its_token(tmp_path: Path, token: str) -> None:
    client = sign_in(site(tmp_path).app, "ada@acme.test")
    client.get("/home")
    assert client.post("/sign-out", data={"csrf_token": token}).status_code == 403
    assert client.post("/sign-out").status_code == 403
    answer = client.post("/sign-out", headers={"X-CSRF-Token": form_token(client)})
    assert answer.status_code == 303
