"""The budget pages and the way to a higher budget: what is shown, what is explained, what comes of a request."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.authoring import (
    api_keys,
    budgets,
    offboarding,
    projects,
    team_members,
    teams,
    virtual_keys,
)
from core.authoring.api_keys import NewApiKey
from core.authoring.budgets import NewBudget
from core.authoring.providers import NewProvider
from core.authoring.providers import create as create_provider
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import to_ms, utcnow
from core.database import connection, database
from core.increase_links import Asking, link
from core.models import AuditRow, Budget, BudgetIncrease, Organization, Project, User, VirtualKey
from core.models.leasing import Amount, charge
from rules.windows import Window, period
from tests.component.streamer.slack_peer import slack_peer
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of
from tests.component.webapp.pages.world import form_token
from tests.statements import counted
from webapp.queries import budgets as queries

HERE, REQUESTS = "/gateway/budgets", "/gateway/budget-requests"
USD = 10**9
FORM = {"name": "ours", "window": "month", "limit_usd": "5", "on_breach": "block"}
FORM |= {"on_unpriced": "flat", "on_outage": "block"}


@pytest.fixture
def ada(sqlite_db: str, tmp_path: Path) -> Iterator[Desk]:
    yield desk(tmp_path)


def dan() -> User:
    return User.get(User.email == "dan@acme.test")


def budget(ada: Desk, name: str = "coding", **values: object) -> Budget:
    given = {
        "scope": "organization",
        "scope_id": ada.actor.organization_id,
        "window": "month",
        "limit_nanousd": 10 * USD,
    }
    new = NewBudget(name=name, **(given | values))  # type: ignore[arg-type]
    return budgets.create(ada.actor, new, utcnow())


def spend(row: Budget, nanousd: int) -> None:
    now = utcnow()
    start = period(Window(row.window), now, row.cycle_anchor_at, row.last_reset_at)[0]
    with connection(), database.atomic():
        charge("w", [Amount(row.id, to_ms(start), nanousd)], now)


def a_key(ada: Desk) -> tuple[VirtualKey, str]:
    sealer = ada.app.extensions["control_plane"].sealer
    provider = NewProvider("sandbox-1", "sandbox", "sandbox://")
    made = create_provider(ada.actor, provider, sealer, utcnow())
    team = teams.create(ada.actor, "Engineering", "eng", utcnow())
    project = projects.create(ada.actor, "Coding", "coding", team.id, utcnow())
    new = NewVirtualKey("dev-cli", project.id, (made.id,))
    row, secret = virtual_keys.create(ada.actor, new, ada.settings.pepper, utcnow())
    return row, secret.reveal()


def test_the_list_says_how_each_budget_stands(ada: Desk) -> None:
    spend(budget(ada), 9 * USD)
    spend(budget(ada, "spent"), 12 * USD)
    budget(ada, "for dan", scope="principal", scope_id=dan().id, window="total")
    page = ada.client.get(HERE).text
    assert "$9.00 of $10.00" in page and "(90%)" in page and "Close to the limit" in page
    assert "Spent: calls are refused" in page
    assert "Person Dan" in page and "Never" in page


def test_the_list_costs_the_same_however_long_it_is(ada: Desk) -> None:
    costs = []
    for more in (1, 12):
        for number in range(more):
            budget(ada, f"b{more}-{number}", scope="principal", scope_id=dan().id)
        with counted() as statements:
            assert ada.client.get(HERE).status_code == 200
        costs.append(len(statements.selects()))
    assert costs[0] == costs[1]


def test_a_budget_is_made_and_wrong_fields_are_explained_beside_them(ada: Desk) -> None:
    form = {
        "name": "coding",
        "applies_to": f"organization:{ada.actor.organization_id}",
        "window": "total",
        "limit_usd": "a lot",
        "cycle_anchor_at": "soon",
        "on_breach": "block",
        "on_unpriced": "flat",
        "on_outage": "block",
    }
    wrong = ada.post(HERE, DRAWER, **form)
    assert wrong.status_code == 422
    assert "amount in dollars" in error_of(wrong, "limit_usd")
    assert "such as 2026-12-31" in error_of(wrong, "cycle_anchor_at")
    anchored = form | {"limit_usd": "12.50", "cycle_anchor_at": "2026-01-31 08:00"}
    wrong = ada.post(HERE, DRAWER, **anchored)
    assert "turns by itself" in error_of(wrong, "cycle_anchor_at")
    made = ada.post(HERE, **(anchored | {"window": "month"}))
    assert made.status_code == 303
    row = Budget.get(Budget.name == "coding")
    assert (row.limit_nanousd, row.cycle_anchor_at.day) == (12_500_000_000, 31)


def test_what_a_long_list_leaves_out_is_named(ada: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = a_key(ada)
    assert 'name="named"' not in ada.client.get(f"{HERE}/new").text
    monkeypatch.setattr(queries, "MOST_CHOICES", 1)
    form = ada.client.get(f"{HERE}/new").text
    offered = [name for name in ("ada", "dan") if f"({name}@acme.test)" in form]
    assert 'name="named"' in form and len(offered) == 1
    choices = {"window": "day", "on_breach": "block", "on_unpriced": "flat", "on_outage": "block"}
    choices |= {"applies_to": f"organization:{ada.actor.organization_id}", "limit_usd": "5"}
    choices["allow_unreachable"] = "1"
    answer = ada.post(HERE, DRAWER, name="x", named="nobody@acme.test", **choices)
    assert (answer.status_code, error_of(answer, "named")) == (
        422,
        "There is no key and no person of this name.",
    )
    for named, scope, scope_id in (
        ("Dan@acme.test", "principal", dan().id),
        (key.name, "virtual_key", key.id),
    ):
        assert ada.post(HERE, name=f"for {scope}", named=named, **choices).status_code == 303
        row = Budget.get(Budget.name == f"for {scope}")
        assert (row.scope, row.scope_id) == (scope, scope_id)


def test_a_teams_administrator_makes_its_budgets_and_nobody_those_of_their_own_workspace(
    ada: Desk,
) -> None:
    key, now = a_key(ada)[0], utcnow()
    project = Project.get_by_id(key.project_id)
    other = teams.create(ada.actor, "Sales", "sales", now)
    person, own = dan(), Project.get(Project.owner_user_id == dan().id)
    browser = ada.browser("dan@acme.test")
    at = Desk(ada.app, browser, ada.settings, ada.actor)
    mine = budget(ada, "own", scope="project", scope_id=own.id, allow_unreachable=True)
    there = f"{HERE}/{mine.id}"
    assert browser.get(there).status_code == 200 and "/edit" not in browser.get(there).text
    assert at.post(f"{there}/archive").status_code == 403
    assert browser.get(f"{HERE}/new").status_code == 403
    team_members.put(ada.actor, project.team_id, person.id, "admin", now)
    assert f"{HERE}/new" in browser.get(HERE).text
    form = browser.get(f"{HERE}/new").text
    for choice in (f"team:{project.team_id}", f"project:{project.id}", f"virtual_key:{key.id}"):
        assert f'value="{choice}"' in form, choice
    elsewhere = (f"team:{other.id}", f"project:{own.id}", f"principal:{person.id}")
    for choice in (f"organization:{ada.actor.organization_id}", *elsewhere):
        assert f'value="{choice}"' not in form, choice
        answer = at.post(HERE, DRAWER, **FORM, applies_to=choice, allow_unreachable="1")
        assert answer.status_code == 422
        assert "gatewayBudgets:create" in error_of(answer, "applies_to"), choice
    assert at.post(HERE, **FORM, applies_to=f"team:{project.team_id}").status_code == 303
    _, secret = api_keys.create(
        ada.actor, NewApiKey("k", "user", person.id), ada.settings.pepper, now
    )
    headers, path = {"Authorization": f"Bearer {secret.reveal()}"}, "/api/gateway/v1/budgets"
    new = {"name": "by API", "window": "month", "limit_nanousd": USD, "scope": "team"}
    for scope_id, status in ((project.team_id, 201), (other.id, 403)):
        sent = new | {"scope_id": scope_id}
        assert ada.app.test_client().post(path, json=sent, headers=headers).status_code == status


def test_a_budget_that_no_key_feeds_is_made_only_when_it_is_meant(ada: Desk) -> None:
    a_key(ada)
    form = {
        "name": "for dan",
        "applies_to": f"principal:{dan().id}",
        "window": "month",
        "limit_usd": "5",
        "on_breach": "block",
        "on_unpriced": "flat",
        "on_outage": "block",
    }
    refused = ada.post(HERE, DRAWER, **form)
    assert refused.status_code == 422
    assert "No active virtual key" in error_of(refused, "applies_to")
    assert ada.post(HERE, **form, allow_unreachable="1").status_code == 303


def test_a_budgets_page_draws_what_is_left_and_foretells(ada: Desk) -> None:
    key, _ = a_key(ada)
    row = budget(ada)
    page = ada.client.get(f"{HERE}/{row.id}").text
    assert "nothing to foretell" in page and f"targetKind=budget&amp;targetId={row.id}" in page
    assert f'href="/settings/virtual-keys/{key.id}">dev-cli</a>' in page
    assert 'class="burn"' in page and 'path class="line"' in page
    whose = NewVirtualKey("ada-cli", key.project_id, tuple(key.provider_ids), ada.actor.actor_id)
    hers, _ = virtual_keys.create(ada.actor, whose, ada.settings.pepper, utcnow())
    shared = budget(ada, "shared", scope="project", scope_id=key.project_id)
    team_id = Project.get_by_id(key.project_id).team_id
    team_members.put(ada.actor, team_id, dan().id, "member", utcnow())
    page = ada.browser("dan@acme.test").get(f"{HERE}/{shared.id}").text
    assert f"/settings/virtual-keys/{key.id}" in page and "ada-cli" not in page
    assert f"/settings/virtual-keys/{hers.id}" not in page, "a link that would be refused"
    spend(row, 11 * USD)
    assert "It is spent." in ada.client.get(f"{HERE}/{row.id}").text


def test_a_budget_is_changed_reset_and_archived(ada: Desk) -> None:
    row = budget(ada)
    spend(row, 9 * USD)
    here = f"{HERE}/{row.id}"
    form = {"name": "coding", "window": "month", "limit_usd": "20", "on_breach": "warn"}
    answer = ada.post(f"{here}/edit", **form, on_unpriced="flat", on_outage="block")
    assert answer.status_code == 303
    assert Budget.get_by_id(row.id).limit_nanousd == 20 * USD
    assert "$9.00 of $20.00" in ada.client.get(HERE).text
    ada.post(f"{here}/reset")
    assert "$0.00 of $20.00" in ada.client.get(HERE).text
    ada.post(f"{here}/archive")
    assert "No budget yet" in ada.client.get(HERE).text
    actions = [audit.action for audit in AuditRow.select().order_by(AuditRow.id)]
    assert actions[-3:] == [
        "gateway.budget.updated",
        "gateway.budget.reset",
        "gateway.budget.deleted",
    ]


def asked_by_link(ada: Desk) -> tuple[Budget, str, object]:
    row = budget(ada)
    key, _ = a_key(ada)
    asking = Asking(ada.actor.organization_id, row.id, key.id, None)
    address = link("", ada.settings.jwt_secret, asking, utcnow().timestamp())
    stranger = ada.app.test_client()
    page = stranger.get(address)
    assert page.status_code == 200 and "coding" in page.text
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token
    form = {"token": token[1], "csrf_token": form_token(stranger)}
    wrong = stranger.post("/budget-increase", data=form | {"limit_usd": "5", "reason": ""})
    assert wrong.status_code == 422
    assert "more than the limit" in error_of(wrong, "limit_usd") and error_of(wrong, "reason")
    right = form | {"limit_usd": "25", "reason": "A release week."}
    assert stranger.post("/budget-increase", data=right).status_code == 303
    return row, address, stranger


def test_whoever_holds_the_link_of_a_refusal_asks_and_reads_the_answer(ada: Desk) -> None:
    row, address, stranger = asked_by_link(ada)
    assert "Your request is waiting" in stranger.get(address).text  # type: ignore[attr-defined]
    listed = ada.client.get(REQUESTS).text
    assert "key dev-cli" in listed and "A release week." in listed and "$25.00" in listed
    assert "1 request" in ada.client.get(HERE).text
    (request,) = BudgetIncrease.select()
    until = f"{utcnow() + timedelta(days=3):%Y-%m-%d}"
    there = f"{REQUESTS}/{request.id}"
    answer = ada.post(f"{there}/approve", limit_usd="18", until=until, note="For three days.")
    assert answer.status_code == 303
    raised = Budget.get_by_id(row.id)
    assert (raised.limit_nanousd, raised.raised_limit_nanousd) == (10 * USD, 18 * USD)
    assert raised.limit_at(utcnow() + timedelta(days=4)) == 10 * USD
    told = stranger.get(address).text  # type: ignore[attr-defined]
    assert "Approved" in told and "$18.00" in told and "For three days." in told
    actions = {audit.action for audit in AuditRow.select()}
    assert {
        "gateway.budget_increase.requested",
        "gateway.budget_increase.approved",
        "gateway.budget.raised",
    } <= actions
    assert ada.post(f"{there}/approve", limit_usd="30", until="", note="").status_code == 409


def test_a_declined_request_says_why(ada: Desk) -> None:
    row, address, stranger = asked_by_link(ada)
    (request,) = BudgetIncrease.select()
    there = f"{REQUESTS}/{request.id}/decline"
    assert ada.post(there, DRAWER, note="").status_code == 422
    assert ada.post(there, note="Not this month.").status_code == 303
    assert "Not this month." in stranger.get(address).text  # type: ignore[attr-defined]
    assert Budget.get_by_id(row.id).limit_at(utcnow()) == 10 * USD


def test_a_link_ends_with_the_person_who_was_shut_out(ada: Desk) -> None:
    row, key, person = budget(ada), a_key(ada)[0], dan()
    VirtualKey.update(principal_user_id=person.id).where(VirtualKey.id == key.id).execute()
    asking = Asking(ada.actor.organization_id, row.id, key.id, person.id)
    address = link("", ada.settings.jwt_secret, asking, utcnow().timestamp())
    stranger = ada.app.test_client()
    opened = stranger.get(address)
    assert opened.status_code == 200
    form = {"csrf_token": form_token(stranger), "token": address.partition("token=")[2]}
    offboarding.disable(ada.actor, person.id, utcnow())
    ended = stranger.get(address)
    assert ended.status_code == 404 and "ended with its virtual key" in ended.text
    asked = form | {"limit_usd": "25", "reason": "Still here."}
    assert stranger.post("/budget-increase", data=asked).status_code == 404
    assert not BudgetIncrease.select().exists()


def test_a_link_of_somebody_else_or_of_last_week_opens_nothing(ada: Desk) -> None:
    row = budget(ada)
    asking = Asking(ada.actor.organization_id, row.id, a_key(ada)[0].id, None)
    secret, now_s = ada.settings.jwt_secret, utcnow().timestamp()
    late = link("", secret, asking, now_s - 8 * 86_400)
    for address in (late, link("", ada.settings.pepper, asking, now_s), "/budget-increase"):
        answer = ada.app.test_client().get(address)
        assert (answer.status_code, "has a new link" in answer.text) == (404, True)


def test_a_person_sees_their_own_budget_and_asks_for_more(ada: Desk) -> None:
    row = budget(ada, "for dan", scope="principal", scope_id=dan().id)
    spend(row, 10 * USD)
    other = budget(ada, "of all")
    browser = ada.browser("dan@acme.test")
    page = browser.get("/me/budgets").text
    assert "for dan is spent" in page and "of all" not in page
    form = {"csrf_token": form_token(browser), "limit_usd": "40", "reason": "Tests."}
    assert browser.post(f"/me/budgets/{other.id}/request", data=form).status_code == 404
    assert browser.post(f"/me/budgets/{row.id}/request", data=form).status_code == 303
    again = browser.post(f"/me/budgets/{row.id}/request", data=form)
    assert again.status_code == 409
    assert "Pending" in browser.get("/me/budgets").text
    (request,) = BudgetIncrease.select()
    assert browser.get(f"{REQUESTS}/{request.id}/approve").status_code == 403
    ada.post(f"{REQUESTS}/{request.id}/approve", limit_usd="40", until="", note="")
    assert Budget.get_by_id(row.id).limit_nanousd == 40 * USD
    assert "$40.00 for good" in browser.get("/me/budgets").text


def test_a_key_learns_how_its_budgets_stand(ada: Desk) -> None:
    row = budget(ada)
    budget(ada, "roomy", limit_nanousd=1000 * USD)
    _, secret = a_key(ada)
    client, path = ada.app.test_client(), "/api/auth/cli/budget/status"
    assert client.get(path).status_code == 401
    headers = {"Authorization": f"Bearer {secret}"}
    fine = client.get(path, headers=headers)
    assert (fine.status_code, len(fine.json["budgets"])) == (200, 2)
    spend(row, 10 * USD)
    spent = client.get(path, headers=headers)
    assert spent.status_code == 402
    error = spent.json["error"]
    assert (error["scope"], error["limit_usd"], error["spent_usd"]) == ("organization", "10", "10")
    page = client.get(error["request_increase_url"].removeprefix("http://localhost"))
    assert page.status_code == 200 and "coding" in page.text


def test_a_request_is_told_of_in_slack_by_a_webhook_that_nobody_reads_again(
    sqlite_db: str, tmp_path: Path
) -> None:
    ada = desk(tmp_path, LANGWATCH_ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8")
    slack, page = "/settings/organization/slack", "/settings/organization"
    wrong = ada.post(slack, version=ada.version(slack), slack_url="ftp://hooks.example/x")
    assert wrong.status_code == 422 and "https://" in error_of(wrong, "slack_url")
    with slack_peer() as peer:
        stale = ada.version(slack)
        assert ada.post(slack, version=stale, slack_url=peer.url).status_code == 303
        assert "In Slack. On the Budgets page" in ada.client.get(page).text
        assert peer.url not in ada.client.get(slack).text
        assert ada.post(slack, version=stale, slack_url="").status_code == 409
        peer.answer_with(500)
        asked_by_link(ada)
        for thread in threading.enumerate():
            if thread.name == "increase in slack":
                thread.join(20)
        (told,) = peer.posts
    assert "*key dev-cli* asks for a higher limit of *coding*: $25.00, for good." in told["text"]
    assert "\n>A release week.\n<" in told["text"] and REQUESTS in told["text"]
    told_rows = AuditRow.select().where(AuditRow.action.endswith("request_channel_changed"))
    (row,) = told_rows
    assert (row.before, row.after) == ({"is_told_in_slack": False}, {"is_told_in_slack": True})
    assert peer.url not in Organization.get().sealed_request_channel
    assert ada.post(slack, version=ada.version(slack), slack_url="").status_code == 303
    assert Organization.get().sealed_request_channel is None
