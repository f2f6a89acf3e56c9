"""Sets where the start address leads for one person. What that means is ``rules.persona``."""

from __future__ import annotations

from datetime import datetime

from core.authoring import people
from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change
from core.authoring.validation import Complaints
from core.models import User
from rules.persona import LANDINGS


def choose(actor: Actor, landing: str, now: datetime) -> User:
    """Set where the actor lands. Raises Refused(VALIDATION_ERROR)."""
    with change():
        user, _ = people.find(actor.organization_id, actor.actor_id)
        if user.landing == landing:
            return user
        complaints = Complaints()
        complaints.need(landing in LANDINGS, "landing", f"Choose one of {', '.join(LANDINGS)}.")
        complaints.refuse_any()
        before, user.landing = user.landing, landing
        user.save(only=["landing"])
        target = Target("user.landing_chosen", "user", user.id)
        audited(actor, target, now, {"landing": before}, {"landing": landing})
    return user
