"""Each settings page on both databases: its price in statements whatever the size, its fragment, its search."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from core.authoring import (
    api_keys,
    bindings,
    custom_roles,
    departments,
    groups,
    invitations,
    people,
    projects,
    service_accounts,
    team_members,
    teams,
)
from core.authoring.search_words import insert_words, person_words
from core.database import connection, transaction
from core.models import Member, User
from tests.component.webapp.pages.desk import TABLES, Desk, desk
from tests.component.webapp.pages.world import fixed_now
from tests.statements import counted
from webapp.queries.keyset import cursor_of

PAGES = (
    "/settings/members",
    "/settings/members/invitations",
    "/settings/groups",
    "/settings/groups/{group}",
    "/settings/teams",
    "/settings/teams/{team}",
    "/settings/projects",
    "/settings/departments",
    "/settings/roles",
    "/settings/service-accounts",
    "/settings/api-keys",
    "/settings/sign-in",
    "/settings/organization",
    "/me/settings",
)
FORMS = (
    "/settings/members/invite",
    "/settings/members/{user}/edit",
    "/settings/groups/new",
    "/settings/groups/{group}/people/new",
    "/settings/teams/new",
    "/settings/teams/{team}/edit",
    "/settings/teams/{team}/people/{user}/edit",
    "/settings/projects/new",
    "/settings/projects/{project}/edit",
    "/settings/departments/new",
    "/settings/roles/new",
    "/settings/roles/{role}/edit",
    "/settings/roles/bindings/new",
    "/settings/service-accounts/new",
    "/settings/api-keys/new",
    "/settings/sign-in/new",
    "/settings/organization/edit",
    "/me/settings/password",
    "/me/settings/sessions",
)
MEMBERS = 10_000


def furnish(ada: Desk, count: int) -> dict[str, str]:
    """Make ``count`` of everything and return ids that page addresses need."""
    actor, now, pepper = ada.actor, fixed_now(), ada.settings.pepper
    ids: dict[str, str] = {}
    with connection():
        for _ in range(count):
            suffix = str(User.select().count())
            user = people.create(
                actor, people.NewUser(f"p{suffix}@acme.test", f"Person {suffix}", "member"), now
            )
            department = departments.create(actor, f"Department {suffix}", now)
            team = teams.create(actor, f"Team {suffix}", f"team-{suffix}", now, department.id)
            project = projects.create(actor, f"Project {suffix}", f"p-{suffix}", team.id, now)
            role = custom_roles.create(
                actor, custom_roles.NewRole(f"Role {suffix}", ("team:view",)), now
            )
            group = groups.create(actor, f"Group {suffix}", now)
            groups.add_member(actor, group.id, user.id, now)
            team_members.put(actor, team.id, user.id, "custom", now, role.id)
            account = service_accounts.create(
                actor, service_accounts.NewServiceAccount(f"Account {suffix}"), now
            )
            key = api_keys.NewApiKey(
                "k", "service_account", account.id, expires_at=now + timedelta(9)
            )
            api_keys.create(actor, key, pepper, now)
            api_keys.create(actor, api_keys.NewApiKey("k", "user", actor.actor_id), pepper, now)
            for kind, principal in (("user", user), ("group", group), ("service_account", account)):
                new = bindings.NewBinding(kind, principal.id, "viewer", "project", project.id)
                bindings.create(actor, new, now)
            invitations.create(
                actor, invitations.NewInvitation(f"i{suffix}@acme.test", "member"), pepper, now
            )
            ids = {
                "user": user.id,
                "team": team.id,
                "project": project.id,
                "group": group.id,
                "role": role.id,
            }
    return ids


@pytest.fixture
def ada(db: str, tmp_path: Path) -> Desk:
    return desk(tmp_path)


def test_a_page_costs_the_same_statements_whatever_it_lists(ada: Desk) -> None:
    prices = []
    for count in (1, 3):
        ids = furnish(ada, count)
        found = {}
        for path in PAGES:
            with counted() as statements:
                page = ada.client.get(path.format(**ids))
            assert page.status_code == 200, page.text
            found[path] = len(statements.selects())
        prices.append(found)
    assert prices[0] == prices[1]
    assert max(prices[1].values()) <= 11, prices[1]


def test_each_page_is_well_formed_and_its_tables_come_alone(ada: Desk) -> None:
    ids = furnish(ada, 2)
    for path in (*PAGES, *FORMS):
        address = path.format(**ids)
        text = ada.client.get(address).text
        found = re.findall(r'\sid="([^"]+)"', text)
        assert len(found) == len(set(found)), (path, sorted(found))
        pointed = re.findall(
            r'(?:aria-describedby|aria-labelledby|popovertarget|for|form)="([^"]+)"', text
        )
        assert {name for group in pointed for name in group.split()} <= set(found), path
        assert not re.search(r"<(?:button|a)[^>]*>\s*</(?:button|a)>", text), path
        is_form = path in FORMS
        headers = {"HX-Request": "true", "HX-Target": "dialog#drawer"} if is_form else TABLES
        part = ada.client.get(address, headers=headers).text.lstrip()
        assert part.startswith('<dialog id="drawer"' if is_form else '<div id="tables"'), path


def test_a_search_finds_people_by_name_and_address_and_nothing_by_wildcards(ada: Desk) -> None:
    found = ada.client.get("/settings/members?q=LOVELACE", headers=TABLES).text
    assert "ada@acme.test" in found and "dan@acme.test" not in found
    assert "dan@acme.test" in ada.client.get("/settings/members?q=dan%40").text
    for nobody in ("%25", "_", "%5C", "nobody"):
        assert "Nobody matches" in ada.client.get(f"/settings/members?q={nobody}").text


def test_ten_thousand_members_list_in_as_many_statements_as_three(ada: Desk) -> None:
    with counted() as few:
        ada.client.get("/settings/members")
    _crowd(ada.actor.organization_id)
    searched = f"/settings/members?q=person&after={cursor_of(['Person 9', 'user_00009'])}"
    for path, more in (("/settings/members", 0), (searched, 1)):
        with counted() as many:
            page = ada.client.get(path)
        assert page.status_code == 200
        # What is searched for is counted first.
        assert len(many.selects()) == len(few.selects()) + more
    assert "1,000+ people" in page.text and "Person 9000" in page.text
    last = ada.client.get(f"/settings/members?after={cursor_of(['Person 9998', ''])}").text
    assert ">Next</a>" not in last and ">Previous</a>" in last and "Person 9999" in last


def _crowd(organization_id: str) -> None:
    now = fixed_now()
    users = [
        {
            "id": f"user_{n:05d}",
            "email": f"person{n}@crowd.test",
            "name": f"Person {n}",
            "created_at": now,
        }
        for n in range(MEMBERS)
    ]
    members = [
        {
            "id": f"member_{n:05d}",
            "organization_id": organization_id,
            "user_id": f"user_{n:05d}",
            "role": "member",
            "created_at": now,
        }
        for n in range(MEMBERS)
    ]
    with transaction():
        for start in range(0, MEMBERS, 1000):
            User.insert_many(users[start : start + 1000]).execute()
            Member.insert_many(members[start : start + 1000]).execute()
        for user in users:
            insert_words(person_words(organization_id, user["id"], user["name"], user["email"]))
