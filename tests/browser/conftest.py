"""One Chromium for all browser tests, and a web app with a month of activity behind a real socket."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from core.database import migrate, open_database
from core.settings import Settings
from tests.browser.shots import chromium
from tests.component.webapp.pages.world import (
    PASSWORD,
    World,
    empty_world,
    fixed_now,
    full_world,
    settings_in,
    signed_in,
)
from webapp.app import create_app

# A busy machine may take its time; a page that never gets there fails all the same.
expect.set_options(timeout=20_000)


@dataclass(frozen=True, slots=True)
class Served:
    """A running web app. ``world`` is None for an organization without anything."""

    url: str
    app: Flask
    settings: Settings
    world: World | None

    def sign_in(self, page: Page) -> None:
        """Let the page's browser be one in which the administrator has signed in."""
        name = self.app.config["SESSION_COOKIE_NAME"]
        cookie = signed_in(self.app).get_cookie(name)
        assert cookie
        page.context.add_cookies([{"name": name, "value": cookie.value, "url": self.url}])

    def sign_in_by_hand(self, page: Page) -> None:
        """Sign the administrator in on the page for it and arrive at the governance home."""
        page.goto(f"{self.url}/sign-in")
        page.get_by_label("E-mail").fill("ada@acme.test")
        page.get_by_label("Password").fill(PASSWORD.reveal())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/governance")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """A data directory with a month in it, to copy, and what is in it."""
    settings = settings_in(tmp_path_factory.mktemp("month") / "var")
    database = open_database(settings.control_database_url)
    migrate()
    world = full_world(settings, fixed_now())
    database.close()
    return settings.data_dir, world


@pytest.fixture
def served(tmp_path: Path, month: tuple[Path, World]) -> Iterator[Served]:
    shutil.copytree(month[0], tmp_path / "var")
    settings = settings_in(tmp_path / "var")
    with closing(open_database(settings.control_database_url)):
        yield from _serve(settings, month[1])


@pytest.fixture
def served_empty(tmp_path: Path) -> Iterator[Served]:
    settings = settings_in(tmp_path / "var")
    with closing(open_database(settings.control_database_url)):
        migrate()
        empty_world(fixed_now())
        yield from _serve(settings, None)


def _serve(settings: Settings, world: World | None) -> Iterator[Served]:
    app = create_app(settings)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.port}", app, settings, world)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
