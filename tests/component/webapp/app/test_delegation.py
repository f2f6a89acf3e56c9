"""Nobody gives more than they hold, whoever they are and whichever way the gift takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring import (
    api_keys,
    bindings,
    custom_roles,
    groups,
    guardrails,
    invitations,
    people,
    service_accounts,
    team_members,
    teams,
    virtual_keys,
)
from core.authoring.api_keys import NewApiKey
from core.authoring.bindings import NewBinding
from core.authoring.custom_roles import NewRole
from core.authoring.guardrails import NewGuardrail
from core.authoring.invitations import NewInvitation
from core.authoring.passwords import hashed
from core.authoring.people import NewUser
from core.authoring.service_accounts import NewServiceAccount
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.database import connection
from core.models import ApiKey, Invitation, Member, OneTimeLink, RoleBinding, TeamMember, User
from tests.component.webapp.app.site import PASSWORD, Site, csrf_of, form_token, sign_in, site

pytestmark = pytest.mark.usefixtures("sqlite_db")
HERE = "/api/governance"
Ask = Callable[..., TestResponse]


@dataclass(frozen=True, slots=True)
class Program:
    """An API key, and what it is asked to do."""

    client: FlaskClient
    secret: str
    root: str = HERE

    def __call__(self, method: str, path: str, body: Any = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.secret}"}
        return self.client.open(f"{self.root}{path}", method=method, json=body, headers=headers)


def program(made: Site, owner_id: str, root: str = HERE, **more: Any) -> Program:
    new = NewApiKey(f"key of {owner_id}", "user", owner_id, **more)
    pepper = made.app.extensions["control_plane"].settings.pepper
    _, secret = api_keys.create(made.org.actor, new, pepper, utcnow())
    return Program(made.app.test_client(), secret.reveal(), root)


def clerk_of(made: Site) -> str:
    """Make somebody who manages the organization and holds nothing else, and return who."""
    actor, now = made.org.actor, utcnow()
    clerk = people.create(actor, NewUser("clerk@acme.test", "Clerk", "member"), now)
    role = custom_roles.create(actor, NewRole("Clerk", ("organization:manage",)), now)
    own = NewBinding("user", clerk.id, "custom", "organization", actor.organization_id, role.id)
    bindings.create(actor, own, now)
    return str(clerk.id)


@pytest.fixture
def made(tmp_path: Path) -> Site:
    return site(tmp_path)


@pytest.mark.parametrize("who", ["a restricted key of an administrator", "a clerk's own key"])
def test_managing_the_organization_is_not_the_way_to_hold_more(made: Site, who: str) -> None:
    org, actor, now = made.org, made.org.actor, utcnow()
    clerk, pepper = clerk_of(made), made.app.extensions["control_plane"].settings.pepper
    if who.startswith("a restricted"):
        ask = program(
            made, org.ada.id, permission_mode="restricted", scopes=("organization:manage",)
        )
    else:
        ask = program(made, clerk)
    everywhere = {"scope": "organization", "scope_id": actor.organization_id}
    account = service_accounts.create(actor, NewServiceAccount("root"), now)
    bindings.create(
        actor,
        NewBinding("service_account", account.id, "admin", "organization", actor.organization_id),
        now,
    )
    admins = groups.create(actor, "Admins", now)
    bindings.create(
        actor, NewBinding("group", admins.id, "admin", "organization", actor.organization_id), now
    )
    keys = custom_roles.create(actor, NewRole("Keys", ("virtualKeys:view",)), now)
    bindings.create(
        actor,
        NewBinding("user", clerk, "custom", "organization", actor.organization_id, keys.id),
        now,
    )
    chief, _ = invitations.create(actor, NewInvitation("chief@acme.test", "admin"), pepper, now)
    counts = _counts()
    person = {"principal_kind": "user", "principal_id": clerk}
    attempts: list[tuple[str, str, Any]] = [
        ("POST", "/role-bindings", person | everywhere | {"role": "admin"}),
        ("PATCH", f"/custom-roles/{keys.id}", {"permissions": ["virtualKeys:manage"]}),
        ("PATCH", f"/members/{clerk}", {"role": "admin"}),
        ("PATCH", f"/members/{org.ada.id}", {"email": "mine@evil.test"}),
        ("POST", f"/members/{org.ada.id}/password-link", None),
        ("PUT", f"/groups/{admins.id}/members", {"user_ids": [clerk]}),
        ("POST", "/invitations", {"email": "me@evil.test", "role": "admin"}),
        ("POST", f"/invitations/{chief.id}/renew", None),
        (
            "POST",
            "/invitations",
            {
                "email": "me@evil.test",
                "role": "member",
                "teams": [{"team_id": org.team.id, "role": "admin"}],
            },
        ),
        ("POST", "/api-keys", {"name": "k", "owner_kind": "user", "owner_id": org.ada.id}),
        ("POST", "/api-keys", {"name": "k", "owner_kind": "user", "owner_id": made.member.id}),
        (
            "POST",
            "/api-keys",
            {"name": "k", "owner_kind": "service_account", "owner_id": account.id},
        ),
        ("POST", "/directory-token", None),
        (
            "POST",
            "/sign-in-connections",
            {
                "name": "Mine",
                "issuer": "https://evil.test",
                "client_id": "x",
                "domains": ["acme.test"],
            },
        ),
    ]
    got = [(ask(method, path, body), path) for method, path, body in attempts]
    assert [(path, a.text) for a, path in got if a.status_code not in (403, 422)] == []
    told = [
        path for a, path in got if "you lack" not in a.text and "every permission" not in a.text
    ]
    assert all(path == "/api-keys" for path in told), told
    assert _counts() == counts
    # What every member has is theirs to give, and so is what they hold.
    held = {"role": "custom", "custom_role_id": str(RoleBinding.get().custom_role_id)}
    assert ask("POST", "/role-bindings", person | everywhere | held).status_code == 201
    dan = {"email": "new@acme.test", "role": "member"}
    team = {"teams": [{"team_id": org.team.id, "role": "member"}]}
    assert ask("POST", "/invitations", dan | team).status_code == 201
    assert ask("POST", f"/members/{made.member.id}/password-link").status_code == 200
    assert ask("PATCH", f"/members/{made.member.id}", {"name": "Daniel"}).status_code == 200
    own = {"name": "k", "owner_kind": "user", "owner_id": org.ada.id}
    narrow = own | {"permission_mode": "restricted", "scopes": ["organization:manage"]}
    expected = 201 if who.startswith("a restricted") else 422
    assert ask("POST", "/api-keys", narrow).status_code == expected


def _counts() -> tuple[int, ...]:
    admins = Member.select().where(Member.role == "admin").count()
    tables = (RoleBinding, Invitation, OneTimeLink, ApiKey, TeamMember)
    return (admins, *(table.select().count() for table in tables))


def test_whoever_manages_a_team_makes_nobody_its_administrator(made: Site) -> None:
    org, actor, now = made.org, made.org.actor, utcnow()
    lead = people.create(actor, NewUser("lead@acme.test", "Lead", "member"), now)
    role = custom_roles.create(actor, NewRole("Lead", ("team:manage",)), now)
    team_members.put(actor, org.team.id, lead.id, "custom", now, role.id)
    with connection():
        User.update(password_hash=hashed(PASSWORD)).where(User.id == lead.id).execute()
    page = sign_in(made.app, lead.email)
    page.get("/home")
    form = {"csrf_token": form_token(page), "email": lead.email, "role": "admin"}
    answer = page.post(f"/settings/teams/{org.team.id}/people", data=form)
    assert answer.status_code == 422 and "you lack" in answer.text
    ask = program(made, lead.id)
    mine, other = (f"/teams/{org.team.id}/members/{who}" for who in (lead.id, made.member.id))
    assert ask("PUT", mine, {"role": "admin"}).json["error"]["errors"].keys() == {"role"}
    assert ask("PUT", other, {"role": "member"}).status_code == 200
    assert ask("PUT", other, {"role": "admin"}).status_code == 422
    sales = teams.create(actor, "Sales", "sales", now)
    assert ask("PUT", f"/teams/{sales.id}/members/{lead.id}", {"role": "viewer"}).status_code == 403


def test_a_key_ends_no_later_than_the_key_that_made_it(made: Site) -> None:
    soon = utcnow() + timedelta(hours=1)
    ask = program(made, made.org.ada.id, expires_at=soon)
    own = {"name": "k", "owner_kind": "user", "owner_id": made.org.ada.id}
    assert "expires_at" in ask("POST", "/api-keys", own).json["error"]["errors"]
    ends = {"expires_at": soon.isoformat()}
    assert ask("POST", "/api-keys", own | ends).status_code == 201


def test_a_key_that_was_held_to_a_place_is_held_to_nothing_more_when_the_place_goes(
    made: Site,
) -> None:
    org, actor, now = made.org, made.org.actor, utcnow()
    ask = program(made, org.ada.id)
    key = ApiKey.get()
    here = NewBinding("api_key", key.id, "admin", "project", org.project.id)
    only = bindings.create(actor, here, now)
    assert ask("GET", "/members").status_code == 403
    assert ask("GET", f"/projects/{org.project.id}").status_code == 200
    bindings.delete(actor, only.id, now)
    assert ask("GET", "/members").status_code == 403
    assert ask("GET", f"/projects/{org.project.id}").status_code == 403


def test_guardrails_are_put_on_keys_and_taken_off_by_those_who_may(made: Site) -> None:
    org, actor, now = made.org, made.org.actor, utcnow()
    state = made.app.extensions["control_plane"]
    team_members.put(actor, org.team.id, made.member.id, "member", now)
    guard = guardrails.create(
        actor,
        NewGuardrail(
            "No secrets", "organization", actor.organization_id, "secrets", {}, ("request",)
        ),
        state.sealer,
        now,
    )
    on_it = {"guardrails": {"request": [guard.id]}}
    new = NewVirtualKey("ci", org.project.id, (org.openai.id,), config=on_it)
    key, _ = virtual_keys.create(actor, new, state.settings.pepper, now)
    ask = program(made, made.member.id, root="/api/gateway/v1")
    path = f"/virtual-keys/{key.id}"
    off = ask("PATCH", path, {"config": {}})
    assert off.status_code == 422 and "gatewayGuardrails:detach" in off.text
    both = on_it | {"rate_limits": {"rpm": 5}}
    assert ask("PATCH", path, {"config": both}).status_code == 200
    body = {"name": "own", "project_id": org.project.id, "provider_ids": [org.openai.id]}
    refused = ask("POST", "/virtual-keys", body | {"config": on_it})
    assert refused.status_code == 422 and "gatewayGuardrails:attach" in refused.text
    assert ask("POST", "/virtual-keys", body).status_code == 201
    # The form has no control for them then, and keeps what is there.
    page = sign_in(made.app, made.member.email)
    form = page.get(f"/settings/virtual-keys/{key.id}/edit")
    assert form.status_code == 200 and "No secrets" not in form.text
    typed = {"name": "ci", "expires": "keep", "provider_1": org.openai.id, "version": ""}
    token = {"csrf_token": csrf_of(form)}
    answer = page.post(f"/settings/virtual-keys/{key.id}/edit", data=typed | token)
    assert answer.status_code == 303, answer.text
    assert virtual_keys.find(actor.organization_id, key.id).config == on_it
    admin = program(made, org.ada.id, root="/api/gateway/v1")
    assert admin("PATCH", path, {"config": {}}).status_code == 200
