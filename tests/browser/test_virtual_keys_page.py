"""Virtual keys in a real browser: composed by keyboard, without JavaScript, shown once, pictured at both widths."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from core.authoring import actor as actors
from core.authoring import budgets, projects, providers, virtual_keys
from core.authoring.budgets import NewBudget
from core.authoring.providers import NewProvider
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.lake import open_writer
from core.models import Project, Provider, User, VirtualKey
from core.secrets import Secret, sealer_for
from rules.activity_events import API_CALL, API_REFUSED, GATEWAY_SOURCE, ActivityEvent
from tests.browser.conftest import Served
from tests.browser.shots import Shot, shoot, shoot_all, tab

HERE = "/settings/virtual-keys"


@pytest.fixture
def stocked(served: Served) -> Served:
    """The web app with a project and three providers."""
    assert served.world is not None
    actor, now = served.world.actor, utcnow()
    projects.create(actor, "Coding tools", "coding", served.world.team_ids[0], now)
    for name in ("anthropic-main", "azure-eu", "openai-main"):
        new = NewProvider(name, "custom", "https://llm.acme.test/v1", Secret("sk-x"))
        providers.create(actor, new, sealer_for(served.settings.master_key), now)
    return served


def expect_order(page: Page, *names: str) -> None:
    """See that these providers come to be chosen, in this order."""
    chosen = page.locator("#key-providers option:checked:not([value=''])")
    expect(chosen).to_have_text(list(names))


def test_a_key_is_composed_by_keyboard_and_its_secret_shown_once(
    browser: Browser, stocked: Served
) -> None:
    with tab(browser) as page:
        stocked.sign_in(page)
        page.goto(stocked.url + HERE)
        page.get_by_role("link", name="New key").focus()
        page.keyboard.press("Enter")
        composer = page.get_by_role("dialog", name="New virtual key")
        expect(composer.get_by_label("Name", exact=True)).to_be_focused()
        page.keyboard.type("nightly")
        composer.get_by_label("Project").select_option("Coding tools")
        composer.locator("#provider_1").select_option("openai-main")
        composer.locator("#provider_2").select_option("azure-eu")
        composer.locator("#provider_3").select_option("anthropic-main")
        composer.get_by_role("button", name="Move Fallback 2 up").press("Enter")
        expect(composer.locator("#provider_2").locator("option:checked")).to_have_text(
            "anthropic-main"
        )
        expect_order(page, "openai-main", "anthropic-main", "azure-eu")
        expect(composer.get_by_label("Name", exact=True)).to_have_value("nightly")
        composer.get_by_text("Expiry, rate limits and tags").click()
        composer.get_by_label("Requests a minute").fill("60")
        composer.get_by_label("Monthly budget").fill("nothing")
        # Enter creates, and moves no provider.
        composer.get_by_label("Monthly budget").press("Enter")
        expect(composer.get_by_text("Give an amount in dollars")).to_be_visible()
        expect_order(page, "openai-main", "anthropic-main", "azure-eu")
        shoot(page, "virtual-key-form-1440-light")
        composer.get_by_label("Monthly budget").fill("25")
        composer.get_by_label("Monthly budget").press("Enter")
        once = page.get_by_role("dialog", name="nightly is ready")
        secret = once.locator("#shown-once").inner_text()
        assert secret.startswith("lw_vk_live_")
        page.keyboard.press("Escape")
        expect(once).to_be_visible()
        once.get_by_text("Claude Code", exact=True).click()
        expect(once.locator("#snippet-claude-code")).to_contain_text(secret)
        shoot(page, "virtual-key-secret-1440-light")
        once.get_by_role("link", name="I have copied it").click()
        # The list behind the drawer has the key before the drawer is gone.
        expect(once).to_have_count(0)
        expect(page.locator("#tables")).to_contain_text("nightly")
        assert secret not in page.content()
        row = VirtualKey.get(VirtualKey.name == "nightly")
        page.locator(f"#row-{row.id}").get_by_role("button", name="Rotate nightly").click()
        page.get_by_role("button", name="Rotate", exact=True).click()
        again = page.get_by_role("dialog", name="nightly has a new secret")
        expect(again).to_contain_text("works until")
        again.get_by_role("link", name="I have copied it").click()


def test_all_of_it_works_without_javascript(browser: Browser, stocked: Served) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        stocked.sign_in(page)
        page.goto(stocked.url + HERE)
        page.get_by_role("link", name="New key").click()
        page.get_by_label("Name", exact=True).fill("plain")
        page.get_by_label("Project").select_option("Coding tools")
        page.locator("#provider_1").select_option("azure-eu")
        page.locator("#provider_2").select_option("openai-main")
        page.get_by_role("button", name="Move Fallback 1 up").click()
        expect_order(page, "openai-main", "azure-eu")
        page.get_by_label("Name", exact=True).press("Enter")
        expect(page.locator("#shown-once")).to_contain_text("lw_vk_live_")
        page.get_by_role("link", name="I have copied it").click()
        expect(page.get_by_role("heading", name="plain")).to_be_visible()
        page.get_by_role("button", name="Disable").first.click()
        page.get_by_role("button", name="Disable").last.click()
        expect(page.get_by_role("button", name="Enable")).to_be_visible()
        page.goto(stocked.url + "/me")
        page.get_by_role("link", name="New key").click()
        page.get_by_label("Name", exact=True).fill("laptop")
        page.get_by_role("button", name="Create key").click()
        page.get_by_role("link", name="I have copied it").click()
        expect(page.locator("#my-keys")).to_contain_text("laptop")
    finally:
        context.close()


def a_month_of_calls(served: Served, row: VirtualKey) -> None:
    models = ("gpt-5", "claude-sonnet-4-5", "gpt-5-mini")
    events = []
    for number in range(120):
        at = utcnow() - timedelta(hours=6 * number, minutes=number % 7)
        is_refused = number % 17 == 5
        events.append(
            ActivityEvent(
                f"of_key_{number}",
                row.organization_id,
                GATEWAY_SOURCE,
                GATEWAY_SOURCE,
                API_REFUSED if is_refused else API_CALL,
                at,
                at,
                action="chat_completion",
                model=models[number % 3],
                cost_nanousd=0 if is_refused else (number % 9 + 1) * 41_000_000,
                tokens_input=900 * (number % 5 + 1),
                tokens_output=300,
                outcome="refused" if is_refused else "completed",
                code="rate_limited" if is_refused else "",
                virtual_key_id=row.id,
                principal_user_id=row.principal_user_id,
            )
        )
    writer = open_writer(served.settings)
    writer.append(events, 10**6, utcnow())
    writer.close()


def test_the_pages_fit_both_widths_in_both_themes(browser: Browser, stocked: Served) -> None:
    assert stocked.world is not None
    actor, now = stocked.world.actor, utcnow()
    ada = User.get(User.email == "ada@acme.test")
    system = actors.system(actor.organization_id)
    project = Project.get(Project.slug == "coding")
    ids = tuple(row.id for row in Provider.select().order_by(Provider.name))
    config = {"rate_limits": {"rpm": 60}, "models_allowed": ["gpt-5*", "claude-*"],
              "model_aliases": {"fast": "openai-main/gpt-5-mini"}}  # fmt: skip
    wanted = (
        ("ada-laptop", ada.id, ("laptop",), None),
        ("nightly-batch", None, ("batch", "night"), now + timedelta(days=20)),
        ("support-bot", None, (), None),
    )
    made = []
    for name, person, tags, expires in wanted:
        new = NewVirtualKey(name, project.id, ids, person, expires, tags, "", config)
        made.append(virtual_keys.create(system, new, stocked.settings.pepper, now)[0])
    virtual_keys.disable(system, made[2].id, now)
    virtual_keys.rotate(system, made[0].id, stocked.settings.pepper, now)
    budgets.create(system, NewBudget("ada-month", "principal", ada.id, "month", 10**11), now)
    a_month_of_calls(stocked, made[0])
    shots = [
        Shot(HERE, "virtual-keys"),
        Shot(f"{HERE}/new", "virtual-key-new"),
        Shot(f"{HERE}/{made[0].id}/edit", "virtual-key-edit"),
        Shot(f"{HERE}/{made[0].id}", "virtual-key"),
        Shot("/me", "my-workspace"),
    ]
    shoot_all(browser, stocked.url, shots, stocked.sign_in)
