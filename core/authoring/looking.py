"""Notes that somebody looked at what another person did with a key of their own. It shows nothing and judges nobody."""

from datetime import datetime, timedelta

from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change
from core.models import AuditRow

ACTION = "governance.viewWorkspaceAs"
ONCE_IN = timedelta(minutes=5)
"""Looking again within this time is the same look."""


def looked_at(actor: Actor, user_id: str, key_id: str, now: datetime) -> None:
    """Leave a row in the audit log: who looked at whose calls, through which key; once in five minutes."""
    lately = AuditRow.select().where(
        AuditRow.organization_id == actor.organization_id,
        AuditRow.target_kind == "user",
        AuditRow.target_id == user_id,
        AuditRow.action == ACTION,
        AuditRow.actor_id == actor.actor_id,
        AuditRow.created_at > now - ONCE_IN,
    )
    # Most looks follow another: they wait for no writer. Of two first ones at once, the second sees the row.
    if lately.exists():
        return
    with change():
        if not lately.exists():
            target = Target(ACTION, "user", user_id)
            audited(actor, target, now, after={"virtual_key_id": key_id})
