"""Mail through a real server on a socket: what is sent, how it is protected, and what failing looks like."""

from __future__ import annotations

import datetime
import re
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core import mail
from core.authoring import (
    bindings,
    budgets,
    custom_roles,
    groups,
    offboarding,
    people,
    team_members,
    teams,
    virtual_keys,
)
from core.authoring.bindings import NewBinding
from core.authoring.budgets import NewBudget
from core.authoring.custom_roles import NewRole
from core.authoring.people import NewUser
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.increase_links import Asking, link
from core.mail import Letter, MailFailedError
from core.models import OneTimeLink
from core.settings import Settings, load
from tests.component.core.authoring.acme import NOW
from tests.component.webapp.app.site import csrf_of, form_token, sign_in, site

LETTER = Letter("eve@acme.test", "Hello", "Grüße\n")


class Postbox:
    """Keeps what the server accepts; refuses addresses that start with ``no``."""

    def __init__(self) -> None:
        self.letters: list[tuple[list[str], Any]] = []
        self.arrived = threading.Event()

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, _: Any
    ) -> str:
        if address.startswith("no"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.letters.append((envelope.rcpt_tos, message))
        self.arrived.set()
        return "250 OK"


class OnAFreePort(Controller):
    """A server on whatever port is free, which it has to learn before it tries itself out."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    box = Postbox()
    controller = OnAFreePort(box, hostname="127.0.0.1", port=0)
    yield from _running(controller, box)


def _running(controller: OnAFreePort, box: Postbox) -> Iterator[tuple[Postbox, int]]:
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


def settings(port: int, **variables: str) -> Settings:
    environ = {
        "LANGWATCH_SMTP_HOST": "127.0.0.1",
        "LANGWATCH_SMTP_PORT": str(port),
        "LANGWATCH_SMTP_TLS": "none",
        "LANGWATCH_SMTP_FROM": "Acme <ai@acme.test>",
    }
    return load(environ | variables)


def test_a_letter_arrives_as_it_was_written(postbox: tuple[Postbox, int]) -> None:
    box, port = postbox
    mail.send(settings(port), LETTER)
    ((to, message),) = box.letters
    assert to == ["eve@acme.test"]
    assert message["From"] == "Acme <ai@acme.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().strip() == "Grüße"


@pytest.mark.parametrize(
    "letter",
    [
        Letter("eve@acme.test\r\nBcc: all@acme.test", "Hello", "x"),
        Letter("eve@acme.test", "Hello\nBcc: all@acme.test", "x"),
        Letter("nobody@acme.test", "Hello", "x"),
    ],
)
def test_refuses_a_letter_that_smuggles_a_header_or_has_no_mailbox(
    postbox: tuple[Postbox, int], letter: Letter
) -> None:
    box, port = postbox
    with pytest.raises(MailFailedError):
        mail.send(settings(port), letter)
    assert box.letters == []


def test_a_server_that_is_not_there_is_said_so() -> None:
    with pytest.raises(MailFailedError, match="did not take"):
        mail.send(settings(9), LETTER)
    assert not mail.is_configured(load({}))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost that is its own authority."""
    folder, key = tmp_path_factory.mktemp("mail"), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def _knows(
    server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
) -> AuthResult:
    return AuthResult(success=data == LoginPassword(b"ai", b"mail secret"), handled=False)


@pytest.fixture
def strict_postbox(certificate: tuple[Path, ssl.SSLContext]) -> Iterator[tuple[Postbox, int]]:
    """A server that takes nothing before the connection is protected and somebody has signed in."""
    box = Postbox()
    controller = OnAFreePort(
        box,
        hostname="127.0.0.1",
        port=0,
        tls_context=certificate[1],
        require_starttls=True,
        authenticator=_knows,
        auth_required=True,
    )
    yield from _running(controller, box)


def test_a_protected_connection_is_checked_and_signed_in_to(
    strict_postbox: tuple[Postbox, int],
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    box, port = strict_postbox
    variables = {
        "LANGWATCH_SMTP_HOST": "localhost",
        "LANGWATCH_SMTP_TLS": "starttls",
        "LANGWATCH_SMTP_USER": "ai",
        "LANGWATCH_SMTP_PASSWORD": "mail secret",
    }
    with pytest.raises(MailFailedError, match="certificate is not trusted"):
        mail.send(settings(port, **variables), LETTER)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with pytest.raises(MailFailedError, match="refused the sign-in") as caught:
        wrong = variables | {"LANGWATCH_SMTP_PASSWORD": "a wrong secret"}
        mail.send(settings(port, **wrong), LETTER)
    assert "a wrong secret" not in str(caught.value) + caplog.text
    mail.send(settings(port, **variables), LETTER)
    assert len(box.letters) == 1


def _site(tmp_path: Path, port: int, *, is_public: bool = True):
    public = {"LANGWATCH_PUBLIC_URL": "http://gov.acme.test"} if is_public else {}
    return site(
        tmp_path,
        LANGWATCH_SMTP_HOST="127.0.0.1",
        LANGWATCH_SMTP_PORT=str(port),
        LANGWATCH_SMTP_TLS="none",
        **public,
    )


@pytest.mark.usefixtures("sqlite_db")
def test_an_invitation_is_mailed_with_the_link_that_is_shown(
    tmp_path: Path, postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    ada = sign_in(_site(tmp_path, port).app, "ada@acme.test")
    ada.get("/home")
    form = {"csrf_token": form_token(ada), "role": "member"}
    answer = ada.post("/settings/members/invite", data=form | {"email": "eve@acme.test"})
    links = set(re.findall(r"http://gov\.acme\.test/invitation\?token=[\w-]+", answer.text))
    ((to, message),) = box.letters
    assert to == ["eve@acme.test"]
    assert len(links) == 1 and links.pop() in message.get_content()
    assert "was mailed to eve@acme.test" in answer.text
    refused = ada.post("/settings/members/invite", data=form | {"email": "no@acme.test"})
    assert "nothing was mailed" in refused.text and "refused the address" in refused.text
    box.letters.clear()
    people = "ida@acme.test\nno@acme.test\njo@acme.test"
    many = ada.post("/settings/members/invite-many", data=form | {"people": people})
    assert [to for to, _ in box.letters] == [["ida@acme.test"], ["jo@acme.test"]]
    assert all(message.get_content().count("/invitation?token=") == 1 for _, message in box.letters)
    assert "All were mailed but 1; send these yourself: no@acme.test" in many.text


@pytest.mark.usefixtures("sqlite_db")
def test_a_forgotten_password_is_answered_alike_and_mailed_to_members_alone(
    tmp_path: Path, postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    stranger = _site(tmp_path, port).app.test_client()
    stranger.get("/forgot-password")
    form = {"csrf_token": form_token(stranger)}
    answers = [
        stranger.post("/forgot-password", data=form | {"email": email})
        for email in ("mallory@acme.test", "dan@acme.test")
    ]
    assert [a.status_code for a in answers] == [200, 200]
    assert box.arrived.wait(10)
    ((to, message),) = box.letters
    assert to == ["dan@acme.test"]
    link = re.search(r"http://gov\.acme\.test(/password\?token=[\w-]+)", message.get_content())
    assert link and stranger.get(link[1]).status_code == 200
    same = [a.text.replace("mallory@acme.test", "X").replace("dan@acme.test", "X") for a in answers]
    assert same[0] == same[1]


@pytest.mark.usefixtures("sqlite_db")
def test_no_link_is_mailed_that_leads_where_a_stranger_says(
    tmp_path: Path, postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    made = _site(tmp_path, port, is_public=False)
    stranger, evil = made.app.test_client(), "http://evil.test"
    # The sign-in page has a form whether mail can be sent or not.
    token = csrf_of(stranger.get("/sign-in", base_url=evil))
    form = {"csrf_token": token, "email": "dan@acme.test"}
    answer = stranger.post("/forgot-password", data=form, base_url=evil)
    assert answer.status_code == 200 and "administrator" in answer.text
    assert OneTimeLink.select().count() == 0 and box.letters == []


@pytest.mark.usefixtures("sqlite_db")
def test_a_request_for_more_is_mailed_to_those_who_may_decide_it(
    tmp_path: Path, postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    made = _site(tmp_path, port)
    actor, team_id, project_id = made.org.actor, made.org.team.id, made.org.project.id
    tess, gus, vic, gone = (
        people.create(actor, NewUser(f"{name}@acme.test", name, "member"), NOW)
        for name in ("tess", "gus", "vic", "gone")
    )
    for person, role in ((tess, "admin"), (vic, "viewer"), (gone, "admin")):
        team_members.put(actor, team_id, person.id, role, NOW)
    offboarding.disable(actor, gone.id, NOW)
    group = groups.create(actor, "Money", NOW)
    groups.put_members(actor, group.id, [gus.id], NOW)
    role = custom_roles.create(actor, NewRole("Money", ("gatewayBudgets:update",), ""), NOW)
    bound = NewBinding("group", group.id, "custom", "project", project_id, role.id)
    bindings.create(actor, bound, NOW)
    elsewhere = teams.create(actor, "Sales", "sales", NOW)
    team_members.put(actor, elsewhere.id, made.member.id, "admin", NOW)
    new = NewBudget("coding", "project", project_id, "month", 10**9, allow_unreachable=True)
    budget = budgets.create(actor, new, NOW)
    pepper = made.app.extensions["control_plane"].settings.pepper
    key, _ = virtual_keys.create(
        actor, NewVirtualKey("nightly", project_id, (made.org.openai.id,)), pepper, NOW
    )
    secret = made.app.extensions["control_plane"].settings.jwt_secret
    asking = Asking(actor.organization_id, budget.id, key.id, None)
    address = link("", secret, asking, utcnow().timestamp())
    stranger = made.app.test_client()
    stranger.get(address)
    form = {"csrf_token": form_token(stranger), "token": address.partition("token=")[2]}
    asked = form | {"limit_usd": "5", "reason": "A release week."}
    assert stranger.post("/budget-increase", data=asked).status_code == 303
    for thread in threading.enumerate():
        if thread.name == "increase mail":
            thread.join(20)
    assert [to for to, _ in box.letters] == [
        ["tess@acme.test"], ["gus@acme.test"], ["ada@acme.test"],
    ]  # fmt: skip
    text = box.letters[0][1].get_content()
    assert "A release week." in text and "$5.00" in text
    assert "http://gov.acme.test/gateway/budget-requests" in text
