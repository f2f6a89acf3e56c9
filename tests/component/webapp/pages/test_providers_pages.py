"""The providers page on both databases: health from calls, forms by type, tests, rotation, and what is never shown."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from core.authoring import projects, providers, teams, virtual_keys
from core.authoring.providers import NewProvider, credential_of
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.lake import open_writer
from core.models import Provider
from core.secrets import Secret
from rules.activity_events import API_CALL, GATEWAY_SOURCE, ActivityEvent
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of
from tests.provider.clouds import AWS_KEYS, AWS_REGION
from tests.provider.handle import FakeProvider
from tests.statements import counted

HERE = "/settings/providers"
TRIAL = {"HX-Request": "true", "HX-Target": "div#trial"}
pytestmark = pytest.mark.usefixtures("db")


def made(at: Desk, name: str = "main", **more: object) -> Provider:
    new = NewProvider(name, "custom", "https://llm.acme.test/v1", Secret("sk-stored"))
    sealer = at.app.extensions["control_plane"].sealer
    return providers.create(at.actor, new, sealer, utcnow())


def a_key(at: Desk, name: str, *provider_ids: str) -> str:
    team = teams.create(at.actor, f"Team {name}", f"t-{name}", utcnow())
    project = projects.create(at.actor, f"P {name}", f"p-{name}", team.id, utcnow())
    new = NewVirtualKey(name, project.id, provider_ids)
    return virtual_keys.create(at.actor, new, at.settings.pepper, utcnow())[0].id


def called(at: Desk, provider_id: str, outcomes: list[tuple[str, int, int]]) -> None:
    """Put calls of the last hour into the lake: outcome, status and milliseconds of each."""
    now = utcnow()
    events = [
        ActivityEvent(
            f"req_{provider_id}_{number}",
            at.actor.organization_id,
            GATEWAY_SOURCE,
            GATEWAY_SOURCE,
            API_CALL,
            now - timedelta(minutes=number % 50 + 1),
            now,
            provider_id=provider_id,
            outcome=outcome,
            status=status,
            code="" if outcome == "completed" else str(status),
            duration_ms=took,
        )
        for number, (outcome, status, took) in enumerate(outcomes)
    ]
    writer = open_writer(at.settings)
    writer.append(events, 1, now)
    writer.close()


def text_of(answer_html: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer_html)).split())


def test_the_list_tells_keys_health_and_the_last_failure(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row, idle = made(at), made(at, "idle")
    a_key(at, "one", row.id)
    a_key(at, "two", row.id, idle.id)
    good = [("completed", 200, 100 * n) for n in range(1, 98)]
    called(at, row.id, [*good, ("failed", 529, 50), ("failed", 400, 9), ("refused", 403, 1)])
    page = at.client.get(HERE)
    assert page.status_code == 200
    shown = text_of(page.text)
    assert "98.9 % completed" in shown
    assert "p50 4.9 s · p95 9.2 s · 98 calls" in shown
    assert "529" in shown
    assert "2 keys" in shown and "1 key" in shown
    assert "Nothing was sent there in the last hour." in shown
    assert "sk-stored" not in page.text


def test_the_list_costs_the_same_whatever_its_length(tmp_path: Path) -> None:
    at = desk(tmp_path)
    made(at)
    at.client.get(HERE)
    with counted() as few:
        at.client.get(HERE)
    for number in range(12):
        made(at, f"more {number}")
    with counted() as many:
        at.client.get(HERE)
    assert len(many.all()) == len(few.all())


def test_each_type_has_its_own_form_and_no_form_shows_a_secret(tmp_path: Path) -> None:
    at = desk(tmp_path)
    controls = {
        "openai": {"name", "base_url", "credential"},
        "azure": {"api_version", "deployments", "tenant_id", "client_secret"},
        "bedrock": {"region", "access_key", "secret_key", "session_token", "credential"},
        "vertex": {"project", "region", "credential"},
        "custom": {"auth_mode", "auth_header"},
        "groq": {"credential", "rpm", "blocked_models"},
        "sandbox": {"name"},
    }
    for type_name, wanted in controls.items():
        form = at.client.get(f"{HERE}/new?type={type_name}", headers=DRAWER).text
        found = set(re.findall(r'<(?:input|select|textarea)[^>]* id="(\w+)"', form))
        assert wanted <= found, type_name
    row = made(at)
    for path in (f"{HERE}/{row.id}/edit", f"{HERE}/{row.id}/rotate", HERE):
        assert "sk-stored" not in at.client.get(path).text


def test_a_bedrock_provider_is_added_and_its_mistakes_stand_beside_their_controls(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    form = {"type": "bedrock", "name": "aws", "region": "europe", "access_key": "AKIA1"}
    refused = at.post(HERE, DRAWER, **form)
    assert refused.status_code == 422
    assert "AWS region" in error_of(refused, "region")
    assert error_of(refused, "secret_key") == "Give the secret key."
    form |= {"region": "eu-central-1", "secret_key": "s3cret", "deployments": "sonnet - eu.x"}
    refused = at.post(HERE, DRAWER, **form)
    assert "two parts" in error_of(refused, "deployments")
    assert "s3cret" not in refused.text
    form["deployments"] = "sonnet = eu.anthropic.claude-x-v1:0\n"
    added = at.post(HERE, DRAWER, **form)
    assert added.headers["HX-Redirect"] == HERE
    row = Provider.get(Provider.name == "aws")
    assert row.settings == {
        "region": "eu-central-1",
        "deployments": {"sonnet": "eu.anthropic.claude-x-v1:0"},
    }
    secret = credential_of(row, at.app.extensions["control_plane"].sealer)
    assert secret is not None
    assert json.loads(secret.reveal()) == {"access_key": "AKIA1", "secret_key": "s3cret"}


def test_an_edit_keeps_the_credential_but_does_not_send_it_elsewhere(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = made(at)
    path = f"{HERE}/{row.id}/edit"
    form = {"name": "renamed", "base_url": row.base_url, "auth_mode": "bearer", "rpm": "60"}
    version = at.version(path)
    assert at.post(path, **form, version=version).status_code == 303
    stored = Provider.get_by_id(row.id)
    assert (stored.name, stored.rate_limits) == ("renamed", {"rpm": 60})
    assert stored.sealed_credential == row.sealed_credential
    moved = at.post(path, **(form | {"base_url": "https://evil.test/v1"}))
    assert moved.status_code == 422
    assert "again" in error_of(moved, "credential")
    stale = at.post(path, **(form | {"name": "other"}), version=version)
    assert stale.status_code == 409
    assert Provider.get_by_id(row.id).name == "renamed"


def test_a_credential_is_rotated_and_a_used_provider_is_not_archived(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = made(at)
    key_id = a_key(at, "one", row.id)
    assert at.post(f"{HERE}/{row.id}/rotate", DRAWER).status_code == 422
    assert at.post(f"{HERE}/{row.id}/rotate", DRAWER, credential="sk-new").status_code == 200
    sealer = at.app.extensions["control_plane"].sealer
    assert credential_of(Provider.get_by_id(row.id), sealer) == Secret("sk-new")
    assert at.post(f"{HERE}/{row.id}/archive").status_code == 303
    assert "a virtual key uses it (one)" in at.client.get(HERE).text
    virtual_keys.revoke(at.actor, key_id, utcnow())
    at.post(f"{HERE}/{row.id}/archive")
    assert Provider.get_by_id(row.id).archived_at is not None


@pytest.mark.usefixtures("sqlite_db")
def test_a_provider_is_tested_before_and_after_it_is_saved(
    tmp_path: Path, provider: FakeProvider
) -> None:
    at = desk(tmp_path, LANGWATCH_ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8")
    form = {
        "type": "bedrock",
        "name": "aws",
        "base_url": provider.url,
        "region": AWS_REGION,
        "access_key": "AKIAFAKE",
        "secret_key": "wrong",
    }
    said = text_of(at.post(f"{HERE}/test", TRIAL, **form).text)
    assert "The secret key is wrong." in said
    assert "wrong" not in said.replace("is wrong", "")
    form["secret_key"] = AWS_KEYS["AKIAFAKE"][0]
    assert "accepts the credential" in at.post(f"{HERE}/test", TRIAL, **form).text
    missing = text_of(at.post(f"{HERE}/test", TRIAL, **(form | {"region": ""})).text)
    assert "Not tested" in missing and "Region: Give the region." in missing
    assert not Provider.select().where(Provider.name == "aws").exists()
    at.post(HERE, **form)
    row = Provider.get(Provider.name == "aws")
    stored = at.post(f"{HERE}/{row.id}/test", DRAWER)
    assert "accepts the credential" in stored.text
    changed = {"name": "aws", "base_url": provider.url, "region": AWS_REGION}
    assert "accepts" in at.post(f"{HERE}/{row.id}/edit/test", TRIAL, **changed).text
    elsewhere = changed | {"base_url": "http://127.0.0.2:9"}
    assert "again" in at.post(f"{HERE}/{row.id}/edit/test", TRIAL, **elsewhere).text


@pytest.mark.usefixtures("sqlite_db")
def test_a_test_reaches_no_private_address(tmp_path: Path, provider: FakeProvider) -> None:
    at = desk(tmp_path)
    form = {"type": "custom", "name": "x", "base_url": provider.url, "auth_mode": "bearer"}
    assert "loopback address" in at.post(f"{HERE}/test", TRIAL, **form).text
    assert provider.calls() == []
