"""Rules on a real lake and a real control database: what fires, what does not, and what becomes of it."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.authoring import destinations
from core.database import connection
from core.lake import LakeReader, LakeWriter
from core.models import AlertDelivery, Anomaly, AnomalyRule, Organization, Team
from core.secrets import Sealer, Secret, sealer_for
from rules.activity_events import API_CALL, ActivityEvent
from rules.anomaly_rules import Decision
from streamer import anomalies

ORG = "org_1"
THRESHOLD = {"windowSec": 3600, "ratioVsBaseline": 2.0, "minBaselineUsd": 1}
SLACK = {"type": "slack", "webhookUrl": "https://hooks.slack.test/services/T/B/x"}
USD = 1_000_000_000
_numbers = iter(range(1, 10**6))


@pytest.fixture
def sealer(master_key: Secret) -> Sealer:
    return sealer_for(master_key)


def rule(sealer: Sealer, now: datetime, **changes: Any) -> AnomalyRule:
    rule_id = f"rule_{next(_numbers)}"
    values: dict[str, Any] = {
        "id": rule_id,
        "organization_id": ORG,
        "name": "spend doubled",
        "severity": "warning",
        "type": "spend_spike",
        "scope": "organization",
        "scope_id": ORG,
        "threshold": THRESHOLD,
        "destinations": destinations.sealed([SLACK], rule_id, sealer),
        "created_at": now,
        "updated_at": now,
    }
    with connection():
        return AnomalyRule.create(**(values | changes))


def spend(writer: LakeWriter, at: datetime, usd: float, **changes: Any) -> None:
    number = next(_numbers)
    event = ActivityEvent(
        event_id=f"req_{number}",
        organization_id=ORG,
        source_type="gateway",
        source_id="gateway",
        event_type=API_CALL,
        event_timestamp=at,
        ingested_at=at,
        actor="ada@acme.test",
        cost_nanousd=int(usd * USD),
        team_id="team_1",
        project_id="project_1",
    )
    writer.append([dataclasses.replace(event, **changes)], number, at)


def steady(writer: LakeWriter, now: datetime, usd: float, **changes: Any) -> None:
    """One call in each of the six hours before the current one."""
    for hour in range(1, 7):
        spend(writer, now - timedelta(hours=hour, minutes=30), usd, **changes)


def one(rule: AnomalyRule) -> Anomaly:
    with connection():
        return Anomaly.get(Anomaly.rule_id == rule.id)


def test_a_spike_raises_an_anomaly_with_a_delivery_for_each_destination(
    writer: LakeWriter, reader: LakeReader, sealer: Sealer, now: datetime
) -> None:
    with connection():
        Organization.create(id=ORG, name="Acme", slug="acme", created_at=now)
    steady(writer, now, 2)
    spend(writer, now - timedelta(minutes=10), 5)
    watching = rule(sealer, now)
    assert anomalies.evaluate(watching, reader, sealer, now) is Decision.FIRE
    found = one(watching)
    assert (found.state, found.spend_nanousd, found.event_count) == ("open", 5 * USD, 1)
    assert (found.window_start, found.window_end) == (now - timedelta(hours=1), now)
    assert found.source_label == "Acme"
    assert found.detail["baselineSpendUsd"] == "2.000000" and found.detail["ratio"] == 2.5
    assert found.detail["dispatch"] == "pending"
    assert "2.5 times" in found.detail["reason"]
    with connection():
        [delivery] = AlertDelivery.select()
    assert (delivery.state, delivery.destination_type) == ("due", "slack")
    assert "hooks.slack.test" not in delivery.sealed_destination


@pytest.mark.parametrize(
    ("baseline_usd", "current_usd", "decision"),
    [
        (0, 0, Decision.SKIP_NO_DATA),
        (0.5, 50, Decision.SKIP_BELOW_BASELINE),
        (2, 3.99, Decision.SKIP_BELOW_THRESHOLD),
        (2, 4, Decision.FIRE),
    ],
)
def test_the_decision_follows_baseline_and_ratio(
    baseline_usd: float,
    current_usd: float,
    decision: Decision,
    writer: LakeWriter,
    reader: LakeReader,
    sealer: Sealer,
    now: datetime,
) -> None:
    if current_usd:
        steady(writer, now, baseline_usd)
        spend(writer, now - timedelta(seconds=1), current_usd)
    assert anomalies.evaluate(rule(sealer, now), reader, sealer, now) is decision


def test_an_offset_compares_with_one_window_that_much_earlier(
    writer: LakeWriter, reader: LakeReader, sealer: Sealer, now: datetime
) -> None:
    week = timedelta(days=7)
    spend(writer, now - week - timedelta(minutes=30), 2)
    spend(writer, now - timedelta(hours=3), 1000)
    spend(writer, now - timedelta(minutes=30), 4)
    offset = rule(sealer, now, threshold=THRESHOLD | {"baselineOffsetSec": 7 * 86_400})
    assert anomalies.evaluate(offset, reader, sealer, now) is Decision.FIRE
    assert one(offset).detail["baselineSpendUsd"] == "2.000000"
    mean_of_six = rule(sealer, now)
    assert anomalies.evaluate(mean_of_six, reader, sealer, now) is Decision.SKIP_BELOW_THRESHOLD


def test_a_scope_sees_only_its_own_spend(
    writer: LakeWriter, reader: LakeReader, sealer: Sealer, now: datetime
) -> None:
    with connection():
        Team.create(
            id="team_2", organization_id=ORG, name="Research", slug="research", created_at=now
        )
    steady(writer, now, 2)
    steady(writer, now, 2, team_id="team_2", project_id="project_2", source_id="src_1")
    spend(writer, now - timedelta(minutes=5), 4, team_id="team_2", project_id="project_2")
    team = rule(sealer, now, scope="team", scope_id="team_2")
    assert anomalies.evaluate(team, reader, sealer, now) is Decision.FIRE
    assert one(team).source_label == "Research"
    for scope, scope_id in (
        ("team", "team_1"),
        ("project", "project_1"),
        ("source", "src_1"),
        ("organization", ORG),
    ):
        other = rule(sealer, now, scope=scope, scope_id=scope_id)
        assert anomalies.evaluate(other, reader, sealer, now) is Decision.SKIP_BELOW_THRESHOLD


def test_a_rule_rests_for_one_window_after_it_fired(
    writer: LakeWriter, reader: LakeReader, sealer: Sealer, now: datetime
) -> None:
    steady(writer, now, 2)
    spend(writer, now - timedelta(minutes=1), 40)
    watching = rule(sealer, now)
    decisions = [
        anomalies.evaluate(watching, reader, sealer, now + timedelta(minutes=minutes))
        for minutes in (0, 1, 58)
    ]
    assert decisions == [Decision.FIRE, Decision.SKIP_DEDUP, Decision.SKIP_DEDUP]
    with connection():
        assert AlertDelivery.select().count() == 1


def test_two_quiet_evaluations_in_a_row_resolve_what_is_open(
    writer: LakeWriter, reader: LakeReader, sealer: Sealer, now: datetime
) -> None:
    steady(writer, now, 2)
    spend(writer, now - timedelta(minutes=1), 5)
    watching = rule(sealer, now)
    anomalies.evaluate(watching, reader, sealer, now)
    later = now + timedelta(hours=2)
    anomalies.evaluate(watching, reader, sealer, later)
    assert one(watching).state == "open"
    anomalies.evaluate(watching, reader, sealer, later + timedelta(minutes=1))
    found = one(watching)
    assert (found.state, found.resolved_at) == ("resolved", later + timedelta(minutes=1))
    assert found.resolved_by_id is None


def test_one_broken_rule_stops_no_other(
    writer: LakeWriter, reader: LakeReader, sealer: Sealer, now: datetime
) -> None:
    steady(writer, now, 2)
    spend(writer, now - timedelta(minutes=1), 40)
    rule(sealer, now, threshold={"windowSec": "soon"})
    rule(sealer, now, scope="planet", scope_id="earth", threshold=THRESHOLD | {"minBaselineUsd": 0})
    rule(sealer, now, destinations=[{"type": "slack", "webhookUrl": "not sealed"}])
    rule(sealer, now, status="disabled")
    healthy = rule(sealer, now)
    assert anomalies.evaluate_all(reader, sealer, now) == {
        "skip_invalid_config": 1,
        "skip_no_data": 1,
        "fire": 2,
    }
    assert one(healthy).state == "open"
    with connection():
        tags = sorted(row.detail["dispatch"] for row in Anomaly.select())
    assert tags == ["log_only_invalid_config", "pending"]
