"""A canary in every secret there is, with everything that uses it driven on the real programs: nothing tells of one.

The one place where a secret may be seen stands in ``canaries``.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import core.authoring
from core.authoring import trace_destinations
from core.authoring.actor import Actor
from core.authoring.trace_destinations import NewTraceDestination
from core.clock import utcnow
from core.database import database
from core.models import ALL_MODELS, AlertDelivery, IngestionSource, Project, Provider, VirtualKey
from core.models.bookkeeping import record
from core.sealing import SEALED, database_sealer
from core.secret_files import with_control_plane_secrets
from core.settings import Settings
from tests.component.stack import canaries
from tests.component.stack.canaries import SETTINGS, TYPED, Watch, governance_file, variables
from tests.component.stack.traffic import chat, earlier_calls
from tests.component.streamer.otlp_peer import OtlpPeer, otlp_peer
from tests.component.streamer.slack_peer import SlackPeer, slack_peer
from tests.provider.handle import FakeProvider
from tests.stack import Browser, Stack, StackOptions, wait_until

SOURCES = "/settings/governance/ingestion-sources"
RULES = "/settings/governance/anomaly-rules"
OTLP = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {"spans": [{"name": "x", "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "2"}]}
            ]
        }
    ]
}
_SHOWN = re.compile(r'<pre id="(?:shown-once|secret)"[^>]*>([^<]+)</pre>')
_LINK = re.compile(r'href="(/[^"#]*)"')
# Hashes of what is no secret.
_NO_SECRET = frozenset({"audit_log.previous_hash", "erasure.address_hash"})


def given(name: str) -> str:
    return TYPED[name].value


def shown(answer: httpx.Response) -> str:
    found = _SHOWN.search(answer.text)
    assert found, answer.text
    return html.unescape(found[1])


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """The running programs, their peers, and what has been seen so far."""

    stack: Stack
    watch: Watch
    slack: SlackPeer
    peer: OtlpPeer

    def browser(self) -> Browser:
        """Return a browser that nobody has signed in; every answer is noted."""
        browser = self.stack.browser()
        browser.http.event_hooks["response"].append(self.watch.note)
        return browser

    def gateway(self, key: str) -> httpx.Client:
        """Return a client of the gateway; every answer is noted."""
        client = self.stack.client(key)
        client.event_hooks["response"].append(self.watch.note)
        return client


def first_administrator(scene: Scene) -> Browser:
    """Follow the link of the first start, fail at it once, and keep the key that is shown."""
    setup = next(event for event in scene.stack.events() if event["event"] == "setup")
    link = setup["setup_url"]
    token = scene.watch.learn("setup token", httpx.URL(link).params["token"])
    browser, page = scene.browser(), link.removeprefix(scene.stack.web)
    form = {"name": "Ada", "email": "ada@acme.test", "token": token}
    refused = browser.submit(page, "/setup", form | {"password": "short"})
    assert refused.status_code == 422
    answer = browser.submit(page, "/setup", form | {"password": given("password of ada")})
    assert answer.status_code == 303, answer.text
    scene.watch.learn("personal key", shown(browser.get("/welcome")))
    assert browser.get(page).status_code == 404
    again = browser.submit("/welcome", "/welcome", {})
    assert again.status_code == 303
    scene.watch.learn("rotated personal key", shown(browser.get("/welcome")))
    return browser


def people(scene: Scene, ada: Browser) -> None:
    """Let people in by invitation and by link, change a password, fail to sign in."""
    form = {"email": "eve@acme.test", "role": "member"}
    link = shown(ada.submit("/settings/members/invite", "/settings/members/invite", form))
    token = scene.watch.learn("invitation", link.partition("token=")[2])
    page = f"/invitation?token={token}"
    form = {"token": token, "name": "Eve", "password": "short"}
    with scene.browser() as eve:
        assert eve.submit(page, "/invitation", form).status_code == 422
        form["password"] = given("password of eve")
        assert eve.submit(page, "/invitation", form).status_code == 303
    (dan,) = set(
        re.findall(
            r"/settings/members/(user_\w+)/password-link", ada.get("/settings/members?q=dev@").text
        )
    )
    path = f"/settings/members/{dan}/password-link"
    link = shown(ada.submit("/settings/members", path, {}))
    token = scene.watch.learn("password link", link.partition("token=")[2])
    form = {"token": token, "password": given("new password of dev")}
    with scene.browser() as browser:
        wrong = {"email": "dev@acme.test", "password": given("wrong password")}
        assert browser.submit("/sign-in", "/sign-in", wrong).status_code in (401, 422)
        page = f"/password?token={token}"
        assert browser.submit(page, "/password", form).status_code == 303
    page = "/me/settings/password"
    form = {"present": given("wrong password"), "password": given("changed password of ada")}
    assert ada.submit(page, page, form).status_code == 422
    answer = ada.submit(page, page, form | {"present": given("password of ada")})
    assert answer.status_code == 303, answer.text


def machines(scene: Scene, ada: Browser) -> None:
    """Make what programs present, and present it, rightly and wrongly."""
    form = {"name": "ci", "permission_mode": "all"}
    key = scene.watch.learn("api key", shown(ada.submit("/me/api-keys/new", "/me/api-keys", form)))
    page = "/settings/sign-in/directory-token"
    token = scene.watch.learn("directory token", shown(ada.submit(page, page, {})))
    form = {"name": "made", "description": "", "team_id": ""}
    made = ada.submit(f"{SOURCES}/new", SOURCES, form)
    secret = scene.watch.learn("source secret", secret_of_source(made))
    with scene.stack.database():
        source_id = IngestionSource.get(IngestionSource.name == "made").id
    rotated = ada.submit(f"{SOURCES}/{source_id}", f"{SOURCES}/{source_id}/rotate", {})
    scene.watch.learn("rotated source secret", secret_of_source(rotated))
    with scene.browser() as program:
        for presented in (key, f"{key}x"):
            bearer = {"Authorization": f"Bearer {presented}"}
            for path in ("/api/gateway/v1/cache-rules", "/api/governance/setup-state"):
                program.get(path, headers=bearer)
            rule = {"name": "batch", "matchers": {"vk_tags": ["batch"]}, "mode": "disable"}
            headers = bearer | {"Idempotency-Key": "a-cache-rule"}
            program.http.post("/api/gateway/v1/cache-rules", json=rule, headers=headers)
        for presented in (token, f"{token}x"):
            program.get("/scim/v2/Users", headers={"Authorization": f"Bearer {presented}"})
        for presented in (secret, f"{secret}x"):
            headers = {"Authorization": f"Bearer {presented}"}
            program.http.post(f"/api/ingest/otel/{source_id}", json=OTLP, headers=headers)


def secret_of_source(answer: httpx.Response) -> str:
    (secret,) = set(re.findall(r"lw_is_[A-Za-z0-9_-]{20,}", answer.text))
    return secret


def management_api(scene: Scene, key: str) -> None:
    """Make a key twice under one idempotency key, refuse a provider, and read every list there is."""
    api = "/api/gateway/v1"
    with scene.browser() as program, scene.stack.database():
        program.http.headers["Authorization"] = f"Bearer {key}"
        project, provider = Project.get(Project.slug == "coding"), Provider.get()
        wanted = {"name": "api", "project_id": project.id, "provider_ids": [provider.id]}
        headers = {"Idempotency-Key": "a-virtual-key"}
        made, again = (
            program.http.post(f"{api}/virtual-keys", json=wanted, headers=headers) for _ in range(2)
        )
        assert made.status_code == 201, made.text
        assert made.json() == again.json()
        scene.watch.learn("key of the api", made.json()["secret"])
        wrong = {"name": "", "type": "openai", "credential": given("refused key")}
        for body in (wrong, {**wrong, "api_key": given("refused key")}):
            assert program.http.post(f"{api}/providers", json=body).status_code in (400, 422)
        described = program.get("/api/openapi.json").json()["paths"]
        for path, methods in described.items():
            if "get" in methods and "{" not in path:
                assert program.get(path).status_code == 200, path


def outward(scene: Scene, ada: Browser) -> None:
    """Plant what is presented to others, and try each connection, most of which fail."""
    here = "/settings/providers"
    azure = {
        "name": "azure",
        "type": "azure",
        "base_url": "http://127.0.0.1:9",
        "tenant_id": "tenant",
        "client_id": "client",
        "client_secret": given("client secret of azure"),
    }
    refused = {"name": "", "type": "openai", "credential": given("refused key")}
    page = {"name": "paged", "type": "openai", "base_url": f"{scene.stack.provider.url}/v1"}
    for form in (azure, page | {"credential": given("key on the page")}):
        ada.submit(f"{here}/new?type={form['type']}", f"{here}/test", form)
        answer = ada.submit(f"{here}/new?type={form['type']}", here, form)
        assert answer.status_code == 303, answer.text
    assert ada.submit(f"{here}/new", here, refused).status_code == 422
    scene.stack.provider.behave("status=401", times=1)
    with scene.stack.database():
        ids = {row.name: row.id for row in Provider.select()}
    form = {"credential": given("rotated key on the page")}
    ada.submit(f"{here}/{ids['paged']}/rotate", f"{here}/{ids['paged']}/rotate", form)
    for name in ("azure", "paged", "aws", "openai-main"):
        ada.submit(here, f"{here}/{ids[name]}/test", {})
    form = {
        "name": "Paged login",
        "issuer": "https://login.acme.test",
        "client_id": "lw",
        "client_secret": given("client secret on the page"),
        "default_role": "member",
        "groups_claim": "groups",
        "scopes": "openid email profile",
        "domains": "other.test",
        "is_enabled": "1",
    }
    answer = ada.submit("/settings/sign-in/new", "/settings/sign-in", form)
    assert answer.status_code == 303, answer.text
    with scene.browser() as stranger:
        offered = set(re.findall(r"/sign-in/with/(\w+)", stranger.get("/sign-in").text))
        assert len(offered) == 2
        for connection_id in offered:
            stranger.get(f"/sign-in/with/{connection_id}")
            ada.submit("/settings/sign-in", f"/settings/sign-in/{connection_id}/check", {})
    address = scene.slack.url.partition("/services/")[0] + f"/services/{given('slack address')}"
    form = {"name": "Spend", "severity": "warning", "applies_to": "organization"}
    form |= {"window_minutes": "1", "ratio": "2", "floor_usd": "0.000001", "slack_url": address}
    answer = ada.submit(f"{RULES}/new", RULES, form)
    assert answer.status_code == 303, answer.text
    with scene.stack.database():
        project = Project.get(Project.slug == "coding")
        headers = {"X-Api-Key": given("trace header")}
        new = NewTraceDestination(
            "spans", "project", project.id, scene.peer.url, headers, is_operator_address=True
        )
        sealer = database_sealer(with_control_plane_secrets(scene.stack.settings()))
        actor = Actor(project.organization_id, "test", "cli")
        trace_destinations.create(actor, new, sealer, utcnow())


def traffic(scene: Scene, keys: dict[str, str]) -> None:
    """Call well and badly, until an alert and a span have gone out; the first attempts of both fail."""
    scene.slack.answer_with(500)
    scene.peer.answer_with(500)
    with scene.stack.database():
        key = VirtualKey.get(VirtualKey.name == "dev-cli")
        record([*earlier_calls(key, 120)], utcnow())
    provider = scene.stack.provider
    with scene.gateway(keys["dev"]) as dev, scene.gateway(keys["poor"]) as poor:
        path = "/v1/chat/completions"
        # Gateways learn of what was just made within two seconds.
        wait_until(lambda: dev.post(path, json=chat("gpt-4o")).status_code == 200, 10)
        for script in ("status=401", "status=500", "close_head=1"):
            provider.behave(script, times=1)
            dev.post(path, json=chat())
        dev.post(path, json=chat("bedrock/none"))
        dev.get("/v1/models")
        for _ in range(20):
            assert dev.post(path, json=chat("gpt-4o")).status_code == 200
        # The first call is let in, for nothing was spent; what it cost is more than there is.
        wait_until(lambda: poor.post(path, json=chat()).status_code == 402, 20, "a refusal")
        refused = poor.post(path, json=chat())
        link = refused.json()["error"]["meta"]["request_increase_url"]
        token = scene.watch.learn("increase link", httpx.URL(link).params["token"])
        with scene.browser() as stranger:
            page = f"/budget-increase?token={token}"
            form = {"token": token, "limit_usd": "5", "reason": "more"}
            stranger.submit(page, "/budget-increase", form)
    with scene.gateway(f"{keys['dev']}x") as wrong:
        assert wrong.post("/v1/chat/completions", json=chat()).status_code == 401
    bearer = {"Authorization": f"Bearer {keys['metrics']}"}
    scene.watch.note(httpx.get(f"{scene.stack.gateway}/metrics", headers=bearer, trust_env=False))
    wait_until(lambda: len(scene.slack.posts) > 1, 40, "an alert in Slack, at the second attempt")
    wait_until(lambda: scene.peer.spans, 30, "spans at the endpoint")
    assert scene.peer.headers[-1]["x-api-key"] == given("trace header")


def every_page(browser: Browser, most: int = 150) -> set[str]:
    """Follow every link from the start, and return where that led."""
    waiting, seen = ["/home", "/settings/members", "/settings/audit-log/export"], set[str]()
    while waiting and len(seen) < most:
        path = html.unescape(waiting.pop(0))
        if path in seen or path.startswith("/static"):
            continue
        seen.add(path)
        waiting += _LINK.findall(browser.get(path, follow_redirects=True).text)
    return seen


def dumped(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Return each table of the control database and of the lake as text, by its name."""
    with stack.database():
        for model in ALL_MODELS:
            table = model._meta.table_name
            rows = database.execute_sql(f'SELECT * FROM "{table}"').fetchall()
            yield table, repr(rows).encode()
    for (table,) in stack.lake(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
    ):
        yield f"lake.{table}", repr(stack.lake(f'SELECT * FROM lake."{table}"')).encode()


def files(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Return everything in the data directory and what the programs have logged."""
    for path in stack.data_dir.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(stack.data_dir)), path.read_bytes()
    yield "log", stack.log().encode()


def processes(stack: Stack) -> Iterator[tuple[str, str, bytes, bytes]]:
    """Return program, process id, command line and environment of every child."""
    for program, pids in stack.pids().items():
        for pid in pids:
            there = Path(f"/proc/{pid}")
            line, environ = (there / "cmdline").read_bytes(), (there / "environ").read_bytes()
            yield program, str(pid), line, environ


@contextmanager
def scene_of(tmp_path: Path, provider: FakeProvider, **environ: str) -> Iterator[Scene]:
    """Start the programs with a canary in each of their settings and in the file."""
    file = tmp_path / "company.yaml"
    file.write_text(governance_file(provider.url))
    settings = {
        "GATEWAY_LOG_LEVEL": "debug",
        "LANGWATCH_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
        "LANGWATCH_SMTP_HOST": "127.0.0.1",
        "LANGWATCH_SMTP_PORT": "9",
        "LANGWATCH_SMTP_USER": "lw",
    }
    options = StackOptions(is_configured=False, environ={**variables(), **settings, **environ})
    with slack_peer() as slack, otlp_peer() as peer:
        stack = Stack(tmp_path, provider, options)
        try:
            yield Scene(stack.start("--config", str(file)), Watch(), slack, peer)
        finally:
            stack.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_secret_is_seen_but_in_the_one_place_where_it_is_made(
    tmp_path: Path, provider: FakeProvider, kind: str, request: pytest.FixtureRequest
) -> None:
    environ = {}
    if kind == "postgres":
        environ["DATABASE_URL"] = str(request.getfixturevalue("postgres_url"))
    with scene_of(tmp_path, provider, **environ) as scene:
        stack, watch = scene.stack, scene.watch
        applied = next(event for event in stack.events() if event["event"] == "applied")
        (made,) = applied["secrets"]
        keys = {
            "poor": watch.learn("key that apply made", made["secret"]),
            "dev": canaries.FROM_THE_FILE["CANARY_VK"].value,
            "metrics": next(r.value for r in SETTINGS if "METRICS" in r.name),
        }
        with first_administrator(scene) as ada:
            people(scene, ada)
            machines(scene, ada)
            outward(scene, ada)
            traffic(scene, keys)
            management_api(scene, watch.value_of("api key"))
            pages = every_page(ada)
        assert len(pages) > 60, sorted(pages)
        again = [
            stack.command("apply", "-f", str(tmp_path / "company.yaml"), "--json"),
            stack.command("ledger", "export"),
            stack.command("audit", "verify"),
            stack.command("secrets", "show"),
            stack.command("settings"),
        ]
        running_now = list(processes(stack))
        assert {program for program, *_ in running_now} == {"web", "gateway", "streamer"}
        with stack.database():
            assert AlertDelivery.select().where(AlertDelivery.state == "sent").exists()
        found = watch.seen_on_pages()
        for name in ("personal key", "rotated personal key", "api key", "directory token"):
            assert watch.times_shown(name) == 1, name
        for name in ("source secret", "rotated source secret", "increase link"):
            assert watch.times_shown(name) >= 1, name
        for where, data in (*files(stack), *dumped(stack)):
            found |= {f"{where}: {name}": {"stored"} for name in watch.found_in(data)}
        for number, done in enumerate(again):
            said = watch.found_in((done.stdout + done.stderr).encode())
            found |= {f"command {number}: {name}": {"said"} for name in said}
        for program, pid, line, around in running_now:
            allowed = {row.name for row in canaries.ALL if program in row.programs}
            told = watch.found_in(line) | (watch.found_in(around) - allowed)
            found |= {f"{program} {pid}: {name}": {"environment"} for name in told}
        sent = repr([scene.slack.posts, [r.SerializeToString() for r in scene.peer.requests]])
        found |= {f"sent: {name}": {"sent"} for name in watch.found_in(sent.encode())}
        # An access key is the public half of a pair: it is part of every signature.
        own = {"key in the file", "key on the page", "rotated key on the page"}
        own |= {"access key", "session token"}
        asked = watch.found_in(repr(provider.calls()).encode()) - own
        found |= {f"provider: {name}": {"sent"} for name in asked}
        assert found == {}
        said = watch.found_in(b"\n".join(p.read_bytes() for p in tmp_path.glob("stdout.*")))
        assert said == {"setup token", "key that apply made"}


def test_every_secret_that_is_stored_set_or_authored_has_a_canary() -> None:
    columns = {column.name for column in SEALED}
    for model in ALL_MODELS:
        for name in model._meta.fields:
            if name.endswith("_hash") or name.startswith("sealed_"):
                columns.add(f"{model._meta.table_name}.{name}")
    settings = {
        each.metadata["setting"].names[0]
        for each in dataclasses.fields(Settings)
        if each.metadata["setting"].is_secret
    }
    authored: set[str] = set()
    for module in pkgutil.iter_modules(core.authoring.__path__):
        for kind in vars(importlib.import_module(f"core.authoring.{module.name}")).values():
            if isinstance(kind, type) and dataclasses.is_dataclass(kind):
                authored |= set(canaries.field_names(kind))
    covered = {name for row in canaries.ALL for name in row.covers}
    assert covered == (columns - _NO_SECRET) | settings | authored
