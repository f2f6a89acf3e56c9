"""SCIM as directories speak it: people and groups come, change, leave; with what each of those ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring import api_keys, bindings, groups, people, scim_tokens, virtual_keys
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.models import (
    ApiKey,
    AuditRow,
    ChangeEvent,
    Department,
    Member,
    ScimToken,
    User,
    VirtualKey,
)
from tests.component.webapp.app.site import Site, form_token, sign_in, site
from tests.statements import counted
from webapp.scim import ENTERPRISE, ERROR, GROUP, PATCH, USER

pytestmark = pytest.mark.usefixtures("db")


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with its organization's token."""

    made: Site
    client: FlaskClient
    token: str

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> TestResponse:
        """Send a request; ``body`` becomes JSON."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return self.client.open(f"/scim/v2{path}", method=method, json=body, headers=headers)

    def add(self, who: str, **more: Any) -> dict[str, Any]:
        """Add a person and return the answer's body."""
        body = {"schemas": [USER], "userName": f"{who}@acme.test", "displayName": who.title()}
        answer = self.ask("POST", "/Users", body | more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def patch(self, path: str, *operations: dict[str, Any]) -> TestResponse:
        """Send a patch."""
        return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    made = site(tmp_path)
    pepper = made.app.extensions["control_plane"].settings.pepper
    token = scim_tokens.mint(made.org.actor, pepper, utcnow())
    yield Directory(made, made.app.test_client(), token.reveal())


def test_only_the_newest_token_of_an_organization_opens_anything(directory: Directory) -> None:
    for token in ("lw_scim_" + "x" * 43, "sk-lw-" + "x" * 43, "x"):
        answer = directory.ask("GET", "/Users", token=token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json["schemas"] == [ERROR]
    assert directory.client.get("/scim/v2/ServiceProviderConfig").status_code == 401
    ada = sign_in(directory.made.app, "ada@acme.test")
    ada.get("/home")
    page = ada.post("/settings/sign-in/directory-token", data={"csrf_token": form_token(ada)})
    assert "lw_scim_" in page.text
    assert directory.ask("GET", "/Users").status_code == 401
    assert directory.token not in str([row.__data__ for row in ScimToken.select()])


def test_the_service_says_what_it_can(directory: Directory) -> None:
    config = directory.ask("GET", "/ServiceProviderConfig")
    assert config.content_type == "application/scim+json"
    assert config.json["patch"]["supported"] is True and config.json["bulk"]["supported"] is False
    assert {r["id"] for r in directory.ask("GET", "/ResourceTypes").json["Resources"]} == {
        "User",
        "Group",
    }
    ids = {r["id"] for r in directory.ask("GET", "/Schemas").json["Resources"]}
    assert ids == {USER, GROUP, ENTERPRISE}


def test_a_person_is_added_found_changed_and_listed(directory: Directory) -> None:
    extension = {ENTERPRISE: {"costCenter": "R&D"}}
    eve = directory.add(
        "eve", externalId="00u1", name={"givenName": "Eve", "familyName": "E."}, **extension
    )
    assert eve["name"]["formatted"] == "Eve E." and eve["active"] is True
    assert eve[ENTERPRISE]["costCenter"] == "R&D"
    again = directory.ask("POST", "/Users", {"userName": "EVE@acme.test"})
    assert (again.status_code, again.json["scimType"]) == (409, "uniqueness")
    for filter_text in (
        'userName eq "Eve@acme.test"',
        'externalId EQ "00u1"',
        f'id eq "{eve["id"]}"',
    ):
        found = directory.ask("GET", f"/Users?filter={filter_text}").json
        assert [r["id"] for r in found["Resources"]] == [eve["id"]], filter_text
    assert directory.ask("GET", '/Users?filter=userName eq "no@x.y"').json["totalResults"] == 0
    wrong = directory.ask("GET", '/Users?filter=userName sw "e"')
    assert (wrong.status_code, wrong.json["scimType"]) == (400, "invalidFilter")
    page = directory.ask("GET", "/Users?startIndex=2&count=1").json
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (3, 2, 1)
    assert directory.ask("GET", "/Users?count=0").json["Resources"] == []
    path = f"/Users/{eve['id']}"
    put = directory.ask("PUT", path, {"userName": "eve2@acme.test", "displayName": "Eve Two"})
    assert (put.status_code, put.json["userName"]) == (200, "eve2@acme.test")
    assert "externalId" not in put.json and ENTERPRISE not in put.json
    assert Department.select().count() == 1


def test_a_text_with_a_nul_is_refused_by_name(directory: Directory) -> None:
    answer = directory.ask("POST", "/Users", {"userName": "a\0b@acme.test", "active": True})
    assert (answer.status_code, answer.json["scimType"]) == (400, "invalidValue")


def test_patches_as_directories_send_them(directory: Directory) -> None:
    eve = directory.add("eve")
    path = f"/Users/{eve['id']}"
    patched = directory.patch(
        path,
        {"op": "Replace", "path": "displayName", "value": "Eva"},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "eva@acme.test"},
        {"op": "add", "path": f"{ENTERPRISE}:costCenter", "value": "Sales"},
        {"op": "add", "value": {"externalId": "x1", "nickName": "kept nowhere"}},
    )
    assert patched.status_code == 200, patched.text
    assert patched.json["displayName"] == "Eva" and patched.json["userName"] == "eva@acme.test"
    assert patched.json["externalId"] == "x1"
    assert patched.json[ENTERPRISE]["department"] == "Sales"
    named = directory.patch(path, {"op": "replace", "path": "name.familyName", "value": "Stone"})
    assert named.json["displayName"] == "Eva Stone"
    cleared = directory.patch(path, {"op": "remove", "path": f"{ENTERPRISE}:costCenter"})
    assert ENTERPRISE not in cleared.json
    for body in (
        {"op": "explode", "path": "active"},
        {"op": "remove"},
        {"op": "replace", "path": "active", "value": "maybe"},
        {"op": "replace", "value": "text"},
        "text",
    ):
        answer = directory.ask("PATCH", path, {"Operations": [body]})
        assert answer.status_code == 400 and answer.json["schemas"] == [ERROR], body
    assert directory.ask("PATCH", path, {"Operations": []}).status_code == 400
    assert (
        directory.client.open(
            f"/scim/v2{path}",
            method="PUT",
            data=b"{",
            headers={"Authorization": f"Bearer {directory.token}"},
        ).status_code
        == 400
    )
    ada = User.get(User.email == "ada@acme.test").id
    moved = {"op": "replace", "value": {"userName": "mine@evil.test"}}
    assert directory.patch(f"/Users/{ada}", moved).status_code == 403
    assert User.get_by_id(ada).email == "ada@acme.test"
    taken = directory.patch(path, {"op": "replace", "path": "userName", "value": "ada@acme.test"})
    assert taken.status_code == 400 and "already" in taken.json["detail"]
    assert directory.patch("/Users/none", {"op": "remove", "path": "name"}).status_code == 404


def test_deactivating_ends_everything_in_one_transaction_with_one_line(
    directory: Directory,
) -> None:
    org, now = directory.made.org, utcnow()
    eve = directory.add("eve")
    pepper = directory.made.app.extensions["control_plane"].settings.pepper
    key, _ = virtual_keys.create(
        org.actor, NewVirtualKey("eve's", org.project.id, (org.openai.id,), eve["id"]), pepper, now
    )
    api_key, secret = api_keys.create(
        org.actor, api_keys.NewApiKey("ci", "user", eve["id"]), pepper, now
    )
    browser = directory.made.app.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = f"{eve['id']}:0"
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    assert browser.get("/home").status_code == 200
    state = "/api/governance/setup-state"
    assert directory.client.get(state, headers=headers).status_code == 403
    answer = directory.patch(
        f"/Users/{eve['id']}", {"op": "Replace", "path": "active", "value": "False"}
    )
    assert answer.json["active"] is False
    assert VirtualKey.get_by_id(key.id).status == "revoked"
    assert ApiKey.get_by_id(api_key.id).revoked_at is not None
    kinds = [e.kind for e in ChangeEvent.select().where(ChangeEvent.virtual_key_id == key.id)]
    assert kinds[-1] == "VK_REVOKED"
    assert browser.get("/home").status_code == 303
    assert directory.client.get(state, headers=headers).status_code == 401
    told = AuditRow.get(AuditRow.action == "user.deactivated")
    assert (told.actor_id, told.surface) == ("scim", "api")
    assert told.after["virtual_keys_revoked"] == [key.id]
    assert told.after["api_keys_revoked"] == [api_key.id]
    back = directory.patch(f"/Users/{eve['id']}", {"op": "replace", "value": {"active": True}})
    assert back.json["active"] is True
    assert VirtualKey.get_by_id(key.id).status == "revoked"


def test_a_deleted_person_is_gone_and_comes_back_as_the_same(directory: Directory) -> None:
    eve = directory.add("eve")
    path = f"/Users/{eve['id']}"
    assert directory.ask("DELETE", path).status_code == 204
    assert directory.ask("GET", path).status_code == 404
    assert not Member.select().where(Member.user_id == eve["id"]).exists()
    assert directory.add("eve")["id"] == eve["id"]
    last = directory.ask("DELETE", f"/Users/{directory.made.org.ada.id}")
    assert last.status_code == 400 and "administrator" in last.json["detail"]


def test_a_group_gives_its_people_the_roles_bound_to_it(directory: Directory) -> None:
    eve, sam = directory.add("eve"), directory.add("sam")
    body = {"schemas": [GROUP], "displayName": "Analysts", "members": [{"value": eve["id"]}]}
    made = directory.ask("POST", "/Groups", body)
    assert made.status_code == 201 and [m["value"] for m in made.json["members"]] == [eve["id"]]
    assert directory.ask("POST", "/Groups", body).status_code == 409
    org, group_id = directory.made.org, made.json["id"]
    new = bindings.NewBinding("group", group_id, "admin", "organization", org.organization.id)
    bindings.create(org.actor, new, utcnow())
    browser = directory.made.app.test_client()

    def opens(user_id: str) -> bool:
        with browser.session_transaction() as session:
            session["_user_id"] = f"{user_id}:0"
        return browser.get("/settings/members").status_code == 200

    assert opens(eve["id"]) and not opens(sam["id"])
    path = f"/Groups/{group_id}"
    added = directory.patch(path, {"op": "Add", "path": "members", "value": [{"value": sam["id"]}]})
    assert {m["value"] for m in added.json["members"]} == {eve["id"], sam["id"]}
    assert opens(sam["id"])
    directory.patch(path, {"op": "remove", "path": f'members[value eq "{eve["id"]}"]'})
    assert not opens(eve["id"]) and opens(sam["id"])
    renamed = directory.patch(path, {"op": "replace", "value": {"displayName": "Auditors"}})
    assert renamed.json["displayName"] == "Auditors"
    found = directory.ask("GET", '/Groups?filter=displayName eq "Auditors"').json
    assert [m["value"] for m in found["Resources"][0]["members"]] == [sam["id"]]
    stranger = directory.patch(
        path, {"op": "add", "path": "members", "value": [{"value": "user_x"}]}
    )
    assert stranger.status_code == 400
    put = directory.ask("PUT", path, {"displayName": "Auditors", "members": []})
    assert put.json["members"] == [] and not opens(sam["id"])
    assert directory.ask("DELETE", path).status_code == 204
    assert directory.ask("GET", path).status_code == 404


def test_groups_that_are_kept_here_are_not_the_directorys(directory: Directory) -> None:
    row = groups.create(directory.made.org.actor, "Ours", utcnow())
    assert directory.ask("GET", "/Groups").json["totalResults"] == 0
    assert directory.ask("GET", f"/Groups/{row.id}").status_code == 404
    assert directory.ask("DELETE", f"/Groups/{row.id}").status_code == 404
    assert directory.ask("POST", "/Groups", {"displayName": "Ours"}).status_code == 409


def test_a_list_costs_the_same_however_long_it_is(directory: Directory) -> None:
    prices = []
    for count in (2, 9):
        for n in range(count):
            name = f"p{User.select().count()}-{n}"
            directory.add(name, **{ENTERPRISE: {"costCenter": f"C{n}"}})
        with counted() as statements:
            assert directory.ask("GET", "/Users?count=200").status_code == 200
        prices.append(len(statements.selects()))
    assert prices[0] == prices[1] <= 5
    person = people.find_by_email(directory.made.org.organization.id, "dan@acme.test")
    assert person is not None
