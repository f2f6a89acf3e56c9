"""Erases a person: what can be done in one transaction at once, the rest as work for the streamer.

The account becomes a pseudonym that is the same ever after, so that sums of spend stay sums of somebody. The audit
log keeps its rows, which a chain of hashes holds together, and says that the person was erased and why.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from core.authoring import offboarding, people, search_words
from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change
from core.authoring.validation import Complaints
from core.grants import USER
from core.ids import new_id
from core.models import (
    ApiKey,
    BudgetIncrease,
    CapturedContent,
    Erasure,
    ExternalIdentity,
    Invitation,
    Member,
    OneTimeLink,
    Team,
    User,
    VirtualKey,
)
from core.secrets import Secret, peppered_hash, peppered_hashes

NAME = "Erased person"
_KEY_NAME = "Key of an erased person"
REASON_CHARACTERS = 500


def pseudonym_of(user_id: str) -> str:
    """Return what an erased person is called wherever their address stood; it follows from their id."""
    return f"erased-{hashlib.sha256(user_id.encode()).hexdigest()[:16]}@erased.invalid"


def erase(actor: Actor, user_id: str, reason: str, pepper: Secret, now: datetime) -> Erasure:
    """Erase a member; again changes nothing. Raises Refused: the last administrator stays.

    Sign-in, keys and sessions end with it. The streamer then takes the address out of the lake and free texts
    out of the ledger's facts.
    """
    with change():
        user, _ = people.find(actor.organization_id, user_id)
        there: Erasure | None = Erasure.get_or_none(Erasure.user_id == user.id)
        if there is not None:
            return there
        complaints = Complaints()
        complaints.need(
            0 < len(reason.strip()) <= REASON_CHARACTERS, "reason", "Say why, in short."
        )
        complaints.refuse_any()
        offboarding.disable(actor, user.id, now)
        row = Erasure.create(
            id=new_id("erasure", now),
            organization_id=actor.organization_id,
            user_id=user.id,
            pseudonym=pseudonym_of(user.id),
            email=user.email,
            name=people.name_alone(actor.organization_id, user),
            address_hash=peppered_hash(pepper, user.email),
            requested_by_id=actor.actor_id,
            requested_at=now,
        )
        counts = _forget(actor.organization_id, user, row.pseudonym, now)
        told = {"pseudonym": row.pseudonym, "reason": reason.strip(), **counts}
        audited(actor, Target("user.erased", "user", user.id), now, after=told)
    return row


def erased_before(organization_id: str, email: str, pepper: Secret) -> Erasure | None:
    """Return the erasure of whoever had an address here, or None."""
    row: Erasure | None = Erasure.get_or_none(
        Erasure.organization_id == organization_id,
        Erasure.address_hash.in_(peppered_hashes(pepper, email.strip().lower())),
    )
    return row


def _forget(organization_id: str, user: User, pseudonym: str, now: datetime) -> dict[str, int]:
    """Take a person out of the control database; return how much of what that was."""
    keys = VirtualKey.select(VirtualKey.id).where(
        VirtualKey.organization_id == organization_id, VirtualKey.principal_user_id == user.id
    )
    content = _deleted(CapturedContent, CapturedContent.virtual_key_id.in_(keys))
    logins = _deleted(ExternalIdentity, ExternalIdentity.user_id == user.id)
    _deleted(OneTimeLink, OneTimeLink.user_id == user.id)
    changes: tuple[tuple[Any, Any, dict[str, Any]], ...] = (
        (
            VirtualKey,
            VirtualKey.principal_user_id == user.id,
            {"name": _KEY_NAME, "description": ""},
        ),
        (ApiKey, (ApiKey.owner_kind == USER) & (ApiKey.owner_id == user.id), {"name": _KEY_NAME}),
        (Invitation, Invitation.email == user.email, {"email": pseudonym, "name": ""}),
        (
            BudgetIncrease,
            BudgetIncrease.requester_user_id == user.id,
            {"requester": pseudonym, "reason": ""},
        ),
        (
            Team,
            (Team.owner_user_id == user.id) & Team.is_personal,
            {"name": f"{NAME}'s Workspace"},
        ),
        (Member, Member.user_id == user.id, {"external_id": None}),
        (
            User,
            User.id == user.id,
            {"email": pseudonym, "name": NAME, "password_hash": None, "deactivated_at": now},
        ),
    )
    for model, condition, values in changes:
        model.update(**values).where(condition).execute()
    search_words.note_person(organization_id, User.get_by_id(user.id))
    for key in VirtualKey.select().where(VirtualKey.principal_user_id == user.id):
        search_words.note_key(key)
    return {"captured_content": content, "external_identities": logins}


def _deleted(model: Any, condition: Any) -> int:
    return int(model.delete().where(condition).execute())
