"""One Chromium for all browser tests, and a web app with a month of activity behind a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
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
)
from webapp.app import create_app


@dataclass(frozen=True, slots=True)
class Served:
    """A running web app. ``world`` is None for an organisation without anything."""

    url: str
    settings: Settings
    world: World | None

    def sign_in(self, page: Page) -> None:
        """Sign the administrator in and arrive at the governance home."""
        page.goto(f"{self.url}/sign-in")
        page.get_by_label("E-mail").fill("ada@acme.test")
        page.get_by_label("Password").fill(PASSWORD.reveal())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/governance")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    yield from _serve(tmp_path, is_empty=False)


@pytest.fixture
def served_empty(tmp_path: Path) -> Iterator[Served]:
    yield from _serve(tmp_path, is_empty=True)


def _serve(tmp_path: Path, *, is_empty: bool) -> Iterator[Served]:
    settings = settings_in(tmp_path / "var")
    database = open_database(settings.control_database_url)
    migrate()
    world = None if is_empty else full_world(settings, fixed_now())
    if is_empty:
        empty_world(fixed_now())
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.port}", settings, world)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        database.close()
