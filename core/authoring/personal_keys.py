"""Everyone's own virtual key, in their personal project and through every provider there is."""

from datetime import datetime

from core.authoring import virtual_keys
from core.authoring.actor import Actor
from core.authoring.personal import ensure_personal_project
from core.authoring.providers import SANDBOX
from core.authoring.record import change
from core.authoring.validation import NAME_CHARACTERS
from core.authoring.virtual_keys import NewVirtualKey
from core.models import Provider, User, VirtualKey
from core.secrets import Secret


def personal_key(actor: Actor, user: User) -> VirtualKey | None:
    """Return the person's own key, if it was made and is not revoked."""
    found: VirtualKey | None = VirtualKey.get_or_none(
        VirtualKey.organization_id == actor.organization_id,
        VirtualKey.principal_user_id == user.id,
        VirtualKey.name == _name(user),
        VirtualKey.status != "revoked",
    )
    return found


def fresh_personal_key(
    actor: Actor, user: User, pepper: Secret, now: datetime
) -> tuple[VirtualKey, Secret]:
    """Return the person's key with a secret to show: the key is made, or rotated when it exists. Raises Refused."""
    with change():
        project = ensure_personal_project(actor, user, now)
        found = personal_key(actor, user)
        if found is not None:
            return virtual_keys.rotate(actor, found.id, pepper, now)
        new = NewVirtualKey(_name(user), project.id, _providers(actor), user.id)
        return virtual_keys.create(actor, new, pepper, now)


def new_personal_key(
    actor: Actor, user: User, name: str, pepper: Secret, now: datetime
) -> tuple[VirtualKey, Secret]:
    """Make one more key of the person's own, such as for another machine; return it with its secret. Raises Refused."""
    with change():
        project = ensure_personal_project(actor, user, now)
        new = NewVirtualKey(name, project.id, _providers(actor), user.id)
        return virtual_keys.create(actor, new, pepper, now)


def _name(user: User) -> str:
    return f"personal {user.email}"[:NAME_CHARACTERS]


def _providers(actor: Actor) -> tuple[str, ...]:
    """Return every provider, the sandbox last, so that it never stands before a real one."""
    rows = Provider.select(Provider.id, Provider.type).where(
        Provider.organization_id == actor.organization_id, Provider.archived_at.is_null()
    )
    ordered = sorted(rows, key=lambda row: (row.type == SANDBOX, row.id))
    return tuple(row.id for row in ordered)[: virtual_keys.PROVIDERS]
