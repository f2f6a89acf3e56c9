"""What people change on the governance pages: sources, rules and anomalies, with and without htmx."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.authoring.destinations import opened
from core.authoring.ingestion_sources import find_by_secret
from core.models import Anomaly, AnomalyRule, AuditRow, IngestionSource, Team
from core.secrets import sealer_for
from core.settings import Settings
from tests.component.webapp.pages.world import (
    World,
    fixed_now,
    form_token,
    full_world,
    settings_in,
    signed_in,
)
from webapp.app import create_app

SOURCES = "/settings/governance/ingestion-sources"
RULES = "/settings/governance/anomaly-rules"
DRAWER = {"HX-Request": "true", "HX-Target": "dialog#drawer"}
SECRET = re.compile(r"lw_is_[A-Za-z0-9_-]{20,}")
RULE = {
    "name": "Too much",
    "severity": "critical",
    "applies_to": "organization",
    "window_minutes": "30",
    "ratio": "2.5",
    "floor_usd": "4",
    "slack_url": "https://hooks.slack.test/services/A/B/c",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """An administrator at work."""

    app: Flask
    client: FlaskClient
    settings: Settings
    world: World

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> TestResponse:
        """Send a form as one of our pages would."""
        token = {"csrf_token": form_token(self.client)}
        return self.client.post(path, data=form | token, headers=headers)


@pytest.fixture
def desk(db: str, tmp_path: Path) -> Iterator[Desk]:
    settings = settings_in(tmp_path / "var")
    world = full_world(settings, fixed_now(), with_events=False)
    app = create_app(settings)
    yield Desk(app, signed_in(app), settings, world)


def test_a_new_source_shows_its_secret_once_and_the_secret_works(desk: Desk) -> None:
    answer = desk.post(SOURCES, name="laptops", description="Tools on laptops", team_id="")
    (secret,) = set(SECRET.findall(answer.text))
    source = IngestionSource.get(IngestionSource.name == "laptops")
    assert answer.status_code == 200
    assert f"http://localhost/api/ingest/otel/{source.id}" in answer.text
    assert f"Authorization: Bearer {secret}" in html.unescape(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    assert find_by_secret(desk.settings.pepper, secret, fixed_now()) == source
    for path in (SOURCES, f"{SOURCES}/{source.id}", f"{SOURCES}/{source.id}/edit"):
        assert not SECRET.search(desk.client.get(path).text)


def test_the_drawer_gets_the_secret_as_a_dialog_that_must_be_acknowledged(desk: Desk) -> None:
    answer = desk.post(SOURCES, DRAWER, name="laptops", description="", team_id="")
    assert answer.text.lstrip().startswith('<dialog id="drawer"')
    assert "data-deliberate" in answer.text and "as-page" not in answer.text
    assert answer.headers["HX-Trigger"] == "sources-changed"


@pytest.mark.parametrize("headers", [{}, DRAWER], ids=["page", "drawer"])
def test_a_wrong_name_is_said_beside_the_field_and_what_was_typed_stays(
    desk: Desk, headers: dict[str, str]
) -> None:
    answer = desk.post(SOURCES, headers, name="agents", description="kept <text>", team_id="")
    assert answer.status_code == 422
    assert re.search(r'id="name-error">.*Another source has this name', answer.text)
    assert 'aria-describedby="name-error name-help"' in answer.text
    assert "kept &lt;text&gt;" in answer.text
    assert ("<html" in answer.text) is (not headers)


def test_a_rotated_secret_replaces_the_old_one_on_the_page(desk: Desk) -> None:
    source_id = desk.world.source_ids[0]
    first = SECRET.findall(desk.post(f"{SOURCES}/{source_id}/rotate").text)
    second = SECRET.findall(desk.post(f"{SOURCES}/{source_id}/rotate").text)
    assert first and second and first[0] != second[0]


def test_an_edited_source_keeps_its_type_and_status(desk: Desk) -> None:
    source_id, team_id = desk.world.source_ids[0], desk.world.team_ids[1]
    answer = desk.post(
        f"{SOURCES}/{source_id}/edit", name="agents 2", description="", team_id=team_id
    )
    source = IngestionSource.get_by_id(source_id)
    assert answer.status_code == 303 and answer.location == f"{SOURCES}/{source_id}"
    assert (source.name, source.team_id, source.type, source.status) == (
        "agents 2",
        team_id,
        "otel_generic",
        "active",
    )
    assert "agents 2 is saved" in desk.client.get(answer.location).text


def test_an_archived_source_leaves_the_list_and_stays_readable(desk: Desk) -> None:
    source_id = desk.world.source_ids[0]
    target = {"HX-Request": "true", "HX-Target": "div#sources"}
    answer = desk.post(f"{SOURCES}/{source_id}/archive", target)
    assert answer.status_code == 303
    part = desk.client.get(answer.location, headers=target).text
    assert f"source-{source_id}" not in part
    assert 'hx-swap-oob="true"' in part and "agents is archived" in part
    page = desk.client.get(f"{SOURCES}/{source_id}").text
    assert "Archived" in page and "Rotate secret" not in page and "hx-trigger" not in page


def test_a_change_without_the_form_token_is_refused(desk: Desk) -> None:
    answer = desk.client.post(SOURCES, data={"name": "sly"})
    assert answer.status_code == 403
    assert not IngestionSource.select().where(IngestionSource.name == "sly").exists()


def test_a_rule_is_stored_as_its_number_fields_say_and_its_address_is_sealed(desk: Desk) -> None:
    answer = desk.post(RULES, **RULE)
    rule = AnomalyRule.get(AnomalyRule.name == "Too much")
    assert answer.status_code == 303
    assert rule.threshold == {"windowSec": 1800, "ratioVsBaseline": 2.5, "minBaselineUsd": 4}
    assert rule.scope_id == desk.world.organization_id
    assert "hooks.slack.test" not in str(rule.destinations)
    assert opened(rule, sealer_for(desk.settings.master_key)) == [
        {"type": "slack", "webhookUrl": RULE["slack_url"]}
    ]
    listed = desk.client.get(RULES).text
    assert "within 30 min reaches 2.5 times" in listed
    assert "hooks.slack.test" not in listed


def test_json_replaces_the_number_fields(desk: Desk) -> None:
    text = '{"windowSec": 60, "ratioVsBaseline": 9, "minBaselineUsd": 0}'
    desk.post(RULES, **RULE | {"threshold_json": text, "window_minutes": "nonsense"})
    rule = AnomalyRule.get(AnomalyRule.name == "Too much")
    assert rule.threshold["ratioVsBaseline"] == 9


MISTAKES = (
    ({"name": ""}, "name", "Give it a name"),
    ({"name": "Spend doubled"}, "name", "Another rule has this name"),
    ({"ratio": "x"}, "threshold", "The ratio must be a number"),
    ({"window_minutes": "0"}, "threshold", "windowSec"),
    ({"threshold_json": "{"}, "threshold_json", "not valid JSON"),
    ({"threshold_json": "[]"}, "threshold_json", "must be a JSON object"),
    ({"destinations_json": '{"a": 1'}, "destinations_json", "not valid JSON"),
    ({"slack_url": "ftp://x"}, "slack_url", "https"),
)


def test_each_mistake_in_a_rule_is_said_where_it_was_made(desk: Desk) -> None:
    for typed, field, said in MISTAKES:
        answer = desk.post(RULES, DRAWER, **RULE | typed)
        found = re.search(rf'id="{field}-error">.*?</svg>([^<]*)', answer.text)
        assert answer.status_code == 422, typed
        assert found and said in html.unescape(found[1]), (typed, answer.text)
    assert AnomalyRule.select().where(AnomalyRule.name == "Too much").count() == 0


def test_an_edited_rule_keeps_its_destination_unless_a_new_one_is_typed(desk: Desk) -> None:
    path = f"{RULES}/{desk.world.rule_id}/edit"
    form = desk.client.get(path).text
    assert "Alerts go to: Slack" in form and "hooks.slack" not in re.sub(
        r'placeholder="[^"]*"', "", form
    )
    answer = desk.post(path, **RULE | {"name": "Spend doubled", "slack_url": "", "ratio": "3"})
    rule = AnomalyRule.get_by_id(desk.world.rule_id)
    assert answer.status_code == 303
    assert rule.threshold["ratioVsBaseline"] == 3
    kept = opened(rule, sealer_for(desk.settings.master_key))
    assert kept[0]["webhookUrl"] == "https://hooks.slack.test/services/T/B/x"


def test_what_is_typed_meanwhile_takes_no_notice_away(desk: Desk) -> None:
    desk.post(RULES, **RULE | {"name": "Watched"})
    headers = {"HX-Request": "true", "HX-Target": "div#preview"}
    assert "Watched is watching." not in desk.post(f"{RULES}/preview", headers, **RULE).text
    assert "Watched is watching." in desk.client.get(RULES).text


def test_the_preview_says_what_a_threshold_means_before_it_is_saved(desk: Desk) -> None:
    headers = {"HX-Request": "true", "HX-Target": "div#preview"}
    good = desk.post(f"{RULES}/preview", headers, **RULE).text
    bad = desk.post(f"{RULES}/preview", headers, **RULE | {"ratio": ""}).text
    assert good.lstrip().startswith('<div id="preview"')
    assert "spend of the whole organization within 30 min reaches 2.5 times" in good
    assert "The ratio must be a number" in bad and "Invalid" in bad


def test_a_rule_is_switched_off_and_on_and_archived(desk: Desk) -> None:
    path = f"{RULES}/{desk.world.rule_id}"
    states = []
    for change in ("disable", "enable", "archive"):
        assert desk.post(f"{path}/{change}").status_code == 303
        rule = AnomalyRule.get_by_id(desk.world.rule_id)
        states.append((rule.status, rule.archived_at is not None))
    assert states == [("disabled", False), ("active", False), ("active", True)]
    assert desk.client.get(f"{path}/edit").status_code == 404


def test_an_anomaly_is_acknowledged_then_resolved_and_both_are_audited(desk: Desk) -> None:
    path = f"/governance/anomalies/{desk.world.anomaly_id}"
    for change, state in (
        ("acknowledge", "acknowledged"),
        ("resolve", "resolved"),
        ("acknowledge", "resolved"),
    ):
        assert desk.post(f"{path}/{change}").status_code == 303
        assert Anomaly.get_by_id(desk.world.anomaly_id).state == state
    actions = [row.action for row in AuditRow.select().where(AuditRow.target_kind == "anomaly")]
    assert sorted(actions) == [
        "governance.anomaly_alert.acknowledged",
        "governance.anomaly_alert.resolved",
    ]
    assert "Resolve</button>" not in desk.client.get(path).text


def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for path in (
        f"{SOURCES}/src_x",
        f"{SOURCES}/src_x/edit",
        f"{RULES}/rule_x/edit",
        "/governance/anomalies/anomaly_x",
    ):
        assert desk.client.get(path).status_code == 404, path
    for path in (
        f"{SOURCES}/src_x/archive",
        f"{RULES}/rule_x/disable",
        "/governance/anomalies/anomaly_x/resolve",
    ):
        assert desk.post(path).status_code == 404, path
    assert (
        desk.client.get(f"{SOURCES}/{desk.world.source_ids[0]}?before=yesterday").status_code == 400
    )


def test_older_addresses_lead_to_the_pages(desk: Desk) -> None:
    for path in ("ingestion-sources", "anomaly-rules"):
        assert desk.client.get(f"/governance/{path}").location == f"/settings/governance/{path}"
    assert desk.client.get("/settings/governance").text.count('id="figures"') == 1


def test_a_source_label_is_kept_and_cleared_by_the_composer(desk: Desk) -> None:
    path = f"{SOURCES}/{desk.world.source_ids[0]}/edit"
    seen = []
    for label in ("agents-eu", ""):
        desk.post(path, name="agents", description="", team_id="", label=label)
        seen.append(IngestionSource.get_by_id(desk.world.source_ids[0]).parser_config)
    assert seen == [{"allowedSourceTypeLabel": "agents-eu"}, {}]


@pytest.mark.parametrize("is_archived", [False, True])
def test_saving_a_rule_never_moves_it_to_another_scope(desk: Desk, is_archived: bool) -> None:
    team_id, path = desk.world.team_ids[0], f"{RULES}/{desk.world.rule_id}/edit"
    AnomalyRule.update(scope="team", scope_id=team_id).execute()
    if is_archived:
        Team.update(archived_at=fixed_now()).execute()
    form = desk.client.get(path).text
    assert f'<option value="team:{team_id}" selected>' in form
    assert is_archived or "Team Engineering" in desk.client.get(RULES).text
    desk.post(path, **RULE | {"applies_to": f"team:{team_id}", "slack_url": ""})
    rule = AnomalyRule.get_by_id(desk.world.rule_id)
    assert (rule.scope, rule.scope_id) == ("team", team_id)


def test_a_workato_source_is_made_with_its_own_field_and_told_the_webhook_address(
    desk: Desk,
) -> None:
    form = {"type": "workato", "name": "recipes", "description": "", "team_id": ""}
    refused = desk.post(SOURCES, **form, last_four="abc")
    assert refused.status_code == 422
    assert re.search(r'id="last_four-error">.*exactly the last four', refused.text)
    answer = desk.post(SOURCES, **form, last_four="wxyz", workspace_id="ignored")
    source = IngestionSource.get(IngestionSource.name == "recipes")
    assert source.type == "workato"
    assert source.parser_config == {"sharedSecretLastFour": "wxyz"}
    rotated = desk.post(f"{SOURCES}/{source.id}/rotate")
    for text in (answer.text, rotated.text, desk.client.get(f"{SOURCES}/{source.id}").text):
        assert f"http://localhost/api/ingest/webhook/{source.id}" in text
        assert "/api/ingest/otel/" not in text
    assert "Webhook URL" in rotated.text and "OTLP address" not in rotated.text
    edited = desk.client.get(f"{SOURCES}/{source.id}/edit").text
    assert "Workato (workato)" in edited and "otel_generic" not in edited


def test_an_unknown_source_type_is_refused_beside_the_field(desk: Desk) -> None:
    answer = desk.post(SOURCES, type="carrier_pigeon", name="p", description="", team_id="")
    assert answer.status_code == 422
    assert re.search(r'id="type-error">.*Choose one of', answer.text)


def test_one_attempt_at_a_rule_tells_every_mistake(desk: Desk) -> None:
    wrong = {"name": "", "window_minutes": "", "destinations_json": "{"}
    answer = desk.post(RULES, **RULE | wrong)
    assert answer.status_code == 422
    for mistake in (
        'id="name-error"',
        'id="destinations_json-error"',
        "The window must be a number",
    ):
        assert answer.text.count(mistake) == 1
