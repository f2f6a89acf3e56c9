"""The pages about people in a real browser: drawers, a stale save, what is shown once, searching while typing."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from core.authoring import people
from core.authoring.people import Person
from core.models import User
from tests.browser.conftest import Served
from tests.browser.shots import shoot, tab
from tests.component.webapp.pages.world import fixed_now

MEMBERS = "/settings/members"


def test_a_stale_save_keeps_the_drawer_open_says_what_changed_and_can_be_repeated(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + MEMBERS)
        page.get_by_role("link", name="Edit Dan").click()
        drawer = page.get_by_role("dialog", name="Edit member")
        expect(drawer.get_by_label("Name")).to_be_focused()
        dan = User.get(User.email == "dan@acme.test")
        assert served.world is not None
        people.change_person(served.world.actor, dan.id, Person("Daniel", "member"), fixed_now())
        drawer.get_by_label("Name").fill("Danny")
        drawer.get_by_role("button", name="Save").click()
        told = drawer.get_by_role("alert")
        expect(told).to_contain_text("Somebody changed this")
        expect(told).to_contain_text("Daniel")
        expect(drawer.get_by_label("Name")).to_have_value("Danny")
        shoot(page, "stale-save-1440-light")
        drawer.get_by_role("button", name="Save over it").click()
        expect(page.get_by_text("Danny is saved.")).to_be_visible()
        expect(page.locator("#members")).to_contain_text("Danny")


def test_an_invitation_shows_its_link_once_and_the_list_behind_it_knows(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + MEMBERS)
        page.get_by_role("link", name="Invite", exact=True).click()
        drawer = page.get_by_role("dialog", name="Invite")
        drawer.get_by_label("E-mail").fill("dan@acme.test")
        drawer.get_by_role("button", name="Invite").click()
        expect(drawer.get_by_text("Somebody has this e-mail address already.")).to_be_visible()
        drawer.get_by_label("E-mail").fill("eve@acme.test")
        drawer.get_by_role("button", name="Invite").click()
        reveal = page.get_by_role("dialog", name="eve@acme.test is invited")
        expect(reveal.locator("#shown-once")).to_contain_text("/invitation?token=")
        page.keyboard.press("Escape")
        expect(reveal).to_be_visible()
        reveal.get_by_role("button", name="I have copied it").or_(
            reveal.get_by_role("link", name="I have copied it")
        ).click()
        expect(page.locator("#shown-once")).to_have_count(0)
        expect(page.locator("#invitations")).to_contain_text("eve@acme.test")


def test_many_are_invited_from_a_file_by_keyboard_once_its_mistakes_are_put_right(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    people_file = tmp_path / "people.csv"
    listed = "email;name\neve@acme.test;Eve Ren\u00e9\nida at acme.test"
    people_file.write_bytes(listed.encode("cp1252"))
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + MEMBERS)
        page.get_by_role("link", name="Invite many").press("Enter")
        page.get_by_label("Or a file").set_input_files(people_file)
        text = page.get_by_label("People", exact=True)
        expect(text).to_be_focused()
        expect(text).to_have_value(listed)
        page.get_by_role("button", name="Check").press("Enter")
        told = page.get_by_role("alert")
        expect(told).to_contain_text("1 line to put right first")
        mistake = page.get_by_role("row", name="ida at acme.test")
        expect(mistake).to_contain_text("This is not an e-mail address.")
        expect(page.get_by_role("button", name="Invite 1 person")).to_have_count(0)
        text.fill("eve@acme.test, Eve\nida@acme.test")
        page.get_by_role("button", name="Check").press("Enter")
        expect(page.locator("#preview").get_by_role("status")).to_contain_text("2 people can be")
        page.get_by_role("button", name="Invite 2 people").press("Enter")
        expect(page.locator("#shown-once")).to_contain_text("ida@acme.test,http")
        page.get_by_role("link", name="I have copied it").press("Enter")
        expect(page.locator("#invitations")).to_contain_text("ida@acme.test")


def test_a_refused_change_says_so_and_leaves_the_page_as_it_is(
    browser: Browser, served: Served
) -> None:
    with tab(browser) as page:
        served.sign_in(page)
        page.goto(served.url + MEMBERS)
        page.get_by_label("Find a person").fill("love")
        expect(page.locator("#members")).not_to_contain_text("dan@acme.test")
        expect(page.locator("#members")).to_contain_text("ada@acme.test")
        page.get_by_label("Find a person").fill("")
        expect(page.locator("#members")).to_contain_text("dan@acme.test")
        page.get_by_role("button", name="Disable Dan").click()
        page.get_by_role("dialog", name="Disable Dan?").get_by_role(
            "button", name="Disable"
        ).click()
        expect(page.locator("#members")).to_contain_text("Disabled")
        shoot(page, "members-1440-light")
        expect(page.get_by_text("their keys are revoked")).to_be_visible()
