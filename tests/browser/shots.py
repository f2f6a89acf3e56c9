"""Visits pages at two widths in two themes, and pictures them for a person to look at when PICTURES is set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
SHOTS = Path(__file__).parent.parent / "screenshots"
SIZES = {"1440": (1440, 900), "390": (390, 844)}
# A person looks at both themes; what a machine can tell, it tells from each width and each theme once.
TAKES_PICTURES = bool(os.environ.get("PICTURES"))
VIEWS = (
    (("1440", "light"), ("1440", "dark"), ("390", "light"), ("390", "dark"))
    if TAKES_PICTURES
    else (("1440", "light"), ("390", "dark"))
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One page to picture: its address and the name of its files."""

    path: str
    name: str


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the system's Chromium, started headless and closed after."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def tab(browser: Browser, size: str = "1440", theme: str = "light") -> Iterator[Page]:
    """Yield a page of that width in that theme; whatever the console complains about fails the test."""
    width, height = SIZES[size]
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        has_touch=size == "390",
        reduced_motion="reduce",
    )
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    expected = ("status of 422", "status of 404", "status of 409")
    assert [text for text in complaints if not any(part in text for part in expected)] == []


def shoot(page: Page, name: str) -> None:
    """Write the whole page as a PNG among the screenshots, if pictures are asked for."""
    if TAKES_PICTURES:
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def shoot_all(
    browser: Browser,
    base_url: str,
    shots: Sequence[Shot],
    enter: Callable[[Page], None] = lambda _: None,
) -> None:
    """Visit each page in each view, after ``enter``, such as signing in, and picture it if asked for.

    A page that is wider than its window, is not there or complains in the console raises AssertionError.
    """
    entered: list[Any] = []
    for size, theme in VIEWS:
        with tab(browser, size, theme) as page:
            if entered:
                page.context.add_cookies(entered)
            else:
                enter(page)
                entered = page.context.cookies()
            for shot in shots:
                answer = page.goto(base_url + shot.path)
                assert answer and answer.status < 500, (shot.path, answer and answer.status)
                assert urlsplit(page.url).path == urlsplit(shot.path).path, (shot.path, page.url)
                overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert overflow <= 0, f"{shot.path} is {overflow} px too wide at {size}"
                shoot(page, f"{shot.name}-{size}-{theme}")
