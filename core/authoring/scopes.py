"""Says whether what a budget or a rule points at exists in its organization. Decides nothing about access."""

from collections.abc import Sequence
from typing import Any

from core.authoring.governance_project import KIND as HIDDEN
from core.authoring.validation import Complaints
from core.models import IngestionSource, Member, Project, Team, VirtualKey
from rules.source_types import SOURCE_TYPES


def home_id(organization_id: str, scope: str, scope_id: str) -> str:
    """Return the id of a scope; that of the organization may be left out."""
    return organization_id if scope == "organization" else scope_id


def complain_of_home(
    complaints: Complaints, organization_id: str, scope: str, scope_id: str, allowed: Sequence[str]
) -> None:
    """Complain of a scope that is not allowed, and of one whose thing is not there."""
    if scope in allowed:
        complaints.add("scope_id", scope_error(organization_id, scope, scope_id))
    else:
        complaints.add("scope", f"Choose one of {', '.join(allowed)}.")


def scope_error(organization_id: str, scope: str, scope_id: str) -> str:
    """Return what is wrong with a scope's id, or an empty string. The scope itself must be a known one."""
    if scope == "organization":
        return "" if scope_id == organization_id else "There is no such organization."
    if scope == "source_type":
        return "" if scope_id in SOURCE_TYPES else "There is no such source type."
    if scope == "principal":
        return _principal_error(organization_id, scope_id)
    if scope == "virtual_key":
        return _key_error(organization_id, scope_id)
    model: Any
    model, what = {
        "team": (Team, "team"),
        "project": (Project, "project"),
        "source": (IngestionSource, "ingestion source"),
    }[scope]
    found = model.get_or_none(
        model.id == scope_id, model.organization_id == organization_id, model.archived_at.is_null()
    )
    is_hidden = scope == "project" and found is not None and found.kind == HIDDEN
    return f"There is no such {what}." if found is None or is_hidden else ""


def _principal_error(organization_id: str, user_id: str) -> str:
    member = Member.select().where(
        Member.organization_id == organization_id, Member.user_id == user_id
    )
    return "" if member.exists() else "There is no such person."


def _key_error(organization_id: str, key_id: str) -> str:
    key = VirtualKey.select().where(
        VirtualKey.organization_id == organization_id,
        VirtualKey.id == key_id,
        VirtualKey.status != "revoked",
    )
    return "" if key.exists() else "There is no such virtual key."
