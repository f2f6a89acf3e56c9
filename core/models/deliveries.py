"""The queue of alerts on their way out. Any number of streamers may take from it; each delivery has one taker."""

from datetime import datetime, timedelta
from typing import Any

from core.database import connection, transaction
from core.models.governance import AlertDelivery

# Longer than the slowest delivery with its quick retries; a taker that is silent this long has died.
STALE_CLAIM = timedelta(seconds=120)


def claim_next(now: datetime) -> AlertDelivery | None:
    """Claim the delivery that has been due the longest, or return None.

    The guarded UPDATE decides: whoever changes one row owns the delivery, whoever changes none asks again.
    """
    while True:
        with connection():
            candidate: AlertDelivery | None = (
                AlertDelivery.select()
                .where(AlertDelivery.state == "due", AlertDelivery.due_at <= now)
                .order_by(AlertDelivery.due_at, AlertDelivery.id)
                .first()
            )
        if candidate is None:
            return None
        if _turn(candidate, "due", {"state": "sending", "claimed_at": now}):
            candidate.state, candidate.claimed_at = "sending", now
            return candidate


def free_stale_claims(now: datetime) -> int:
    """Make due again what a taker claimed and never finished; return how many."""
    is_stale = (AlertDelivery.state == "sending") & (AlertDelivery.claimed_at < now - STALE_CLAIM)
    with connection():
        if not AlertDelivery.select().where(is_stale).exists():
            return 0
        with transaction():
            freed: int = AlertDelivery.update(state="due", due_at=now).where(is_stale).execute()
    return freed


def finish(delivery: AlertDelivery, **values: Any) -> bool:
    """Write down how a claimed delivery went; False when the claim was taken over meanwhile."""
    return _turn(delivery, "sending", values)


def of_anomaly(anomaly_id: str) -> list[AlertDelivery]:
    """Return an anomaly's deliveries in the order in which they were queued."""
    query = AlertDelivery.select().where(AlertDelivery.anomaly_id == anomaly_id)
    return list(query.order_by(AlertDelivery.id))


def _turn(delivery: AlertDelivery, state: str, values: dict[str, Any]) -> bool:
    """Change a delivery that is still in ``state`` and in the claim it was read with."""
    claim = AlertDelivery.claimed_at
    is_same = claim.is_null() if delivery.claimed_at is None else claim == delivery.claimed_at
    with transaction():
        changed: int = (
            AlertDelivery.update(**values)
            .where(AlertDelivery.id == delivery.id, AlertDelivery.state == state, is_same)
            .execute()
        )
    return changed == 1
