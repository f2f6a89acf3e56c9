"""An administrator at work in a small organization, and what the answers of forms hold; for tests of the settings."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring.actor import Actor
from core.secret_files import with_control_plane_secrets
from core.settings import GATEWAY_MENU_FLAG, GOVERNANCE_FLAG, Settings, load
from tests.component.webapp.pages.world import empty_world, fixed_now, form_token, signed_in
from webapp.app import create_app

DRAWER = {"HX-Request": "true", "HX-Target": "dialog#drawer"}
TABLES = {"HX-Request": "true", "HX-Target": "div#tables"}


@dataclass(frozen=True, slots=True)
class Desk:
    """The web app, its administrator's browser, and the administrator as an actor."""

    app: Flask
    client: FlaskClient
    settings: Settings
    actor: Actor

    def post(
        self, path: str, headers: dict[str, str] | None = None, **form: str | list[str]
    ) -> TestResponse:
        """Send a form as one of our pages would."""
        token = {"csrf_token": form_token(self.client)}
        return self.client.post(path, data=form | token, headers=headers)

    def version(self, path: str) -> str:
        """Return the version that a form's page carries."""
        found = re.search(r'name="version" value="(\w+)"', self.client.get(path).text)
        assert found
        return found[1]

    def browser(self, email: str) -> FlaskClient:
        """Return a browser in which somebody else has signed in."""
        return signed_in(self.app, email)


def desk(tmp_path: Path, **variables: str) -> Desk:
    """Return the desk of Ada, administrator of Acme, where Dan is a member."""
    environ = {
        "LANGWATCH_DATA_DIR": str(tmp_path / "var"),
        "FEATURE_FLAG_FORCE_ENABLE": f"{GOVERNANCE_FLAG},{GATEWAY_MENU_FLAG}",
    }
    settings = with_control_plane_secrets(load(environ | variables))
    actor = empty_world(fixed_now())
    app = create_app(settings)
    return Desk(app, signed_in(app), settings, actor)


def error_of(answer: TestResponse, field: str) -> str:
    """Return what a form says is wrong with a field."""
    found = re.search(rf'id="{field}-error">.*?</svg>([^<]*)', answer.text)
    return html.unescape(found[1]) if found else ""


def shown(answer: TestResponse) -> str:
    """Return the secret or link that an answer shows once."""
    found = re.search(r'<pre id="shown-once"[^>]*>([^<]+)</pre>', answer.text)
    assert found, answer.text
    return html.unescape(found[1])
