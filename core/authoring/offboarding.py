"""Off-boarding: one transaction after which nothing of a person's works any more, and its way back.

Sessions end at their next request, API keys with it, and virtual keys as soon as the gateways hear of it.
"""

from datetime import datetime

from core.authoring import (
    api_keys,
    bindings,
    groups,
    invitations,
    people,
    team_members,
    virtual_keys,
)
from core.authoring.actor import Actor
from core.authoring.personal import archive_personal_project
from core.authoring.record import Target, audited, change
from core.authoring.validation import Complaints
from core.grants import USER
from core.models import Member, User, VirtualKey
from rules.permissions import ADMIN


def disable(actor: Actor, user_id: str, now: datetime) -> User:
    """Shut a member out: sessions, virtual keys and API keys end together. Raises Refused.

    What ended does not come back when the member is enabled again. The last administrator stays.
    """
    with change():
        user, member = people.find(actor.organization_id, user_id)
        if member.disabled_at:
            return user
        _refuse_last_administrator(actor, member)
        before = people.record_of(user, member)
        ended = _end_access(actor, user, now)
        member.disabled_at = now
        member.revision += 1
        member.save(only=["disabled_at", "revision"])
        after = people.record_of(user, member) | ended
        audited(actor, Target("user.deactivated", "user", user.id), now, before, after)
    return user


def enable(actor: Actor, user_id: str, now: datetime) -> User:
    """Let a disabled member sign in again; keys that were revoked stay revoked. Raises Refused(NOT_FOUND)."""
    with change():
        user, member = people.find(actor.organization_id, user_id)
        if not member.disabled_at:
            return user
        before = people.record_of(user, member)
        member.disabled_at = None  # type: ignore[assignment]
        member.revision += 1
        member.save(only=["disabled_at", "revision"])
        audited(
            actor,
            Target("user.reactivated", "user", user.id),
            now,
            before,
            people.record_of(user, member),
        )
    return user


def remove(actor: Actor, user_id: str, now: datetime) -> None:
    """End a membership for good: access, roles, teams and groups; the ledger keeps the name. Raises Refused."""
    with change():
        user, member = people.find(actor.organization_id, user_id)
        _refuse_last_administrator(actor, member)
        before = people.record_of(user, member)
        ended = _end_access(actor, user, now)
        bindings.delete_all(actor, USER, user.id, now)
        team_members.remove_everywhere(actor.organization_id, user.id)
        groups.leave_all(actor.organization_id, user.id)
        archive_personal_project(actor, user.id, now)
        member.delete_instance()
        audited(actor, Target("user.removed", "user", user.id), now, before, ended)


def is_disabled(organization_id: str, user_id: str) -> bool:
    """Say whether somebody is a member here who is shut out."""
    member = Member.get_or_none(
        Member.organization_id == organization_id, Member.user_id == user_id
    )
    return member is not None and bool(member.disabled_at)


def _end_access(actor: Actor, user: User, now: datetime) -> dict[str, object]:
    """End sessions and keys; return what ended, for the one line of the audit log that tells it all."""
    User.update(session_epoch=User.session_epoch + 1).where(User.id == user.id).execute()
    people.end_password_links(user.id)
    keys = VirtualKey.select(VirtualKey.id).where(
        VirtualKey.organization_id == actor.organization_id,
        VirtualKey.principal_user_id == user.id,
        VirtualKey.status != "revoked",
    )
    key_ids = [row.id for row in keys]
    for key_id in key_ids:
        virtual_keys.revoke(actor, key_id, now, "Its person was off-boarded.")
    api_key_ids = api_keys.revoke_all(actor, USER, user.id, now)
    invitations.cancel_all_for(actor, user.email, now)
    return {
        "sessions_ended": True,
        "virtual_keys_revoked": key_ids,
        "api_keys_revoked": api_key_ids,
    }


def _refuse_last_administrator(actor: Actor, member: Member) -> None:
    is_needed = member.role == ADMIN and not member.disabled_at
    if is_needed and not people.other_administrators(actor.organization_id, member.user_id):
        complaints = Complaints()
        complaints.add("role", "Someone must remain administrator.")
        complaints.refuse_any()
