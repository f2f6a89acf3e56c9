"""The providers page in a real browser: forms by type, tests that say what is wrong, nothing typed is lost."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Browser, expect

from core.authoring import actor as actors
from core.authoring import providers
from core.authoring.providers import NewProvider
from core.clock import utcnow
from core.lake import open_writer
from core.models import Organization, Provider
from core.secrets import Secret, sealer_for
from rules.activity_events import API_CALL, GATEWAY_SOURCE, ActivityEvent
from tests.browser.conftest import Served
from tests.browser.shots import Shot, shoot, shoot_all, tab

HERE = "/settings/providers"


def _call(organization_id: str, provider_id: str, number: int) -> ActivityEvent:
    at = utcnow() - timedelta(minutes=number % 50 + 1)
    is_bad = number % 15 == 7
    return ActivityEvent(
        f"health_{number}",
        organization_id,
        GATEWAY_SOURCE,
        GATEWAY_SOURCE,
        API_CALL,
        at,
        at,
        provider_id=provider_id,
        outcome="failed" if is_bad else "completed",
        code="529" if is_bad else "",
        status=529 if is_bad else 200,
        duration_ms=400 + 35 * number,
    )


def test_a_provider_is_chosen_tested_corrected_and_added(browser: Browser, served: Served) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + HERE)
        page.get_by_role("link", name="Add provider").click()
        composer = page.get_by_role("dialog", name="Add a provider")
        composer.get_by_label("Name", exact=True).fill("aws-eu")
        composer.get_by_label("Type").select_option("bedrock")
        expect(composer.get_by_label("Secret key")).to_be_visible()
        expect(composer.get_by_label("Name", exact=True)).to_have_value("aws-eu")
        composer.get_by_label("Region").fill("eu-central-1")
        # A closed port of this machine: the guard of addresses speaks before anything is sent.
        composer.get_by_label("Address").fill("http://127.0.0.1:9")
        composer.get_by_label("Access key").fill("AKIA1")
        composer.get_by_label("Secret key").fill("s3cret")
        composer.get_by_role("button", name="Test connection").click()
        expect(composer.get_by_text("loopback address")).to_be_in_viewport()
        expect(composer.get_by_label("Secret key")).to_have_value("s3cret")
        shoot(page, "provider-form-1440-light")
        # Enter adds it; the button that tests comes first for the tab key alone.
        composer.get_by_role("button", name="Test connection").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(composer.get_by_role("button", name="Add provider")).to_be_focused()
        composer.get_by_label("Address").fill("")
        composer.get_by_label("Address").press("Enter")
        expect(page.locator("#notices")).to_contain_text("aws-eu is created")
        expect(page.locator("#tables")).to_contain_text("aws-eu")
        row = Provider.get(Provider.name == "aws-eu")
        page.locator(f"#row-{row.id}").get_by_role("link", name="Edit aws-eu").click()
        editor = page.get_by_role("dialog", name="Edit aws-eu")
        expect(editor.get_by_label("Region")).to_have_value("eu-central-1")
        expect(editor.get_by_label("Secret key")).to_have_value("")
        page.keyboard.press("Escape")
        expect(editor).to_have_count(0)


def test_a_stored_provider_is_tested_in_the_drawer_by_keyboard(
    browser: Browser, served: Served
) -> None:
    organization = Organization.select().first()
    actor = actors.system(organization.id)
    new = NewProvider("closed", "custom", "http://127.0.0.1:9/v1", is_operator_address=True)
    row = providers.create(actor, new, sealer_for(served.settings.master_key), utcnow())
    key = NewProvider("openai-main", "openai", credential=Secret("sk-x"))
    openai = providers.create(actor, key, sealer_for(served.settings.master_key), utcnow())
    writer = open_writer(served.settings)
    writer.append(
        [_call(organization.id, openai.id, number) for number in range(60)], 10**6, utcnow()
    )
    writer.close()
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + HERE)
        page.locator(f"#row-{row.id}").get_by_role("link", name="Test closed").focus()
        page.keyboard.press("Enter")
        drawer = page.get_by_role("dialog", name="Test closed")
        expect(drawer.get_by_text("Nothing listens at 127.0.0.1:9.")).to_be_visible()
        shoot(page, "provider-tested-1440-light")
        page.keyboard.press("Escape")
        page.locator(f"#row-{row.id}").get_by_role("button", name="Archive closed").click()
        page.locator(f"#row-{row.id}").get_by_role("button", name="Archive", exact=True).click()
        expect(page.locator(f"#row-{row.id}")).to_have_count(0)
    shots = [
        Shot(HERE, "providers"),
        Shot(f"{HERE}/new?type=azure", "provider-azure"),
        Shot(f"{HERE}/new?type=bedrock", "provider-bedrock"),
    ]
    shoot_all(browser, served.url, shots, served.sign_in)
