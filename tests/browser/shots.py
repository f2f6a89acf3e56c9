"""Takes pictures of pages at two widths in both themes, for a person to look at; it judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
SHOTS = Path(__file__).parent.parent / "screenshots"
SIZES = {"1440": (1440, 900), "390": (390, 844)}
THEMES = ("light", "dark")


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


def shoot(page: Page, name: str) -> Path:
    """Write the whole page as a PNG and return its path."""
    SHOTS.mkdir(exist_ok=True)
    target = SHOTS / f"{name}.png"
    page.screenshot(path=target, full_page=True)
    return target


def shoot_all(
    browser: Browser,
    base_url: str,
    shots: Sequence[Shot],
    enter: Callable[[Page], None] = lambda _: None,
) -> list[Path]:
    """Picture each page at each width in each theme, after ``enter``, such as signing in.

    A page wider than its window raises AssertionError.
    """
    taken = []
    for size in SIZES:
        for theme in THEMES:
            with tab(browser, size, theme) as page:
                enter(page)
                for shot in shots:
                    page.goto(base_url + shot.path)
                    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                    assert overflow <= 0, f"{shot.path} is {overflow} px too wide at {size}"
                    taken.append(shoot(page, f"{shot.name}-{size}-{theme}"))
    return taken
