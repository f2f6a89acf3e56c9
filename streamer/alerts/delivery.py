"""Delivers what is due, one at a time: quick retries, then again later, then given up. An alert is never undone.

A delivery is sent at least once: a streamer that dies between the answer and writing it down sends again.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson

from core.clock import isoformat, utcnow
from core.database import connection, transaction
from core.log import redact
from core.models import AlertDelivery, Anomaly, deliveries
from core.sealing import delivery_purpose
from core.secrets import Sealer, SealError
from core.settings import Settings
from streamer.alerts.channels import CHANNELS
from streamer.alerts.payload import alert_payload
from streamer.alerts.sending import SEND_SECONDS, AddressRefused, Answer, Reach, post_json

LOG = logging.getLogger(__name__)
QUICK_RETRY_SECONDS = (0.25, 0.5)
MOST_ROUNDS = 8
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
LONGEST_RETRY_AFTER = timedelta(hours=1)
_TOO_MANY_REQUESTS = 429
_ERROR_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Outlet:
    """What delivering needs."""

    sealer: Sealer
    settings: Settings
    stopping: threading.Event
    clock: Callable[[], datetime] = utcnow
    send_seconds: float = SEND_SECONDS
    quick_retry_seconds: tuple[float, ...] = QUICK_RETRY_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one round of tries ended."""

    is_sent: bool = False
    is_final: bool = False
    """True when trying again can't help."""
    status: int | None = None
    error: str = ""
    wait: timedelta | None = None


def deliver_due(outlet: Outlet, now: datetime) -> dict[str, int]:
    """Deliver everything that is due; return how many were sent, put off and given up, without zeros."""
    freed = deliveries.free_stale_claims(now)
    counts: Counter[str] = Counter({"freed": freed} if freed else {})
    while not outlet.stopping.is_set():
        delivery = deliveries.claim_next(outlet.clock())
        if delivery is None:
            break
        counts[_deliver(outlet, delivery)] += 1
    return dict(counts)


def _deliver(outlet: Outlet, delivery: AlertDelivery) -> str:
    outcome = _round(outlet, delivery)
    attempts = delivery.attempts + 1
    now = outlet.clock()
    values: dict[str, Any] = {
        "attempts": attempts,
        "last_status": outcome.status,
        "last_error": outcome.error[:_ERROR_CHARACTERS],
    }
    if outcome.is_sent:
        values |= {"state": "sent", "sent_at": now}
    elif outcome.is_final or attempts >= MOST_ROUNDS:
        values |= {"state": "failed"}
    else:
        values |= {"state": "due", "due_at": now + (outcome.wait or pause_after(attempts))}
    if deliveries.finish(delivery, **values):
        _note(delivery.anomaly_id, now)
    facts: dict[str, Any] = {"anomaly_id": delivery.anomaly_id}
    facts |= {"destination": delivery.destination_type}
    facts |= {"attempts": attempts, "status": outcome.status, "reason": values["last_error"]}
    LOG.info(f"alert_{values['state']}", extra=facts)
    return str(values["state"])


def pause_after(rounds: int) -> timedelta:
    """Return how long to wait after that many rounds without success: doubling, up to a quarter of an hour."""
    return min(FIRST_PAUSE * (1 << min(rounds - 1, 16)), LONGEST_PAUSE)


def _round(outlet: Outlet, delivery: AlertDelivery) -> Outcome:
    try:
        url, body, reach = _request(outlet, delivery)
    except (SealError, KeyError, ValueError) as error:
        return Outcome(is_final=True, error=f"the destination can't be used: {error}")
    outcome = _try(url, body, reach)
    for pause_seconds in outlet.quick_retry_seconds:
        if outcome.is_sent or outcome.is_final or outcome.wait is not None:
            break
        if outlet.stopping.wait(pause_seconds):
            break
        outcome = _try(url, body, reach)
    return outcome


def _request(outlet: Outlet, delivery: AlertDelivery) -> tuple[str, bytes, Reach]:
    sealed = outlet.sealer.open(delivery.sealed_destination, delivery_purpose(delivery.anomaly_id))
    destination = orjson.loads(sealed.reveal())
    channel = CHANNELS[delivery.destination_type]
    with connection():
        anomaly = Anomaly.get_or_none(Anomaly.id == delivery.anomaly_id)
    if anomaly is None:
        raise ValueError("its anomaly is gone")
    settings = outlet.settings
    is_operator = destination.get("operator") in (True, "true")
    reach = Reach(is_operator, settings.allowed_private_networks, outlet.send_seconds)
    body = channel.body(alert_payload(anomaly, settings.web_url))
    return destination[channel.address_field], body, reach


def _try(url: str, body: bytes, reach: Reach) -> Outcome:
    try:
        answer = post_json(url, body, reach)
    except AddressRefused as refused:
        return Outcome(is_final=True, error=str(refused))
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as error:
        # The message may hold the address, which is a secret; its kind says enough.
        return Outcome(error=f"no answer: {type(error).__name__}")
    return judged(answer)


def judged(answer: Answer) -> Outcome:
    """Return what an answer means: 2xx is sent, 429 is later, 5xx is again, all else is final."""
    error = redact(f"status {answer.status}: {answer.text}")
    if 200 <= answer.status < 300:
        return Outcome(is_sent=True, status=answer.status)
    if answer.status == _TOO_MANY_REQUESTS:
        wait = timedelta(seconds=answer.retry_after_seconds or FIRST_PAUSE.total_seconds())
        return Outcome(status=answer.status, error=error, wait=min(wait, LONGEST_RETRY_AFTER))
    return Outcome(is_final=answer.status < 500, status=answer.status, error=error)


def _note(anomaly_id: str, now: datetime) -> None:
    """Keep how each destination stands on the anomaly itself, for its page and its JSON."""
    with transaction():
        anomaly = Anomaly.get_or_none(Anomaly.id == anomaly_id)
        if anomaly is None:
            return
        rows = deliveries.of_anomaly(anomaly_id)
        status = [
            {
                "type": row.destination_type,
                "state": row.state,
                "attempts": row.attempts,
                "lastAttemptIso": isoformat(row.claimed_at or now),
                "lastStatus": row.last_status,
                "lastError": row.last_error,
            }
            for row in rows
        ]
        detail = anomaly.detail | {"destinationStatus": status, "dispatch": dispatch_tag(rows)}
        Anomaly.update(detail=detail).where(Anomaly.id == anomaly_id).execute()


def dispatch_tag(rows: list[AlertDelivery]) -> str:
    """Return one word for all deliveries of an anomaly, such as ``dispatched_slack_1``."""
    if not rows:
        return "log_only"
    if any(row.state in ("due", "sending") for row in rows):
        return "pending"
    kinds = {row.destination_type for row in rows}
    kind = kinds.pop() if len(kinds) == 1 else "destinations"
    sent = sum(row.state == "sent" for row in rows)
    failed = len(rows) - sent
    if not sent:
        return f"failed_{kind}_{failed}"
    return f"dispatched_{kind}_{sent}" + (f"_failed_{failed}" if failed else "")
