"""Writes down that what is stored about somebody was handed out. Gathers none of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change


def exported(actor: Actor, user_id: str, counts: Mapping[str, int], now: datetime) -> None:
    """Write the audit row of an export."""
    with change():
        audited(actor, Target("user.exported", "user", user_id), now, after=dict(counts))
