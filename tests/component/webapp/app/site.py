"""A web app over the database at hand, with a small organization in it and browsers that sign in."""

import dataclasses
import functools
import re
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring import people
from core.authoring.passwords import hashed
from core.authoring.people import NewUser
from core.database import connection
from core.models import User
from core.secret_files import with_control_plane_secrets
from core.secrets import Secret
from core.settings import GATEWAY_MENU_FLAG, GOVERNANCE_FLAG, load
from tests.component.core.authoring.acme import NOW, Acme, acme
from webapp.app import create_app

PASSWORD = Secret("correct horse battery")


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """The app, its organization, and a member beside the administrator."""

    app: Flask
    org: Acme
    member: User


def site(tmp_path: Path, **variables: str) -> Site:
    """Return the app with Acme, an administrator Ada and a member Dan; both have the same password."""
    environ = {
        "LANGWATCH_DATA_DIR": str(tmp_path / "var"),
        "FEATURE_FLAG_FORCE_ENABLE": f"{GOVERNANCE_FLAG},{GATEWAY_MENU_FLAG}",
    }
    settings = with_control_plane_secrets(load(environ | variables))
    app = create_app(settings)
    app.testing = True
    # Exceptions are answered as they are in production.
    app.config["PROPAGATE_EXCEPTIONS"] = False
    org = acme(sealer=app.extensions["control_plane"].sealer)
    dan = people.create(org.actor, NewUser("dan@acme.test", "Dan", "member"), NOW)
    with connection():
        User.update(password_hash=_hash()).execute()
    return Site(app, org, dan)


@functools.cache
def _hash() -> str:
    """Return the hash of everybody's password; hashing is slow on purpose, so once a run."""
    return hashed(PASSWORD)


def csrf_of(response: TestResponse) -> str:
    """Return the form token that a page holds."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', response.text)
    assert found, response.text
    return found.group(1)


def sign_in(app: Flask, email: str, password: str = PASSWORD.reveal()) -> FlaskClient:
    """Return a browser in which a person has signed in."""
    client = app.test_client()
    token = csrf_of(client.get("/sign-in"))
    form = {"csrf_token": token, "email": email, "password": password}
    answer = client.post("/sign-in", data=form)
    assert answer.status_code == 303, answer.text
    return client


def form_token(client: FlaskClient) -> str:
    """Return the token of the session that a browser is in."""
    with client.session_transaction() as session:
        return str(session["csrf"])
