"""Nobody gives more than they hold: what a change would give to somebody, held against what the actor holds.

The programs, the operator's file and the directory act with no grants of their own and are not held to any.
"""

from core.authoring.actor import Actor
from core.fault import Fault, Refused
from core.models import CustomRole
from rules.permissions import CUSTOM, Grants, Place, beyond, bound_grant, holds_everything


def role_beyond(actor: Actor, role: str, custom_role_id: str | None, place: Place) -> str:
    """Return why an actor can't give a role at a place, or an empty string. An unknown custom role is none."""
    row = CustomRole.get_or_none(CustomRole.id == custom_role_id) if role == CUSTOM else None
    return grants_beyond(actor, (bound_grant(role, row.permissions if row else (), place),))


def grants_beyond(actor: Actor, wanted: Grants) -> str:
    """Return why an actor can't give what is wanted, or an empty string."""
    lacking = [] if actor.grants is None else beyond(wanted, actor.grants)
    if not lacking:
        return ""
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return f"Nobody gives more than they hold; you lack {', '.join(lacking[:3])}{more} there."


def refuse_partial(actor: Actor, why: str) -> None:
    """Raise Refused(PERMISSION_DENIED) unless an actor holds everything; ``why`` is a sentence."""
    if actor.grants is not None and not holds_everything(actor.grants):
        raise Refused(Fault.PERMISSION_DENIED, f"This needs every permission: {why}")
