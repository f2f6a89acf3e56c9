"""Signing in through a company's OpenID provider, a certified one in a process of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring import invitations, offboarding, people, sign_in_connections
from core.authoring.sign_in_connections import NewConnection
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import (
    AuditRow,
    ExternalIdentity,
    Group,
    GroupMember,
    Member,
    Project,
    SignInConnection,
    User,
)
from core.secrets import Secret
from tests.component.webapp.app.site import Site, csrf_of, form_token, sign_in, site
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, openid_provider

pytestmark = pytest.mark.usefixtures("sqlite_db")
PUBLIC = "http://gov.acme.test"
CALLBACK = f"{PUBLIC}/sign-in/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider(CALLBACK) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Company:
    """A site whose organization is connected to the provider."""

    made: Site
    provider: OpenIdProvider
    row: SignInConnection

    def leave(self, client: FlaskClient, query: str = "") -> str:
        """Start a sign-in and return the provider's address."""
        answer = client.get(f"/sign-in/with/{self.row.id}{query}")
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def sign_in(self, who: str, query: str = "") -> tuple[FlaskClient, TestResponse]:
        """Go there and back in a new browser."""
        client = self.made.app.test_client()
        back = self.provider.sign_in(self.leave(client, query), who)
        return client, client.get(back.removeprefix(PUBLIC))


def connected(tmp_path: Path, provider: OpenIdProvider, **changes: object) -> Company:
    made = site(tmp_path, LANGWATCH_PUBLIC_URL=PUBLIC)
    new = NewConnection(
        "Acme login",
        provider.issuer,
        CLIENT_ID,
        Secret(CLIENT_SECRET),
        domains=("acme.test",),
        is_operator_address=True,
    )
    sealer = made.app.extensions["control_plane"].sealer
    wanted = replace(new, **changes)  # type: ignore[arg-type]
    row = sign_in_connections.create(made.org.actor, wanted, sealer, utcnow())
    return Company(made, provider, row)


def test_somebody_new_becomes_a_member_and_is_known_afterwards(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    company = connected(tmp_path, provider)
    client, answer = company.sign_in("eve", "?next=/me/settings")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/me/settings")
    assert "Eve Example" in client.get("/me/settings").text
    eve = User.get(User.email == "eve@acme.test")
    assert eve.password_hash is None
    assert Member.get(Member.user_id == eve.id).role == "member"
    assert Project.select().where(Project.owner_user_id == eve.id).count() == 1
    people.change_person(
        company.made.org.actor,
        eve.id,
        people.Person("Eve", "member", email="e2@acme.test"),
        utcnow(),
    )
    _, again = company.sign_in("eve")
    assert again.status_code == 303
    assert ExternalIdentity.select().count() == 1
    assert AuditRow.select().where(AuditRow.action == "user.identity_linked").count() == 1
    stored = f"{SignInConnection.get().__data__}" + "".join(
        f"{row.before}{row.after}" for row in AuditRow.select()
    )
    assert CLIENT_SECRET not in stored


def test_the_way_there_carries_a_proof_and_is_walked_once(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    company = connected(tmp_path, provider)
    client = company.made.app.test_client()
    there = company.leave(client)
    asked = parse_qs(urlsplit(there).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [CALLBACK]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    back = provider.sign_in(there, "sam").removeprefix(PUBLIC)
    thief = company.made.app.test_client()
    assert thief.get(back).status_code == 400
    company.leave(thief)
    assert thief.get(back).status_code == 400
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"iss": "http://evil.test"}, "not from this provider"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"error": "access_denied<script>"}, "access_deniedscript"),
    ],
)
def test_an_answer_that_is_not_the_providers_signs_nobody_in(
    tmp_path: Path, provider: OpenIdProvider, change: dict[str, str], said: str
) -> None:
    company = connected(tmp_path, provider)
    client = company.made.app.test_client()
    back = urlsplit(provider.sign_in(company.leave(client), "sam"))
    arguments = {name: values[0] for name, values in parse_qs(back.query).items()} | change
    answer = client.get(f"{back.path}?{urlencode(arguments)}")
    assert answer.status_code == 403
    assert said in answer.text
    assert client.get("/home").status_code == 303


def test_a_nonce_of_another_sign_in_is_refused(tmp_path: Path, provider: OpenIdProvider) -> None:
    company = connected(tmp_path, provider)
    client = company.made.app.test_client()
    there = re.sub(r"nonce=[^&]+", "nonce=another", company.leave(client))
    answer = client.get(provider.sign_in(there, "sam").removeprefix(PUBLIC))
    assert answer.status_code == 403 and "identity token is not right" in answer.text


def test_an_address_that_is_not_verified_or_not_the_companys_is_refused(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    company = connected(tmp_path, provider)
    _, answer = company.sign_in("mallory")
    assert answer.status_code == 403 and "not verified" in answer.text
    _, answer = company.sign_in("olga")
    assert answer.status_code == 403 and "does not belong" in answer.text
    pepper = company.made.app.extensions["control_plane"].settings.pepper
    offer = invitations.NewInvitation("olga@other.test", "external")
    invitations.create(company.made.org.actor, offer, pepper, utcnow())
    olgas = {"email": "olga@other.test", "name": "Olga", "groups": ["AI admins"]}
    provider.change(olga=olgas)
    _, answer = company.sign_in("olga")
    provider.change(olga=olgas | {"email_verified": True})
    assert answer.status_code == 403 and "does not say that it verified" in answer.text
    client, answer = company.sign_in("olga")
    assert answer.status_code == 303
    olga = User.get(User.email == "olga@other.test")
    assert Member.get(Member.user_id == olga.id).role == "external"
    assert client.get("/home").status_code == 200


def test_role_and_groups_follow_the_provider_at_each_sign_in(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    mapping = (("AI admins", "admin"), ("Research", "member"))
    company = connected(
        tmp_path, provider, group_roles=mapping, default_role="external", syncs_groups=True
    )
    company.sign_in("eve")
    eve = User.get(User.email == "eve@acme.test")

    def role() -> str:
        return str(Member.get(Member.user_id == eve.id).role)

    def groups() -> set[str]:
        rows = Group.select(Group.name).join(GroupMember, on=(GroupMember.group_id == Group.id))
        return {row.name for row in rows.where(GroupMember.user_id == eve.id)}

    assert (role(), groups()) == ("admin", {"AI admins", "Research"})
    known = {"email": "eve@acme.test", "email_verified": True, "name": "Eve Example"}
    try:
        provider.change(eve=known | {"groups": ["Research"]})
        company.sign_in("eve")
        assert (role(), groups()) == ("member", {"Research"})
        provider.change(eve=known | {"groups": []})
        company.sign_in("eve")
        assert (role(), groups()) == ("external", set())
    finally:
        provider.change(eve=known | {"groups": ["AI admins", "Research"]})


def test_a_disabled_member_stays_out_whatever_the_provider_says(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    company = connected(tmp_path, provider)
    client, _ = company.sign_in("sam")
    sam = User.get(User.email == "sam@acme.test")
    offboarding.disable(company.made.org.actor, sam.id, utcnow())
    assert client.get("/home").status_code == 303
    _, answer = company.sign_in("sam")
    assert answer.status_code == 403 and "disabled" in answer.text


def test_people_of_a_forced_domain_have_no_password(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    company = connected(tmp_path, provider)
    ada = sign_in(company.made.app, "ada@acme.test")
    ada.get("/home")
    path = f"/settings/sign-in/{company.row.id}/edit"
    page = ada.get(path).text
    version = re.search(r'name="version" value="(\w+)"', page)
    assert version and CLIENT_SECRET not in page
    form = {
        "csrf_token": form_token(ada),
        "version": version[1],
        "name": "Acme login",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "domains": "acme.test",
        "is_forced": "1",
        "default_role": "member",
        "groups_claim": "groups",
        "scopes": "openid email profile",
        "is_enabled": "1",
    }
    assert ada.post(path, data=form).status_code == 303
    assert "its provider answers" in ada.get("/settings/sign-in").text
    client = company.made.app.test_client()
    token = csrf_of(client.get("/sign-in"))
    attempt = {"csrf_token": token, "email": "Ada@ACME.test", "password": "correct horse battery"}
    answer = client.post("/sign-in", data=attempt)
    assert answer.status_code == 200 and "Your company signs you in" in answer.text
    assert f"/sign-in/with/{company.row.id}" in answer.text
    assert client.get("/home").status_code == 303
    _, answer = company.sign_in("eve")
    assert answer.status_code == 303


def test_a_connection_is_checked_when_it_is_made(tmp_path: Path, provider: OpenIdProvider) -> None:
    company = connected(tmp_path, provider)
    actor, sealer = company.made.org.actor, company.made.app.extensions["control_plane"].sealer
    wrong = NewConnection(
        "", "http://login.acme.test", "", None, "email", ("not a domain",), True, "root", ""
    )
    with pytest.raises(Refused) as caught:
        sign_in_connections.create(actor, wrong, sealer, utcnow())
    assert caught.value.fault is Fault.VALIDATION_ERROR
    errors = caught.value.facts["errors"]
    assert isinstance(errors, dict)
    names = {"name", "issuer", "client_id", "scopes", "default_role", "groups_claim", "domains"}
    assert set(errors) == names
    second = NewConnection("Second", "https://x.test", "c", domains=("ACME.test",))
    with pytest.raises(Refused) as caught:
        sign_in_connections.create(actor, second, sealer, utcnow())
    assert "vouches for acme.test" in str(caught.value.facts)


def test_another_provider_means_nobody_by_the_names_of_the_one_before(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    company = connected(tmp_path, provider)
    company.sign_in("eve")
    actor, sealer = company.made.org.actor, company.made.app.extensions["control_plane"].sealer
    wanted = NewConnection(
        "Acme login", "https://other.test", CLIENT_ID, Secret("new"), domains=("acme.test",)
    )
    renamed = replace(wanted, issuer=provider.issuer, name="Login", is_operator_address=True)
    sign_in_connections.update(actor, company.row.id, renamed, sealer, utcnow())
    assert ExternalIdentity.select().count() == 1
    sign_in_connections.update(actor, company.row.id, wanted, sealer, utcnow())
    assert ExternalIdentity.select().count() == 0


def test_an_issuer_on_a_private_network_is_an_operators_to_choose(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    company = connected(tmp_path, provider)
    SignInConnection.update(is_operator_address=False).execute()
    answer = company.made.app.test_client().get(f"/sign-in/with/{company.row.id}")
    assert answer.status_code == 403 and "loopback" in answer.text
