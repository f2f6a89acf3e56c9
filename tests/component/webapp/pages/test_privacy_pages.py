"""Privacy in the browser and where telemetry enters: modes and rules by scope, and that a planted prompt is nowhere."""

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from core import privacy as lookup
from core.authoring import (
    bindings,
    departments,
    ingestion_sources,
    people,
    privacy,
    projects,
    teams,
)
from core.authoring.bindings import NewBinding
from core.authoring.ingestion_sources import NewSource
from core.authoring.privacy import NewPrivacyRule
from core.clock import utcnow
from core.lake import open_writer
from core.models import AuditRow, ChangeEvent, InboxRow, PrivacyRule, Project, VirtualKey
from streamer.drain import drain
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of

HERE = "/settings/privacy"
CANARY = "canary-161803398-of-a-prompt"


@pytest.mark.usefixtures("sqlite_db")
def test_a_planted_prompt_is_in_no_database_lake_file_or_page_when_all_is_stripped(
    tmp_path: Path, sqlite_db: str
) -> None:
    at = desk(tmp_path, LW_INGEST_RATE_LIMIT_DISABLED="1")
    assert at.post(f"{HERE}/mode", content_mode="strip_all").status_code == 303
    for kind, path, body in (
        ("otel_generic", "otel/{}/v1/traces", _spans()),
        ("otel_generic", "otel/{}/v1/logs", _logs()),
        ("workato", "webhook/{}", orjson.dumps({"event": "run", "text": CANARY, "tokens": 3})),
        ("workato", "webhook/{}", CANARY.encode()),
    ):
        new = NewSource(kind, f"{kind} {path} {len(body)}")
        source, secret = ingestion_sources.create(at.actor, new, at.settings.pepper, utcnow())
        answer = at.app.test_client().post(
            f"/api/ingest/{path.format(source.id)}",
            data=body,
            headers={"Authorization": f"Bearer {secret.reveal()}"},
            content_type="application/json",
        )
        assert (answer.status_code, answer.json["events"]) == (202, 1)
        assert (
            CANARY not in at.client.get(f"/settings/governance/ingestion-sources/{source.id}").text
        )
    writer = open_writer(at.settings)
    try:
        drained = drain(writer, utcnow())
        assert (drained.events, drained.set_aside) == (4, 0)
        writer.flush()
        (tokens,) = writer._connection.execute(
            "SELECT sum(tokens_input) FROM lake.gateway_activity_events"
        ).fetchone()
        assert tokens == 12, "metadata is whole"
        found = writer._connection.execute("SELECT raw_payload FROM lake.gateway_activity_events")
        assert CANARY not in repr(found.fetchall())
    finally:
        writer.close()
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.suffix == ".parquet" for p in files)
    database = Path(sqlite_db.removeprefix("sqlite:///"))
    for file in [*files, *database.parent.glob(database.name + "*")]:
        assert CANARY.encode() not in file.read_bytes(), file


@pytest.mark.usefixtures("sqlite_db")
def test_what_a_source_sends_loses_its_credentials_and_shows_what_the_reader_may_read(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path, LW_INGEST_RATE_LIMIT_DISABLED="1")
    now = utcnow()
    token = "ghp_" + "aB3dE5" * 6
    new = NewSource("otel_generic", "spans")
    source, secret = ingestion_sources.create(at.actor, new, at.settings.pepper, now)
    send = at.app.test_client().post(
        f"/api/ingest/otel/{source.id}/v1/traces",
        data=_spans().replace(CANARY.encode(), f"{CANARY} {token}".encode()),
        headers={"Authorization": f"Bearer {secret.reveal()}"},
        content_type="application/json",
    )
    assert send.status_code == 202
    assert token.encode() not in bytes(InboxRow.get().payload)
    writer = open_writer(at.settings)
    try:
        drain(writer, utcnow())
        writer.flush()
        found = writer._connection.execute("SELECT raw_payload FROM lake.gateway_activity_events")
        [[payload]] = found.fetchall()
        assert CANARY in payload and token not in payload
    finally:
        writer.close()
    there = f"/settings/governance/ingestion-sources/{source.id}"
    assert CANARY in at.client.get(there).text
    organization = f"organization:{at.actor.organization_id}"
    restricted = {"input": "restrict", "output": "restrict", "tool_calls": "restrict"}
    made = at.post(f"{HERE}/rules", applies_to=organization, system="restrict", **restricted)
    assert made.status_code == 303
    page = at.client.get(there).text
    assert CANARY not in page and "gen_ai" in page, "it holds for what is stored already"
    assert "To read: Nobody" in at.client.get(HERE).text
    row = PrivacyRule.get()
    put = at.post(f"{HERE}/rules/{row.id}/edit", audience=["admins"], version="1", **restricted)
    assert put.status_code == 303
    assert CANARY in at.client.get(there).text
    wrong = at.post(f"{HERE}/rules/{row.id}/edit", DRAWER, audience=["admins"], version="2")
    assert "restrict a category" in error_of(wrong, "audience")


@pytest.mark.usefixtures("sqlite_db")
def test_rules_are_written_where_one_may_and_the_cascade_reaches_the_gateway(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    now = utcnow()
    team = teams.create(at.actor, "Engineering", "eng", now)
    project = projects.create(at.actor, "Web", "web", team.id, now)
    department = departments.create(at.actor, "Research", now)
    organization = f"organization:{at.actor.organization_id}"
    before = ChangeEvent.select().count()
    for applies_to, choices in (
        (
            organization,
            {"input": "drop", "drop_keys": "ssn\n*_iban", "secret_patterns": "EMP-[0-9]+"},
        ),
        (f"department:{department.id}", {"output": "drop"}),
        (f"project:{project.id}", {"input": "capture"}),
    ):
        assert at.post(f"{HERE}/rules", applies_to=applies_to, **choices).status_code == 303
    assert ChangeEvent.select().count() == before + 3, "gateways hear of it"
    key = VirtualKey(organization_id=at.actor.organization_id, principal_user_id=at.actor.actor_id)
    project = Project.get_by_id(project.id)
    assert lookup.for_keys([(key, project)])[key.id].drops == set()
    ada, member = people.find(at.actor.organization_id, at.actor.actor_id)
    wanted = people.Person(ada.name, member.role, department.id)
    people.change_person(at.actor, ada.id, wanted, now)
    found = lookup.for_keys([(key, project)])[key.id]
    assert found.drops == {"output"}
    assert (found.drop_keys, found.secret_patterns) == (("*_iban", "ssn"), ("EMP-[0-9]+",))
    page = at.client.get(HERE).text
    assert "Whole organization" in page
    assert "Department Research" in page


@pytest.mark.usefixtures("sqlite_db")
def test_what_is_wrong_is_said_beside_it_and_a_stale_save_changes_nothing(tmp_path: Path) -> None:
    at = desk(tmp_path)
    organization = f"organization:{at.actor.organization_id}"
    bad = at.post(f"{HERE}/rules", DRAWER, applies_to=organization, secret_patterns="(?=x)")
    assert (bad.status_code, "look-ahead" in error_of(bad, "secret_patterns")) == (422, True)
    bad = at.post(f"{HERE}/rules", DRAWER, applies_to="project:none", input="drop")
    assert bad.status_code in (403, 422)
    row = privacy.create(
        at.actor, NewPrivacyRule("organization", at.actor.organization_id), utcnow()
    )
    twice = at.post(f"{HERE}/rules", DRAWER, applies_to=organization)
    assert "already" in error_of(twice, "applies_to")
    edit = f"{HERE}/rules/{row.id}/edit"
    version = at.version(edit)
    assert at.post(edit, input="drop", version=version).status_code == 303
    stale = at.post(edit, DRAWER, input="capture", output="drop", version=version)
    assert (stale.status_code, "Save over it" in stale.text) == (409, True)
    assert PrivacyRule.get().input == "drop"
    mode = at.version(f"{HERE}/mode")
    assert at.post(f"{HERE}/mode", content_mode="strip_io", version=mode).status_code == 303
    assert at.post(f"{HERE}/mode", content_mode="full", version=mode).status_code == 409
    assert at.post(f"{HERE}/rules/{row.id}/delete").status_code == 303
    actions = {a.action for a in AuditRow.select() if "privacy" in a.action or "mode" in a.action}
    assert actions == {
        "governance.privacy_rule.created",
        "governance.privacy_rule.updated",
        "governance.privacy_rule.deleted",
        "organization.content_mode_changed",
    }


@pytest.mark.usefixtures("sqlite_db")
def test_a_team_administrator_writes_rules_for_the_team_and_for_nothing_wider(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    now = utcnow() - timedelta(seconds=1)
    team = teams.create(at.actor, "Engineering", "eng", now)
    other = teams.create(at.actor, "Sales", "sales", now)
    dan = people.find_by_email(at.actor.organization_id, "dan@acme.test")
    assert dan is not None
    bindings.create(at.actor, NewBinding("user", dan.id, "admin", "team", team.id), now)
    browser = Desk(at.app, at.browser("dan@acme.test"), at.settings, at.actor)
    wide = privacy.create(at.actor, NewPrivacyRule("organization", at.actor.organization_id), now)
    assert (
        browser.post(f"{HERE}/rules", applies_to=f"team:{team.id}", input="drop").status_code == 303
    )
    for applies_to in (f"team:{other.id}", f"organization:{at.actor.organization_id}"):
        assert browser.post(f"{HERE}/rules", applies_to=applies_to).status_code == 403
    assert browser.client.get(f"{HERE}/rules/{wide.id}/edit").status_code == 403
    page = browser.client.get(HERE)
    assert page.status_code == 200
    assert f"/rules/{wide.id}/edit" not in page.text


def _spans() -> bytes:
    attributes = {
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": "12",
        "gen_ai.prompt": CANARY,
        "acme.own.name": CANARY,
    }
    span = {
        "name": "chat",
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "attributes": [{"key": n, "value": {"stringValue": v}} for n, v in attributes.items()],
        "events": [{"name": CANARY, "attributes": []}],
        "status": {"message": CANARY},
    }
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def _logs() -> bytes:
    log = {"body": {"stringValue": CANARY}, "severityNumber": 9}
    return orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]})
