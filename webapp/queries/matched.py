"""Reads the names of the keys and people that cache rules are about, and finds them by what was typed."""

from __future__ import annotations

from collections.abc import Collection

from core.models import Member, User, VirtualKey


def key_names(organization_id: str, ids: Collection[str]) -> dict[str, str]:
    """Return the names of keys by id; one statement."""
    rows = VirtualKey.select(VirtualKey.id, VirtualKey.name).where(
        VirtualKey.organization_id == organization_id, VirtualKey.id.in_(list(ids))
    )
    return {row.id: row.name for row in rows}


def people_emails(organization_id: str, ids: Collection[str]) -> dict[str, str]:
    """Return the e-mail addresses of members by id; one statement."""
    rows = (
        User.select(User.id, User.email)
        .join(Member, on=(Member.user_id == User.id))
        .where(Member.organization_id == organization_id, User.id.in_(list(ids)))
    )
    return {row.id: row.email for row in rows}
