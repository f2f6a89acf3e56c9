"""The pages about what calls are held against, in a real browser: order by keyboard, forms by type, the testers."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from core.authoring import actor as actors
from core.authoring import providers, routing_policies
from core.authoring.actor import Actor
from core.authoring.providers import NewProvider
from core.authoring.routing_policies import NewRoutingPolicy
from core.clock import utcnow
from core.models import Organization, RoutingPolicy
from core.secrets import Secret, sealer_for
from tests.browser.conftest import Served
from tests.browser.shots import Shot, shoot, shoot_all, tab

ROUTING = "/settings/routing-policies"


def _actor() -> Actor:
    return actors.system(Organization.select().first().id)


def _providers(served: Served, *names: str) -> list[str]:
    sealer = sealer_for(served.settings.master_key)
    return [
        providers.create(
            _actor(), NewProvider(name, "openai", credential=Secret("sk-x")), sealer, utcnow()
        ).id
        for name in names
    ]


def test_an_order_of_providers_is_put_together_by_keyboard(
    browser: Browser, served: Served
) -> None:
    ids = _providers(served, "main", "reserve")
    actor = _actor()
    new = NewRoutingPolicy(
        "Everybody",
        "organization",
        actor.organization_id,
        ids,
        models_allowed=("gpt-*", "openai/*"),
        model_aliases={"fast": "main/gpt-5-mini"},
        is_default=True,
    )
    row = routing_policies.create(actor, new, utcnow())
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + ROUTING)
        page.locator("#team").get_by_role("link", name="New policy").click()
        drawer = page.get_by_role("dialog", name="New routing policy")
        drawer.get_by_label("Name", exact=True).fill("Engineering")
        for _ in range(2):
            drawer.get_by_role("button", name="Put last").focus()
            with page.expect_response(lambda answer: "arrange" in answer.url):
                page.keyboard.press("Enter")
        expect(drawer.locator("ol.ordered li")).to_have_count(2)
        expect(drawer.get_by_label("Name", exact=True)).to_have_value("Engineering")
        drawer.get_by_role("button", name="Move reserve up").click()
        expect(drawer.locator("ol.ordered li").first).to_contain_text("reserve")
        shoot(page, "routing-policy-form-1440-light")
        drawer.get_by_role("button", name="Create policy").click()
        expect(page.locator("#notices")).to_contain_text("Engineering is there")
        made = RoutingPolicy.get(RoutingPolicy.name == "Engineering")
        assert made.provider_ids == [ids[1], ids[0]] and made.scope == "team"
    shots = [Shot(ROUTING, "routing-policies"), Shot(f"{ROUTING}/{row.id}/edit", "routing-policy")]
    assert len(shoot_all(browser, served.url, shots, served.sign_in)) == 8
