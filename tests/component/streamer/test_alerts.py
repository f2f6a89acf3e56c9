"""Alerts to a Slack on loopback: sent once, tried again, put off, given up, and never to a private place."""

import dataclasses
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from core.database import connection
from core.models import AlertDelivery, Anomaly, deliveries
from core.sealing import delivery_purpose
from core.secrets import sealer_for
from core.settings import Settings, load
from streamer.alerts import delivery
from streamer.alerts.delivery import Outlet, deliver_due
from tests.component.streamer.slack_peer import SlackPeer, slack_peer


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def slack() -> Iterator[SlackPeer]:
    with slack_peer() as peer:
        yield peer


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def outlet(settings: Settings, clock: Clock) -> Outlet:
    return Outlet(sealer_for(settings.master_key), settings, threading.Event(), clock)


def queue(outlet: Outlet, url: str, now: datetime, operator: bool = True) -> int:
    """Queue one alert; return the delivery's id."""
    detail = {
        "scope": "organization",
        "scopeId": "org_1",
        "baselineSpendUsd": "2.000000",
        "reason": "Spend over 1 hour was $5.00, 2.5 times the baseline of $2.00.",
        "dispatch": "pending",
    }
    destination: dict[str, Any] = {"type": "slack", "webhookUrl": url}
    destination |= {"operator": "true"} if operator else {}
    with connection():
        anomaly_id = f"anomaly_{Anomaly.select().count()}"
        Anomaly.create(
            id=anomaly_id,
            organization_id="org_1",
            rule_id=anomaly_id,
            rule_name="spend <doubled>",
            rule_type="spend_spike",
            severity="critical",
            source_label="Acme",
            window_start=now - timedelta(hours=1),
            window_end=now,
            spend_nanousd=5_000_000_000,
            event_count=3,
            detail=detail,
            detected_at=now,
        )
        row = AlertDelivery.create(
            organization_id="org_1",
            anomaly_id=anomaly_id,
            destination_type="slack",
            sealed_destination=outlet.sealer.seal(
                orjson.dumps(destination).decode(), delivery_purpose(anomaly_id)
            ),
            due_at=now,
        )
    return int(row.id)


def stored(row_id: int) -> AlertDelivery:
    with connection():
        return AlertDelivery.get_by_id(row_id)


def test_slack_gets_a_card_that_says_what_happened(
    outlet: Outlet, slack: SlackPeer, now: datetime
) -> None:
    row_id = queue(outlet, slack.url, now)
    assert deliver_due(outlet, now) == {"sent": 1}
    assert deliver_due(outlet, now) == {}
    [post] = slack.posts
    text = orjson.dumps(post).decode()
    for part in (
        "Critical: spend &lt;doubled&gt;",
        "2.5 times the baseline",
        "Acme",
        "$5.00",
        "$2.00",
        "2026-11-21 09:20 to 2026-11-21 10:20 UTC",
        "http://127.0.0.1:5560/governance/anomalies/anomaly_0",
    ):
        assert part in text
    assert slack.headers[0]["host"] == slack.url.split("/")[2]
    row = stored(row_id)
    assert (row.state, row.attempts, row.last_status, row.sent_at) == ("sent", 1, 200, now)
    with connection():
        detail = Anomaly.get_by_id("anomaly_0").detail
    assert detail["dispatch"] == "dispatched_slack_1"
    assert detail["destinationStatus"][0]["state"] == "sent"


def test_a_failing_slack_is_tried_again_at_once(
    outlet: Outlet, slack: SlackPeer, now: datetime
) -> None:
    slack.answer_with(500, 503)
    queue(outlet, slack.url, now)
    assert deliver_due(outlet, now) == {"sent": 1}
    assert len(slack.posts) == 3


def test_a_slack_that_stays_down_is_tried_later_and_given_up_in_the_end(
    outlet: Outlet, slack: SlackPeer, clock: Clock, now: datetime
) -> None:
    outlet = dataclasses.replace(outlet, quick_retry_seconds=())
    slack.answer_with(*[500] * delivery.MOST_ROUNDS)
    row_id = queue(outlet, slack.url, now)
    for round_number in range(1, delivery.MOST_ROUNDS):
        assert deliver_due(outlet, clock.now) == {"due": 1}
        row = stored(row_id)
        assert row.due_at == clock.now + delivery.pause_after(round_number)
        assert deliver_due(outlet, clock.now) == {}
        clock.now = row.due_at
    assert deliver_due(outlet, clock.now) == {"failed": 1}
    row = stored(row_id)
    assert (row.state, row.attempts, row.last_status) == ("failed", delivery.MOST_ROUNDS, 500)
    with connection():
        assert Anomaly.get_by_id("anomaly_0").detail["dispatch"] == "failed_slack_1"
        assert Anomaly.get_by_id("anomaly_0").state == "open"


def test_a_busy_slack_says_when_to_come_back(
    outlet: Outlet, slack: SlackPeer, clock: Clock, now: datetime
) -> None:
    slack.answer_with(429, Retry_After="77")
    row_id = queue(outlet, slack.url, now)
    assert deliver_due(outlet, now) == {"due": 1}
    assert len(slack.posts) == 1
    assert stored(row_id).due_at == now + timedelta(seconds=77)
    clock.now = now + timedelta(seconds=77)
    assert deliver_due(outlet, clock.now) == {"sent": 1}


@pytest.mark.parametrize("status", [301, 400, 404, 410])
def test_a_refusal_is_final(outlet: Outlet, slack: SlackPeer, now: datetime, status: int) -> None:
    slack.answer_with(status, Location=slack.url)
    row_id = queue(outlet, slack.url, now)
    assert deliver_due(outlet, now) == {"failed": 1}
    assert len(slack.posts) == 1
    assert stored(row_id).last_error.startswith(f"status {status}")


def test_a_silent_slack_is_a_timeout_and_its_address_stays_secret(
    outlet: Outlet, slack: SlackPeer, now: datetime
) -> None:
    outlet = dataclasses.replace(outlet, send_seconds=0.2)
    slack.silence.set()
    row_id = queue(outlet, slack.url, now)
    assert deliver_due(outlet, now) == {"due": 1}
    assert len(slack.posts) == 3
    assert stored(row_id).last_error == "no answer: ReadTimeout"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://localhost:9/x",
        "http://[::1]:9/x",
        "http://10.0.0.8/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:192.168.1.1]/x",
        "file:///etc/passwd",
    ],
)
def test_an_address_a_tenant_entered_may_not_be_private(
    outlet: Outlet, now: datetime, url: str
) -> None:
    row_id = queue(outlet, url, now, operator=False)
    assert deliver_due(outlet, now) == {"failed": 1}
    assert "may not be contacted" in stored(row_id).last_error or url.startswith("file")


def test_the_operator_can_open_a_private_network_to_tenants(
    outlet: Outlet, slack: SlackPeer, now: datetime, clock: Clock
) -> None:
    opened = load({"LANGWATCH_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8"})
    queue(outlet, slack.url, now, operator=False)
    open_outlet = Outlet(outlet.sealer, opened, threading.Event(), clock)
    assert deliver_due(open_outlet, now) == {"sent": 1}


def test_a_delivery_has_one_taker_and_a_dead_takers_is_taken_over(
    outlet: Outlet, slack: SlackPeer, now: datetime
) -> None:
    row_id = queue(outlet, slack.url, now)
    first = deliveries.claim_next(now)
    assert first is not None and deliveries.claim_next(now) is None
    assert deliver_due(outlet, now + deliveries.STALE_CLAIM) == {}
    late = now + deliveries.STALE_CLAIM + timedelta(seconds=1)
    assert deliveries.free_stale_claims(late) == 1
    second = deliveries.claim_next(late)
    assert second is not None and second.id == row_id
    assert not deliveries.finish(first, state="sent")
    assert deliveries.finish(second, state="sent")


def test_many_takers_send_each_alert_once(outlet: Outlet, slack: SlackPeer, now: datetime) -> None:
    for _ in range(12):
        queue(outlet, slack.url, now)
    takers = [threading.Thread(target=deliver_due, args=(outlet, now)) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert len(slack.posts) == 12
