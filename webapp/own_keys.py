"""What everybody may do with virtual keys of their own, on pages and in the API. Changes none."""

from __future__ import annotations

from core.authoring import personal, virtual_keys
from core.authoring.validation import not_found
from core.fault import Fault, Refused
from core.models import VirtualKey
from rules.permissions import Place
from webapp.callers import Viewer
from webapp.places import virtual_key_place


def own_key(who: Viewer, key_id: str) -> VirtualKey:
    """Return a key of whoever asks. Raises Refused(NOT_FOUND) for another's."""
    row = virtual_keys.find(who.organization_id, key_id)
    if row.principal_user_id != who.user_id:
        raise not_found("virtual key")
    return row


def may_create(who: Viewer) -> bool:
    """Say whether somebody may make one more key of their own."""
    project = personal.personal_project(who.organization_id, who.user_id)
    if project is None or project.archived_at:
        return who.may_somewhere("virtualKeys:create")
    return who.may("virtualKeys:create", Place(project.team_id, project.id))


def refuse_creation(who: Viewer) -> None:
    """Raise Refused(PERMISSION_DENIED) unless somebody may make one more key of their own."""
    if not may_create(who):
        raise _denied("virtualKeys:create")


def refuse_rotation(who: Viewer, row: VirtualKey) -> None:
    """Raise Refused(PERMISSION_DENIED) unless somebody may give a key of theirs a new secret."""
    place = virtual_key_place(row.organization_id, {"key_id": row.id})
    if not who.may("virtualKeys:rotate", place):
        raise _denied("virtualKeys:rotate")


def _denied(permission: str) -> Refused:
    sentence = f"This needs the permission {permission}."
    return Refused(Fault.PERMISSION_DENIED, sentence, permission=permission)
