"""The governance pages in a real browser: drawers, dialogs, polling, themes, the keyboard, and no script at all."""

from __future__ import annotations

import re
import shlex

import httpx
from playwright.sync_api import Browser, Page, expect

from core.lake import open_writer
from core.models import IngestionSource, Organization
from rules.activity_events import ActivityEvent
from tests.browser.conftest import Served
from tests.browser.shots import SIZES, Shot, shoot, shoot_all, tab
from tests.component.webapp.pages.world import fixed_now

SOURCES = "/settings/governance/ingestion-sources"
RULES = "/settings/governance/anomaly-rules"
POLL_MS = 12_000
"""Longer than the slowest poll of the parts looked at; expectations end as soon as they hold."""


def test_a_source_is_added_its_secret_shown_once_and_the_list_flips_to_active(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + SOURCES)
        page.get_by_role("link", name="Add source").click()
        composer = page.get_by_role("dialog", name="Add an ingestion source")
        expect(composer.get_by_label("Display name")).to_be_focused()
        composer.get_by_label("Display name").fill("agents")
        composer.get_by_role("button", name="Create source").click()
        expect(composer.get_by_text("Another source has this name.")).to_be_visible()
        composer.get_by_label("Display name").fill("laptops")
        composer.get_by_role("button", name="Create source").click()

        reveal = page.get_by_role("dialog", name="laptops is ready")
        expect(reveal.locator("#source-secret")).to_contain_text("lw_is_")
        page.keyboard.press("Escape")
        expect(reveal).to_be_visible()
        shoot(page, "source-secret-1440-light")
        command = reveal.locator("#source-curl").inner_text()
        reveal.get_by_role("button", name="I have copied it").or_(
            reveal.get_by_role("link", name="I have copied it")
        ).click()
        expect(page.locator("#source-secret")).to_have_count(0)

        source = IngestionSource.get(IngestionSource.name == "laptops")
        row = page.locator(f"#source-{source.id}")
        expect(row).to_contain_text("Awaiting first event")
        assert _run(command) == 202
        expect(row).to_contain_text("Active", timeout=POLL_MS)
        expect(row).to_contain_text(re.compile(r"last event (\d+ s ago|now)"))


def test_copy_takes_exactly_what_is_shown(browser: Browser, served: Served) -> None:
    with tab(browser) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=served.url)
        served.sign_in(page)
        page.goto(f"{served.url}{SOURCES}/new")
        page.get_by_label("Display name").fill("copied")
        page.get_by_role("button", name="Create source").click()
        for shown in ("source-secret", "source-endpoint", "source-curl"):
            button = page.locator(f'[data-copy="{shown}"]')
            button.focus()
            page.keyboard.press("Enter")
            expect(button.get_by_text("Copied")).to_be_visible()
            text = page.locator(f"#{shown}").text_content()
            assert text and page.evaluate("navigator.clipboard.readText()") == text


def test_a_chosen_type_shows_its_own_field_and_its_shown_command_is_taken(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + SOURCES)
        page.get_by_role("link", name="Add source").click()
        composer = page.get_by_role("dialog", name="Add an ingestion source")
        expect(composer.get_by_text("Filter")).to_be_visible()
        expect(composer.get_by_label("Workspace ID")).to_be_hidden()
        composer.get_by_label("Source type").select_option("claude_cowork")
        expect(composer.get_by_label("Workspace ID")).to_be_visible()
        composer.get_by_label("Source type").select_option("workato")
        expect(composer.get_by_label("Workspace ID")).to_be_hidden()
        composer.get_by_label("Last four characters").fill("wxyz")
        composer.get_by_label("Display name").fill("recipes")
        shoot(page, "source-drawer-workato-1440-light")
        composer.get_by_role("button", name="Create source").click()
        reveal = page.get_by_role("dialog", name="recipes is ready")
        expect(reveal.locator("#source-endpoint")).to_contain_text("/api/ingest/webhook/")
        assert _run(reveal.locator("#source-curl").inner_text()) == 202


def test_an_archive_asks_first_and_the_list_goes_on_without_the_source(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + SOURCES)
        page.get_by_role("button", name="Archive agents").click()
        question = page.get_by_role("dialog", name="Archive agents?")
        page.keyboard.press("Escape")
        expect(question).to_be_hidden()
        page.get_by_role("button", name="Archive agents").click()
        shoot(page, "source-archive-1440-light")
        question.get_by_role("button", name="Archive").click()
        expect(page.get_by_role("link", name="agents", exact=True)).to_have_count(0)
        expect(page.locator("#notices")).to_contain_text("agents is archived")


def test_a_rule_is_previewed_while_typing_and_created(browser: Browser, served: Served) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + RULES)
        page.get_by_role("link", name="New critical rule").click()
        composer = page.get_by_role("dialog", name="New anomaly rule")
        expect(composer.get_by_label("Severity")).to_have_value("critical")
        composer.get_by_label("Times the usual").fill("4.5")
        expect(composer.locator("#preview")).to_contain_text("4.5 times")
        composer.get_by_label("Window").fill("")
        expect(composer.locator("#preview")).to_contain_text("must be a number of minutes")
        shoot(page, "rule-drawer-1440-light")
        composer.get_by_label("Window").fill("15")
        composer.get_by_label("Name").fill("Runaway agent")
        composer.get_by_role("button", name="Create rule").click()
        expect(page.get_by_text("Runaway agent is watching.")).to_be_visible()
        expect(page.get_by_role("region", name="Critical rules")).to_contain_text(
            "15 min reaches 4.5"
        )
        page.get_by_role("button", name="Disable Runaway agent").click()
        expect(page.get_by_role("button", name="Enable Runaway agent")).to_be_visible()


def test_the_home_follows_new_activity_without_a_reload(browser: Browser, served: Served) -> None:
    assert served.world
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(f"{served.url}/governance")
        page.evaluate("window.stayed = true")
        page.get_by_role("link", name="By model").click()
        expect(page.locator("#spend .legend-list")).to_contain_text("gpt-5-mini")
        page.get_by_role("link", name="Requests").click()
        expect(page.get_by_role("columnheader", name="Requests")).to_have_attribute(
            "aria-sort", "descending"
        )
        page.get_by_text("Show as table").click()
        _deliver(served, "new-model-9")
        expect(page.locator("#people")).to_contain_text("new-model-9", timeout=POLL_MS)
        expect(page.locator("#spend table")).to_be_visible()
        assert page.evaluate("window.stayed") is True


def test_the_checklist_turns_into_the_dashboard_by_itself(
    browser: Browser, served_empty: Served
) -> None:
    with tab(browser) as page:
        served_empty.sign_in(page)
        page.goto(f"{served_empty.url}/governance")
        expect(page.get_by_role("heading", name="Set up governance")).to_be_visible()
        shoot(page, "governance-empty-1440-light")
        _deliver(served_empty, "gpt-5")
        expect(page.locator("#figures")).to_be_visible(timeout=POLL_MS)
        expect(page.locator("#people")).to_contain_text("ada@acme.test")


def test_a_chosen_theme_outlives_the_page(browser: Browser, served: Served) -> None:
    with tab(browser) as page:
        served.sign_in_by_hand(page)
        light, dark = _background(page), page.get_by_role("button", name="Dark")
        dark.click()
        expect(dark).to_have_attribute("aria-pressed", "true")
        expect(page.locator("body")).not_to_have_css("background-color", light)
        page.reload()
        expect(dark).to_have_attribute("aria-pressed", "true")
        assert _background(page) != light
        page.get_by_role("button", name="As the system").click()
        expect(page.locator("body")).to_have_css("background-color", light)


def test_a_phone_has_the_navigation_behind_a_button_and_everything_in_reach(
    browser: Browser, served: Served
) -> None:
    with tab(browser, "390") as page:
        served.sign_in(page)
        page.goto(f"{served.url}/governance")
        navigation = page.locator("#nav")
        expect(navigation).to_be_hidden()
        page.get_by_role("button", name="Menu").click()
        expect(navigation).to_be_visible()
        shoot(page, "navigation-390-light")
        page.keyboard.press("Escape")
        expect(navigation).to_be_hidden()
        page.goto(served.url + SOURCES)
        page.get_by_role("link", name="Add source").click()
        drawer = page.get_by_role("dialog", name="Add an ingestion source")
        box = drawer.bounding_box()
        assert box and box["x"] == 0 and box["width"] == SIZES["390"][0]
        shoot(page, "source-drawer-390-light")
        drawer.get_by_role("link", name="Close").click()
        expect(drawer).to_be_hidden()


def test_the_keyboard_reaches_the_content_and_closing_returns_to_where_it_was(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + SOURCES)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        add = page.get_by_role("link", name="Add source")
        expect(add).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Display name")).to_be_focused()
        page.keyboard.press("Escape")
        expect(add).to_be_focused()


def test_without_scripts_a_source_and_a_rule_are_made_on_plain_pages(
    browser: Browser, served: Served
) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        served.sign_in(page)
        page.goto(served.url + SOURCES)
        page.get_by_role("link", name="Add source").click()
        page.get_by_label("Display name").fill("plain")
        page.get_by_role("button", name="Create source").click()
        expect(page.locator("#source-secret")).to_contain_text("lw_is_")
        page.get_by_role("link", name="I have copied it").click()
        expect(page.get_by_role("link", name="plain", exact=True)).to_be_visible()
        page.goto(f"{served.url}{RULES}/new")
        page.get_by_label("Name").fill("plain rule")
        page.get_by_role("button", name="Create rule").click()
        expect(page.get_by_text("plain rule", exact=True)).to_be_visible()
    finally:
        context.close()


def test_every_page_fits_both_widths_in_both_themes(browser: Browser, served: Served) -> None:
    assert served.world
    source, awaiting = served.world.source_ids[0], served.world.source_ids[3]
    shots = [
        Shot("/governance", "governance"),
        Shot(SOURCES, "sources"),
        Shot(f"{SOURCES}/new", "source-new"),
        Shot(f"{SOURCES}/{source}", "source"),
        Shot(f"{SOURCES}/{awaiting}", "source-awaiting"),
        Shot(RULES, "rules"),
        Shot(f"{RULES}/new", "rule-new"),
        Shot("/governance/anomalies", "anomalies"),
        Shot(f"/governance/anomalies/{served.world.anomaly_id}", "anomaly"),
        Shot("/settings/jobs", "jobs"),
        Shot("/welcome", "welcome"),
        Shot("/-/patterns", "patterns"),
    ]
    signed_out = [Shot("/sign-in", "sign-in"), Shot("/nowhere", "fault")]
    shoot_all(browser, served.url, shots, served.sign_in)
    shoot_all(browser, served.url, signed_out)


def _background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def _run(command: str) -> int:
    """Do what the shown command does, and return the status."""
    words = shlex.split(command.replace("\\\n", " "))
    options = [(words[i], words[i + 1]) for i in range(len(words) - 1)]
    headers = dict(value.split(": ", 1) for flag, value in options if flag == "-H")
    address = next(word for word in words if word.startswith("http://127.0.0.1:"))
    body = dict(options)["-d"]
    return httpx.post(address, content=body, headers=headers).status_code


def _deliver(served: Served, model: str) -> None:
    """Put one call into the lake, as the streamer would."""
    organization_id = served.world.organization_id if served.world else _only_organization()
    now = fixed_now()
    event = ActivityEvent(
        event_id=f"req_{model}",
        organization_id=organization_id,
        source_type="gateway",
        source_id="gateway",
        event_type="api.call",
        event_timestamp=now,
        ingested_at=now,
        actor="ada@acme.test",
        action="chat",
        target=model,
        model=model,
        cost_nanousd=2_500_000_000,
        tokens_input=1200,
        tokens_output=90,
    )
    writer = open_writer(served.settings)
    try:
        writer.append([event], 2, now)
    finally:
        writer.close()


def _only_organization() -> str:
    return str(Organization.get().id)
