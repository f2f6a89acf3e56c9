"""What administrators do with people: inviting, changing, shutting out, teams, roles, keys; with and without htmx."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.authoring import people
from core.authoring.virtual_keys import find_by_secret as key_by_secret
from core.clock import utcnow
from core.models import (
    ApiKey,
    AuditRow,
    CustomRole,
    Department,
    Group,
    Invitation,
    Member,
    Organization,
    Project,
    RoleBinding,
    ServiceAccount,
    Team,
    TeamMember,
    User,
)
from core.secrets import Secret
from tests.component.webapp.pages.desk import DRAWER, TABLES, Desk, desk, error_of, shown
from tests.component.webapp.pages.world import fixed_now, form_token

MEMBERS, TEAMS, PROJECTS = "/settings/members", "/settings/teams", "/settings/projects"
ROLES, GROUPS = "/settings/roles", "/settings/groups"


@pytest.fixture
def ada(sqlite_db: str, tmp_path: Path) -> Desk:
    return desk(tmp_path)


def dan() -> User:
    return User.get(User.email == "dan@acme.test")


def join(desk: Desk, link: str, **form: str):
    client = desk.app.test_client()
    path = link.removeprefix("http://localhost")
    page = client.get(path)
    assert page.status_code == 200
    return client, client.post(
        "/invitation", data={"csrf_token": form_token(client), "token": path.split("=")[1]} | form
    )


def test_an_invited_person_joins_with_a_password_and_a_place_in_the_team(ada: Desk) -> None:
    ada.post(TEAMS, name="Données & KI", slug="", department_id="")
    team = Team.get(Team.slug == "donnees-ki")
    answer = ada.post(
        f"{MEMBERS}/invite",
        DRAWER,
        email="Eve@acme.test",
        role="member",
        teams=[team.id],
        team_role="admin",
    )
    link = shown(answer)
    assert answer.headers["HX-Trigger"] == "listing-changed"
    assert (
        "Eve" not in ada.client.get(MEMBERS).text
        and "eve@acme.test" in ada.client.get(MEMBERS).text
    )
    assert link not in ada.client.get(MEMBERS).text
    client, wrong = join(ada, link, name="", password="short")
    assert wrong.status_code == 422
    assert error_of(wrong, "name") and error_of(wrong, "password")
    client, answer = join(ada, link, name="Eve", password="a good password")
    assert answer.status_code == 303
    assert "Hello, Eve" in client.get("/home").text
    eve = User.get(User.email == "eve@acme.test")
    assert (
        TeamMember.get(TeamMember.user_id == eve.id, TeamMember.team_id == team.id).role == "admin"
    )
    assert Project.select().where(Project.owner_user_id == eve.id, Project.is_personal).count() == 1
    assert client.get(link).status_code == 404
    assert client.get(f"{TEAMS}/{team.id}").status_code == 200
    assert "Edit" in client.get(f"{TEAMS}/{team.id}").text


def test_a_resent_invitation_has_one_link_and_a_cancelled_one_has_none(ada: Desk) -> None:
    first = shown(ada.post(f"{MEMBERS}/invite", email="eve@acme.test", role="external"))
    invitation = Invitation.get()
    second = shown(ada.post(f"/settings/invitations/{invitation.id}/renew", DRAWER))
    stranger = ada.app.test_client()
    assert stranger.get(first).status_code == 404
    assert stranger.get(second).status_code == 200
    third = shown(ada.post(f"{MEMBERS}/invite", email="eve@acme.test", role="member"))
    assert stranger.get(second).status_code == 404
    newest = Invitation.get(Invitation.cancelled_at.is_null())
    assert ada.post(f"/settings/invitations/{newest.id}/cancel").status_code == 303
    assert stranger.get(third).status_code == 404
    taken = ada.post(f"{MEMBERS}/invite", DRAWER, email="dan@acme.test", role="member")
    assert taken.status_code == 422 and "already" in error_of(taken, "email")


def test_a_second_save_is_told_what_changed_and_keeps_what_was_typed(ada: Desk) -> None:
    path = f"{MEMBERS}/{dan().id}/edit"
    opened = ada.version(path)
    form = {"email": "dan@acme.test", "role": "member", "department_id": ""}
    assert ada.post(path, name="Daniel", version=opened, **form).status_code == 303
    stale = ada.post(path, DRAWER, name="Danny", version=opened, **form)
    assert stale.status_code == 409
    assert 'value="Danny"' in stale.text
    assert re.search(r"<del>Dan</del> → <ins>Daniel</ins>.*Ada Lovelace", stale.text)
    assert "Save over it" in stale.text and "HX-Reswap" not in stale.headers
    assert dan().name == "Daniel"
    newer = re.search(r'name="version" value="(\w+)"', stale.text)
    assert newer and ada.post(path, name="Danny", version=newer[1], **form).status_code == 303
    assert dan().name == "Danny"


def test_a_disabled_member_is_out_with_everything_and_one_line_tells_it(ada: Desk) -> None:
    browser = ada.browser("dan@acme.test")
    secret = shown(
        browser.post(
            "/me/api-keys",
            data={"name": "ci", "permission_mode": "all", "csrf_token": form_token(browser)},
        )
    )
    state = "/api/governance/setup-state"
    headers = {"Authorization": f"Bearer {secret}"}
    stranger = ada.app.test_client()
    assert stranger.get(state, headers=headers).status_code == 403
    answer = ada.post(f"{MEMBERS}/{dan().id}/disable", TABLES)
    assert answer.status_code == 303
    assert browser.get("/home").status_code == 303
    assert stranger.get(state, headers=headers).status_code == 401
    told = AuditRow.get(AuditRow.action == "user.deactivated")
    assert told.after["api_keys_revoked"] == [ApiKey.get().id]
    assert told.before["disabled_at"] is None and told.after["disabled_at"]
    ada.post(f"{MEMBERS}/{dan().id}/enable")
    assert stranger.get(state, headers=headers).status_code == 401
    assert ada.browser("dan@acme.test").get("/home").status_code == 200
    last = ada.post(f"{MEMBERS}/{ada.actor.actor_id}/disable")
    assert last.status_code == 422


def test_a_removed_member_leaves_everything_and_may_be_invited_again(ada: Desk) -> None:
    who = dan()
    ada.post(TEAMS, name="Sales", slug="sales", department_id="")
    team = Team.get(Team.slug == "sales")
    ada.post(f"{TEAMS}/{team.id}/people", email=who.email, role="viewer")
    ada.post(f"{ROLES}/bindings", kind="user", who=who.email, role="viewer", where="organization")
    assert RoleBinding.select().count() == 1
    people.ensure_personal_project(ada.actor, who, fixed_now())
    ada.post(f"{MEMBERS}/{who.id}/remove")
    assert not Member.select().where(Member.user_id == who.id).exists()
    assert not TeamMember.select().where(TeamMember.user_id == who.id).exists()
    assert RoleBinding.select().count() == 0
    workspace = Project.get(Project.owner_user_id == who.id)
    assert workspace.archived_at is not None
    link = shown(ada.post(f"{MEMBERS}/invite", email=who.email, role="member"))
    _, answer = join(ada, link, name="Dan again", password="a good password")
    assert answer.status_code == 303
    assert dan().id == who.id and dan().name == "Dan again"
    workspace = Project.get(Project.owner_user_id == who.id)
    assert workspace.archived_at is None


def test_a_link_for_a_new_password_works_once(ada: Desk) -> None:
    browser = ada.browser("dan@acme.test")
    link = shown(ada.post(f"{MEMBERS}/{dan().id}/password-link", DRAWER))
    stranger = ada.app.test_client()
    assert stranger.get(link).status_code == 200
    form = {"csrf_token": form_token(stranger), "token": link.split("=")[1]}
    assert stranger.post("/password", data=form | {"password": "short"}).status_code == 422
    assert stranger.post("/password", data=form | {"password": "brand new one"}).status_code == 303
    assert stranger.get(link).status_code == 404
    assert browser.get("/home").status_code == 303
    again = stranger.post("/password", data=form | {"password": "another new one"})
    assert again.status_code == 404


def test_a_link_for_a_new_password_ends_with_what_makes_it_needless_or_dangerous(ada: Desk) -> None:
    stranger, dan_id = ada.app.test_client(), dan().id
    dans = f"{MEMBERS}/{dan_id}"

    def link_after(work: Callable[[], object]) -> int:
        link = shown(ada.post(f"{dans}/password-link", DRAWER))
        work()
        return stranger.get(link).status_code

    person = {"name": "Dan", "email": "dan@acme.test", "role": "member", "department_id": ""}
    assert link_after(lambda: ada.post(f"{dans}/edit", **person | {"name": "Daniel"})) == 200
    # Who reads the mail of the address before would be in.
    assert link_after(lambda: ada.post(f"{dans}/edit", **person | {"email": "d@acme.test"})) == 404
    chosen = Secret("chosen in the meantime")
    assert link_after(lambda: people.set_password(ada.actor, dan_id, chosen, utcnow())) == 404
    assert link_after(lambda: ada.post(f"{dans}/disable")) == 404


def test_teams_projects_and_departments_are_made_moved_and_archived(ada: Desk) -> None:
    ada.post("/settings/departments", name="Research")
    department = Department.get()
    ada.post(TEAMS, name="Engineering", slug="eng", department_id=department.id)
    ada.post(TEAMS, name="Sales", slug="sales", department_id="")
    eng, sales = Team.get(Team.slug == "eng"), Team.get(Team.slug == "sales")
    ada.post(PROJECTS, name="Bots", slug="", team_id=eng.id, department_id="")
    bots = Project.get(Project.slug == "bots")
    path = f"{PROJECTS}/{bots.id}/edit"
    version = ada.version(path)
    moved = ada.post(
        path, name="Bots", team_id=sales.id, department_id=department.id, version=version
    )
    assert moved.status_code == 303
    assert Project.get_by_id(bots.id).team_id == sales.id
    stale = ada.post(path, DRAWER, name="B", team_id=eng.id, department_id="", version=version)
    assert stale.status_code == 409 and "Team id" in stale.text
    held = ada.post(f"{TEAMS}/{sales.id}/archive")
    assert held.status_code == 409 and held.headers["HX-Reswap"] == "none"
    assert ada.post(f"{PROJECTS}/{bots.id}/archive").status_code == 303
    assert ada.post(f"{TEAMS}/{sales.id}/archive").status_code == 303
    ada.post(f"/settings/departments/{department.id}/archive")
    assert "Unassigned" in ada.client.get(TEAMS).text
    again = ada.post("/settings/departments", DRAWER, name="Research")
    assert again.headers["HX-Redirect"] == "/settings/departments"
    assert Department.select().count() == 2


def test_a_team_administrator_manages_that_team_and_sees_no_other(ada: Desk) -> None:
    for slug in ("eng", "sales"):
        ada.post(TEAMS, name=slug.title(), slug=slug, department_id="")
    eng, sales = Team.get(Team.slug == "eng"), Team.get(Team.slug == "sales")
    ada.post(PROJECTS, name="CRM", slug="crm", team_id=sales.id, department_id="")
    ada.post(f"{TEAMS}/{eng.id}/people", email="dan@acme.test", role="admin")
    browser = ada.browser("dan@acme.test")
    listed = browser.get(TEAMS).text
    assert "Eng" in listed and "Sales" not in listed and "New team" not in listed
    assert browser.get(f"{TEAMS}/{sales.id}").status_code == 403
    token = {"csrf_token": form_token(browser)}
    mine = {"name": "Bots", "slug": "bots", "team_id": eng.id, "department_id": ""}
    assert browser.post(PROJECTS, data=mine | token).status_code == 303
    theirs = browser.post(PROJECTS, data=mine | token | {"team_id": sales.id, "slug": "b2"})
    assert theirs.status_code == 422
    bots = Project.get(Project.slug == "bots")
    moved = browser.post(f"{PROJECTS}/{bots.id}/edit", data=mine | token | {"team_id": sales.id})
    assert moved.status_code == 422
    seen = browser.get(PROJECTS).text
    assert "Bots" in seen and "CRM" not in seen
    added = browser.post(
        f"{TEAMS}/{eng.id}/people", data=token | {"email": "ada@acme.test", "role": "viewer"}
    )
    assert added.status_code == 303
    gone = browser.post(f"{TEAMS}/{eng.id}/people/{ada.actor.actor_id}/remove", data=token)
    assert gone.status_code == 303


def test_a_custom_role_given_to_a_group_is_everybodys_in_it(ada: Desk) -> None:
    browser = ada.browser("dan@acme.test")
    assert browser.get("/governance").status_code == 403
    wrong = ada.post(ROLES, DRAWER, name="", description="", permissions=["tea:brew"])
    assert wrong.status_code == 422 and "tea:brew" in error_of(wrong, "permissions")
    ada.post(ROLES, name="Analyst", description="", permissions=["governance:view"])
    role = CustomRole.get()
    ada.post(GROUPS, name="Security")
    group = Group.get()
    ada.post(f"{GROUPS}/{group.id}/people", email="dan@acme.test")
    form = {"kind": "group", "who": "Security", "role": f"custom:{role.id}"}
    ada.post(f"{ROLES}/bindings", where="organization", **form)
    assert browser.get("/governance").status_code == 200
    assert "activityMonitor:view" in browser.get("/governance").text
    listed = ada.client.get(ROLES).text
    assert "Security" in listed and "Analyst" in listed
    held = ada.post(f"{ROLES}/{role.id}/delete")
    assert held.status_code == 409
    ada.post(f"{GROUPS}/{group.id}/people/{dan().id}/remove")
    assert browser.get("/governance").status_code == 403
    ada.post(f"{ROLES}/bindings/{RoleBinding.get().id}/delete")
    assert ada.post(f"{ROLES}/{role.id}/delete").status_code == 303
    assert ada.post(f"{GROUPS}/{group.id}/delete").status_code == 303


def test_a_service_accounts_key_does_what_its_roles_grant(ada: Desk) -> None:
    ada.post("/settings/service-accounts", name="terraform", description="")
    account = ServiceAccount.get()
    answer = ada.post(
        "/settings/api-keys",
        DRAWER,
        name="plan",
        owner=account.id,
        permission_mode="readonly",
        expires_days="30",
    )
    secret = shown(answer)
    headers = {"Authorization": f"Bearer {secret}"}
    stranger, state = ada.app.test_client(), "/api/governance/setup-state"
    assert stranger.get(state, headers=headers).status_code == 403
    form = {"kind": "service_account", "who": "terraform", "role": "admin"}
    ada.post(f"{ROLES}/bindings", where="organization", **form)
    assert stranger.get(state, headers=headers).status_code == 200
    listed = ada.client.get("/settings/api-keys").text
    assert "terraform" in listed and secret not in listed
    wrong = ada.post(
        "/settings/api-keys",
        DRAWER,
        name="x",
        owner=account.id,
        permission_mode="all",
        expires_days="0",
    )
    assert "1 to 3650" in error_of(wrong, "expires_days")
    ada.post(f"/settings/api-keys/{ApiKey.get().id}/revoke")
    assert stranger.get(state, headers=headers).status_code == 401
    assert key_by_secret(ada.settings.pepper, secret, fixed_now()) is None


def test_people_mind_their_own_account_and_no_other(ada: Desk) -> None:
    browser, other = ada.browser("dan@acme.test"), ada.browser("dan@acme.test")

    def send(path: str, **form: str):
        return browser.post(path, data=form | {"csrf_token": form_token(browser)})

    assert send("/me/settings/edit", name="Dan D.").status_code == 303
    assert dan().name == "Dan D."
    wrong = send("/me/settings/password", present="no", password="a brand new one")
    assert "not your password" in error_of(wrong, "present")
    assert "a brand new one" not in wrong.text
    done = send(
        "/me/settings/password", present="correct horse battery", password="a brand new one"
    )
    assert done.status_code == 303
    assert browser.get("/me/settings").status_code == 200
    assert other.get("/me/settings").status_code == 303
    ada_key = shown(ada.post("/me/api-keys", name="mine", permission_mode="all"))
    assert ada_key.startswith("sk-lw-")
    assert send(f"/me/api-keys/{ApiKey.get().id}/revoke").status_code == 404
    assert ada.post(f"/me/api-keys/{ApiKey.get().id}/revoke").status_code == 303
    third = ada.browser("ada@acme.test")
    assert ada.post("/me/settings/sessions").status_code == 303
    assert ada.client.get("/me/settings").status_code == 200
    assert third.get("/me/settings").status_code == 303


def test_a_slug_is_chosen_once_where_the_first_start_gave_one(ada: Desk) -> None:
    path, form = "/settings/organization/edit", {"name": "Acme", "support_contact": ""}
    assert 'name="slug"' not in ada.client.get(path).text
    headers = {"X-CSRF-Token": form_token(ada.client)}
    twin = "/api/governance/organization"
    refused = ada.client.patch(twin, json={"slug": "other"}, headers=headers)
    assert refused.status_code == 422 and "stays for good" in refused.text
    Organization.update(slug="default").execute()
    assert 'name="slug"' in ada.client.get(path).text
    assert "lower-case letters" in error_of(ada.post(path, DRAWER, **form, slug="No Slug"), "slug")
    assert ada.post(path, **form, slug="acme-two").status_code == 303
    assert Organization.get().slug == "acme-two"
    assert 'name="slug"' not in ada.client.get(path).text


def test_the_organizations_settings_are_checked_and_kept(ada: Desk) -> None:
    path = "/settings/organization/edit"
    version = ada.version(path)
    form = {"name": "Acme", "support_contact": "it@acme.test", "version": version}
    wrong = ada.post(path, DRAWER, **form | {"max_session_days": "400"})
    assert "0 to 365" in error_of(wrong, "max_session_days")
    assert ada.post(path, **form | {"max_session_days": "30"}).status_code == 303
    shown_page = ada.client.get("/settings/organization").text
    assert "30 days" in shown_page and "it@acme.test" in shown_page
    assert ada.post(path, DRAWER, **form | {"max_session_days": "7"}).status_code == 409
    assert (
        AuditRow.select()
        .where(AuditRow.action == "organization.max_session_duration_changed")
        .exists()
    )
    browser = ada.browser("dan@acme.test")
    assert "Edit" not in browser.get("/settings/organization").text.partition("<main")[2]
