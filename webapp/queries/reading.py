"""Says what of people's words somebody may read, as privacy rules stand now. Reads only."""

from __future__ import annotations

from core.models import GroupMember, Member
from rules.privacy import Privacy, Reader
from webapp.callers import Viewer

ADMIN = "organization:manage"
"""Whoever holds it in the whole organization is an administrator to privacy rules."""


def reader_of(who: Viewer) -> Reader:
    """Return a viewer as privacy rules know them; two statements. A service account is in no group."""
    groups = GroupMember.select(GroupMember.group_id).where(
        GroupMember.organization_id == who.organization_id, GroupMember.user_id == who.user_id
    )
    member = Member.get_or_none(
        Member.organization_id == who.organization_id, Member.user_id == who.user_id
    )
    department_id = "" if member is None else member.department_id or ""
    return Reader(who.may(ADMIN), frozenset(row.group_id for row in groups), department_id)


def hidden_from(who: Viewer, held: Privacy) -> frozenset[str]:
    """Return the categories that a viewer may not read where this holds; without a restriction it asks nothing."""
    return held.hidden_from(reader_of(who)) if held.restricted else frozenset()
