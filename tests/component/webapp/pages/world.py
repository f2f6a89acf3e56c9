"""An organization with a month behind it, in the control database and in the lake, for tests and pictures of pages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from core.authoring import actor as actors
from core.authoring import anomaly_rules, ingestion_sources, organizations, people, teams
from core.authoring.actor import Actor
from core.lake import open_writer
from core.models import AlertDelivery, Anomaly, IngestionSource, JobHeartbeat, Organization
from core.secret_files import with_control_plane_secrets
from core.secrets import Secret, sealer_for
from core.settings import GATEWAY_MENU_FLAG, GOVERNANCE_FLAG, Settings, load
from rules.activity_events import ActivityEvent

PASSWORD = Secret("correct horse battery")
PEOPLE = (
    "ada@acme.test",
    "grace@acme.test",
    "edsger@acme.test",
    "barbara@acme.test",
    "key:nightly-batch",
)
RAW = '{"name": "chat_completion", "attributes": {"gen_ai.request.model": "claude-sonnet-4-5"}}'
MODELS = ("claude-sonnet-4-5", "gpt-5", "gpt-5-mini", "claude-haiku-4-5")


@dataclass(frozen=True, slots=True)
class World:
    """Ids of what was made; ``actor`` is an administrator."""

    organization_id: str
    actor: Actor
    team_ids: tuple[str, ...]
    source_ids: tuple[str, ...]
    rule_id: str
    anomaly_id: str


def empty_world(now: datetime) -> Actor:
    """Make an organization with an administrator and a member; return the administrator as an actor."""
    organization: Organization = organizations.create("Acme", "acme", now)
    system = actors.system(organization.id)
    ada = people.create(
        system, people.NewUser("ada@acme.test", "Ada Lovelace", "admin", PASSWORD), now
    )
    people.create(system, people.NewUser("dan@acme.test", "Dan", "member", PASSWORD), now)
    return actors.Actor(organization.id, ada.id, "web")


def full_world(settings: Settings, now: datetime, *, with_events: bool = True) -> World:
    """Make an organization with sources in each state, rules, anomalies, jobs, and 45 days of events."""
    actor = empty_world(now)
    team_ids = tuple(
        teams.create(actor, name, slug, now).id
        for name, slug in (("Engineering", "eng"), ("Data science", "data"), ("Support", "support"))
    )
    source_ids = tuple(_sources(actor, team_ids, settings.pepper, now))
    rule = anomaly_rules.create(
        actor,
        anomaly_rules.NewRule(
            name="Spend doubled",
            severity="warning",
            type="spend_spike",
            scope="organization",
            scope_id="",
            threshold={"windowSec": 3600, "ratioVsBaseline": 2.0, "minBaselineUsd": 1},
            destinations=[
                {"type": "slack", "webhookUrl": "https://hooks.slack.test/services/T/B/x"}
            ],
        ),
        sealer_for(settings.master_key),
        now,
    )
    off = anomaly_rules.create(
        actor,
        anomaly_rules.NewRule(
            "Nightly batch",
            "info",
            "spend_spike",
            "source",
            source_ids[0],
            {"windowSec": 86400, "ratioVsBaseline": 3, "minBaselineUsd": 10},
        ),
        sealer_for(settings.master_key),
        now,
    )
    anomaly_rules.set_status(actor, off.id, "disabled", now)
    anomaly_id = _anomalies(actor.organization_id, rule.id, now)
    _jobs(now)
    if with_events:
        _fill_lake(settings, list(_events(actor.organization_id, team_ids, source_ids, now)), now)
    return World(actor.organization_id, actor, team_ids, source_ids, rule.id, anomaly_id)


def _fill_lake(settings: Settings, events: list[ActivityEvent], now: datetime) -> None:
    writer = open_writer(settings)
    try:
        writer.append(events, 1, now)
    finally:
        writer.close()


def _sources(
    actor: Actor, team_ids: tuple[str, ...], pepper: Secret, now: datetime
) -> Iterator[str]:
    wanted = (
        ("agents", "Traces of the in-house agents", team_ids[0], timedelta(seconds=13), 0),
        ("support-bot", "", team_ids[2], timedelta(hours=30), 0),
        ("notebooks", "Shared notebooks of the data team", team_ids[1], timedelta(minutes=4), 2),
        ("new-exporter", "", None, None, 0),
    )
    for name, description, team_id, ago, errors in wanted:
        new = ingestion_sources.NewSource("otel_generic", name, description, team_id)
        source, _ = ingestion_sources.create(actor, new, pepper, now)
        if ago is not None:
            IngestionSource.update(
                status="active", last_event_at=now - ago, error_count=errors
            ).where(IngestionSource.id == source.id).execute()
        yield source.id


def _anomalies(organization_id: str, rule_id: str, now: datetime) -> str:
    rows = (
        ("anomaly_1", "critical", "Spend tripled", "open", timedelta(minutes=7), 48_200),
        ("anomaly_2", "warning", "Spend doubled", "open", timedelta(hours=5), 12_900),
        ("anomaly_3", "warning", "Spend doubled", "acknowledged", timedelta(days=2), 9_400),
        ("anomaly_4", "info", "Nightly batch", "resolved", timedelta(days=9), 3_100),
    )
    for anomaly_id, severity, rule_name, state, ago, cents in rows:
        detected = now - ago
        Anomaly.create(
            id=anomaly_id,
            organization_id=organization_id,
            rule_id=rule_id,
            rule_name=rule_name,
            rule_type="spend_spike",
            severity=severity,
            source_label="",
            window_start=detected - timedelta(hours=1),
            window_end=detected,
            spend_nanousd=cents * 10_000_000,
            detail={
                "baselineSpendUsd": cents / 240,
                "ratio": 2.4,
                "windowSec": 3600,
                "reason": "Spend in the last hour is 2.4 times the usual amount.",
            },
            state=state,
            detected_at=detected,
        )
    AlertDelivery.create(
        organization_id=organization_id,
        anomaly_id="anomaly_1",
        destination_type="slack",
        sealed_destination="",
        state="sent",
        attempts=2,
        due_at=now,
        sent_at=now - timedelta(minutes=6),
        last_error="HTTP 503 at the first attempt",
    )
    return "anomaly_1"


def _jobs(now: datetime) -> None:
    rows = (
        ("drain_inbox", 1, "ok", timedelta(seconds=1), 24, ""),
        ("evaluate_rules", 60, "ok", timedelta(seconds=31), 118, ""),
        (
            "deliver_alerts",
            5,
            "failed",
            timedelta(seconds=3),
            5012,
            "hooks.slack.test answered with 503",
        ),
        ("tidy_lake", 3600, "ok", timedelta(hours=9), 2310, ""),
    )
    for name, every, outcome, ago, took_ms, error in rows:
        JobHeartbeat.create(
            name=name,
            interval_seconds=every,
            outcome=outcome,
            last_started_at=now - ago,
            last_finished_at=now - ago,
            last_success_at=now - ago * 2,
            last_duration_ms=took_ms,
            last_error=error,
            runs=48_210,
            failures=3 if error else 0,
        )


def _events(
    organization_id: str, team_ids: tuple[str, ...], source_ids: tuple[str, ...], now: datetime
) -> Iterator[ActivityEvent]:
    dice = random.Random(7)
    for day in range(45, -1, -1):
        moment = now - timedelta(days=day)
        busy = 4 if moment.weekday() >= 5 else 14
        for index in range(busy):
            person = dice.choices(range(5), weights=(8, 5, 3, 2, 4))[0]
            through_gateway = dice.random() < 0.8
            at = moment - timedelta(seconds=dice.randrange(20, 40_000))
            refused = through_gateway and dice.random() < 0.05
            tokens = dice.randrange(800, 42_000)
            yield ActivityEvent(
                event_id=f"req_{day:02d}_{index:02d}",
                organization_id=organization_id,
                source_type="gateway" if through_gateway else "otel_generic",
                source_id="gateway" if through_gateway else source_ids[index % 3],
                event_type="api.refused" if refused else "api.call",
                event_timestamp=at,
                ingested_at=at,
                actor=PEOPLE[person],
                action="chat_completion",
                target=MODELS[(person + index) % 4],
                cost_nanousd=0 if refused else tokens * dice.randrange(60_000, 220_000),
                tokens_input=tokens,
                tokens_output=tokens // 7,
                raw_payload="" if through_gateway else RAW,
                model=MODELS[(person + index) % 4],
                team_id=team_ids[person % 3],
            )


def settings_in(directory: Path) -> Settings:
    """Return settings whose data lives in ``directory``, with governance switched on."""
    environ = {
        "LANGWATCH_DATA_DIR": str(directory),
        "FEATURE_FLAG_FORCE_ENABLE": f"{GOVERNANCE_FLAG},{GATEWAY_MENU_FLAG}",
    }
    return with_control_plane_secrets(load(environ))


def signed_in(app: Flask, email: str = "ada@acme.test") -> FlaskClient:
    """Return a browser in which that person has signed in."""
    client = app.test_client()
    client.get("/sign-in")
    form = {"csrf_token": form_token(client), "email": email, "password": PASSWORD.reveal()}
    assert client.post("/sign-in", data=form).status_code == 303
    client.get("/home")
    return client


def form_token(client: FlaskClient) -> str:
    """Return the form token of the session that a browser is in."""
    with client.session_transaction() as session:
        return str(session["csrf"])


def fixed_now() -> datetime:
    """Return the current moment, whole seconds: ages on pages are relative to the clock of the view."""
    return datetime.now(UTC).replace(microsecond=0)
