"""Privacy, retention and a person's data in a real browser: what is deleted is agreed to, whom to erase is typed."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from core.authoring import privacy, projects, providers, retention, virtual_keys
from core.authoring.privacy import NewPrivacyRule
from core.authoring.providers import NewProvider
from core.authoring.retention import NewRetentionPolicy
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.models import User
from core.secrets import Secret, sealer_for
from tests.browser.conftest import Served
from tests.browser.shots import Shot, shoot, shoot_all, tab
from tests.component.webapp.pages.test_call_page import a_call


def test_a_policy_that_deletes_is_saved_only_after_a_look_at_what_it_deletes(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(f"{served.url}/settings/retention")
        page.get_by_role("link", name="New policy").click()
        form = page.get_by_role("dialog", name="New retention policy")
        form.get_by_label("Activity events stay").fill("10")
        form.get_by_label("Also for what is stored already").check()
        form.get_by_role("button", name="Create").click()
        agree = form.get_by_role("checkbox", name="at the next run")
        expect(agree).to_be_visible()
        expect(form.get_by_label("Activity events stay")).to_have_value("10")
        shoot(page, "retention-agree-1440-light")
        agree.check()
        form.get_by_role("button", name="Create").click()
        expect(page.get_by_text("10 days", exact=True)).to_be_visible()


def test_a_person_is_erased_by_typing_their_address(browser: Browser, served: Served) -> None:
    dan = User.get(User.email == "dan@acme.test")
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(f"{served.url}/settings/members")
        page.get_by_role("link", name="Dan", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Everything stored about this person").click()
        assert download.value.suggested_filename.startswith("person-")
        page.get_by_role("link", name="Erase this person").click()
        form = page.get_by_role("dialog", name="Erase Dan")
        form.get_by_label("Why").fill("asked")
        form.get_by_label("to erase this person").fill("dan@acme.test")
        shoot(page, "person-erase-1440-light")
        form.get_by_role("button", name="Erase for good").click()
        expect(page.get_by_role("heading", name="Data of Erased person")).to_be_visible()
    assert User.get_by_id(dan.id).email.endswith("@erased.invalid")


def test_every_page_fits_both_widths_in_both_themes(browser: Browser, served: Served) -> None:
    assert served.world
    actor, now = served.world.actor, utcnow()
    organization_id, team_id = actor.organization_id, served.world.team_ids[0]
    for scope, scope_id, choices in (
        ("organization", organization_id, {"input": "drop", "system": "drop"}),
        ("team", team_id, {"input": "capture", "tool_calls": "drop"}),
    ):
        new = NewPrivacyRule(scope, scope_id, choices, False, ("*.iban",), ("EMP-[0-9]+",))
        rule = privacy.create(actor, new, now)
    privacy.set_mode(actor, "strip_io", now)
    retention.create(actor, NewRetentionPolicy("organization", organization_id, 90, 30), now)
    retention.create(actor, NewRetentionPolicy("team", team_id, 30, None, True), now)
    dan = User.get(User.email == "dan@acme.test")
    project = projects.create(actor, "Coding tools", "coding", team_id, now)
    account = NewProvider("main", "custom", "https://llm.acme.test/v1", Secret("sk-x"))
    provider = providers.create(actor, account, sealer_for(served.settings.master_key), now)
    new_key = NewVirtualKey("cli", project.id, (provider.id,))
    key, _ = virtual_keys.create(actor, new_key, served.settings.pepper, now)
    a_call(key, "req_1", facts={"policy_shadow": [{"dimension": "urls", "value": "x.test"}]})
    shots = [
        Shot("/gateway/calls", "calls"),
        Shot("/gateway/calls/req_1", "call"),
        Shot("/settings/privacy", "privacy"),
        Shot("/settings/privacy/mode", "privacy-mode"),
        Shot("/settings/privacy/rules/new", "privacy-rule-new"),
        Shot(f"/settings/privacy/rules/{rule.id}/edit", "privacy-rule"),
        Shot("/settings/retention", "retention"),
        Shot("/settings/retention/policies/new", "retention-new"),
        Shot(f"/settings/members/{dan.id}/data", "person-data"),
        Shot(f"/settings/members/{dan.id}/erase", "person-erase"),
        Shot("/me/settings/landing", "landing"),
        Shot("/me/settings", "account"),
    ]
    shoot_all(browser, served.url, shots, served.sign_in)
