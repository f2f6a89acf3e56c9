"""The pages about what calls are held against, in a real browser: order by keyboard, forms by type, the testers."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from core.authoring import actor as actors
from core.authoring import cache_rules, providers, routing_policies, trace_destinations
from core.authoring.actor import Actor
from core.authoring.cache_rules import NewCacheRule
from core.authoring.providers import NewProvider
from core.authoring.routing_policies import NewRoutingPolicy
from core.authoring.trace_destinations import NewTraceDestination
from core.clock import utcnow
from core.models import Guardrail, Organization, RoutingPolicy, TraceDestination
from core.secrets import Secret, sealer_for
from tests.browser.conftest import Served
from tests.browser.shots import Shot, shoot, shoot_all, tab

ROUTING = "/settings/routing-policies"
POLICY = "/settings/policy-rules"
GUARDS = "/settings/guardrails"
TRACES = "/settings/trace-destinations"


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
        for placed in (1, 2):
            drawer.get_by_role("button", name="Put last").focus()
            page.keyboard.press("Enter")
            expect(drawer.locator("ol.ordered li")).to_have_count(placed)
        expect(drawer.get_by_label("Name", exact=True)).to_have_value("Engineering")
        drawer.get_by_role("button", name="Move reserve up").click()
        expect(drawer.locator("ol.ordered li").first).to_contain_text("reserve")
        shoot(page, "routing-policy-form-1440-light")
        drawer.get_by_role("button", name="Create policy").click()
        expect(page.locator("#notices")).to_contain_text("Engineering is created")
        made = RoutingPolicy.get(RoutingPolicy.name == "Engineering")
        assert made.provider_ids == [ids[1], ids[0]] and made.scope == "team"
    shots = [Shot(ROUTING, "routing-policies"), Shot(f"{ROUTING}/{row.id}/edit", "routing-policy")]
    shoot_all(browser, served.url, shots, served.sign_in)


def test_rules_are_filled_in_by_a_click_and_a_request_is_tested(
    browser: Browser, served: Served
) -> None:
    _providers(served, "main")
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + POLICY)
        page.get_by_role("link", name="New rules").click()
        drawer = page.get_by_role("dialog", name="New policy rules")
        drawer.get_by_label("Name", exact=True).fill("Shell")
        drawer.get_by_role("button", name="No shell execution").click()
        tools = drawer.get_by_role("group", name="Tools")
        expect(tools.get_by_label("Denied")).to_have_value(
            "^shell\\..*\n^bash$\n^exec$\n^run_command$"
        )
        expect(drawer.get_by_label("Name", exact=True)).to_have_value("Shell")
        shoot(page, "policy-rules-form-1440-light")
        drawer.get_by_role("button", name="Create rules").click()
        expect(page.locator("#notices")).to_contain_text("Shell is created")
        page.get_by_role("link", name="Test a request").click()
        page.get_by_role("button", name="Test it").click()
        expect(page.locator("#verdict")).to_contain_text('The tool "shell.exec" is denied')
        page.get_by_role("textbox", name="Pattern", exact=True).fill("^shell\\.")
        page.get_by_role("textbox", name="Values").fill("shell.exec\nread_file")
        expect(page.locator("#matched")).to_contain_text("No match")
        shoot(page, "policy-test-done-1440-light")
        page.get_by_role("textbox", name="Pattern", exact=True).fill("(?=x)")
        expect(page.locator("#matched")).to_contain_text("look-ahead is not supported")
    shots = [Shot(POLICY, "policy-rules"), Shot(f"{POLICY}/test", "policy-test")]
    shoot_all(browser, served.url, shots, served.sign_in)


def test_a_guardrail_is_chosen_by_type_and_tried_before_it_is_saved(
    browser: Browser, served: Served
) -> None:
    actor, sealer = _actor(), sealer_for(served.settings.master_key)
    for rule in (
        NewCacheRule("Claude", {"model": "claude-*", "vk_tags": ["batch"]}, "force", 200),
        NewCacheRule("Else", {"vk_prefix": "vk-lw-"}, "respect", 10, enabled=False),
    ):
        cache_rules.create(actor, rule, utcnow())
    whole = ("organization", actor.organization_id)
    endpoints = ("https://otel.example.com/v1/traces", "https://siem.example.com/otlp")
    for name, endpoint in zip(("Observability", "Archive of spans"), endpoints, strict=True):
        new = NewTraceDestination(name, *whole, endpoint, {"Authorization": "Bearer x"})
        trace_destinations.create(actor, new, sealer, utcnow())
    failing = {"failures": 4, "last_error": "status 503: busy", "last_sent_at": utcnow()}
    name = TraceDestination.name == "Archive of spans"
    TraceDestination.update(**failing).where(name).execute()
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + GUARDS)
        page.get_by_role("link", name="New guardrail").click()
        drawer = page.get_by_role("dialog", name="New guardrail")
        drawer.get_by_label("Name", exact=True).fill("Mail")
        drawer.get_by_label("Type", exact=True).select_option("pii")
        expect(drawer.get_by_label("E-mail addresses")).to_be_checked()
        expect(drawer.get_by_label("Name", exact=True)).to_have_value("Mail")
        drawer.get_by_role("textbox", name="Text").fill(
            "Ask jane@example.com, card 4111 1111 1111 1111"
        )
        drawer.get_by_role("button", name="Try it").click()
        expect(drawer.locator("mark")).to_have_count(2)
        expect(drawer.get_by_text("[REDACTED:EMAIL]")).to_be_in_viewport()
        shoot(page, "guardrail-tried-1440-light")
        drawer.get_by_role("button", name="Create guardrail").click()
        expect(page.locator("#notices")).to_contain_text("Mail is created")
        row = Guardrail.get(Guardrail.name == "Mail")
        assert row.action == "redact" and row.is_automatic
        page.goto(served.url + TRACES)
        page.get_by_role("link", name="Prompts and answers").click()
        switch = page.get_by_role("dialog", name="Prompts and answers")
        switch.get_by_label("Prompts and answers").select_option("0")
        switch.get_by_role("button", name="Save").click()
        expect(page.locator("#tables")).to_contain_text("Kept by no key")
    shots = [
        Shot(GUARDS, "guardrails"),
        Shot(f"{GUARDS}/{row.id}/edit", "guardrail"),
        Shot("/settings/cache-rules", "cache-rules"),
        Shot("/settings/cache-rules/new", "cache-rule"),
        Shot(TRACES, "trace-destinations"),
        Shot(f"{TRACES}/new", "trace-destination"),
    ]
    shoot_all(browser, served.url, shots, served.sign_in)
