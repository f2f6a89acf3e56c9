"""Reads virtual keys within somebody's reach, a page at a time, and what stands on their pages beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring.governance_project import KIND as HIDDEN
from core.authoring.guardrails import all_of as guardrails_of
from core.authoring.routing_policies import all_of as policies_of
from core.models import Member, Project, Provider, User, VirtualKey
from rules.permissions import Place
from webapp.callers import Viewer
from webapp.page_models.settings_pages import PAGE_ROWS
from webapp.queries.keyset import At, By, Part, part_of
from webapp.queries.searched import keys_found

VIEW, OTHERS = "virtualKeys:view", "virtualKeys:viewOtherPersonal"
STATUSES = ("in-use", "active", "disabled", "expired", "revoked", "all")
MOST_PROJECTS = 1000


BY_NAME = (By(VirtualKey.name, "name"), By(VirtualKey.id, "id"))


@dataclass(frozen=True, slots=True)
class KeysFound:
    """A part of the keys with the names of their projects and people."""

    part: Part
    projects: Mapping[str, Project]
    people: Mapping[str, User]


def keys_page(viewer: Viewer, status: str, search: str, at: At, now: datetime) -> KeysFound:
    """Return the keys by name that a person may see, in three statements; a search in eight at most."""
    there = VirtualKey.organization_id == viewer.organization_id
    if search:
        there = keys_found(viewer.organization_id, search)
    query = VirtualKey.select().where(there, *visible(viewer), *_of_status(status, now))
    part = part_of(query, BY_NAME, at)
    return KeysFound(part, projects_of(part.rows), people_of(part.rows))


def own_keys(organization_id: str, user_id: str) -> list[VirtualKey]:
    """Return a person's own keys that are not revoked, newest first."""
    rows = VirtualKey.select().where(
        VirtualKey.organization_id == organization_id,
        VirtualKey.principal_user_id == user_id,
        VirtualKey.status != "revoked",
    )
    return list(rows.order_by(VirtualKey.id.desc()).limit(PAGE_ROWS))


def may_see(viewer: Viewer, row: VirtualKey, place: Place) -> bool:
    """Say whether a key is somebody's to see: in reach, and no other person's own unless that may be seen."""
    is_others = row.principal_user_id not in (None, viewer.user_id)
    return viewer.may(VIEW, place) and (not is_others or viewer.may(OTHERS, place))


def projects_of(rows: Sequence[VirtualKey]) -> dict[str, Project]:
    """Return the projects that keys are in, by id."""
    ids = {row.project_id for row in rows}
    columns = (Project.id, Project.name, Project.team_id, Project.is_personal)
    return {row.id: row for row in Project.select(*columns).where(Project.id.in_(ids))}


def people_of(rows: Sequence[VirtualKey]) -> dict[str, User]:
    """Return the people that keys are of, by id."""
    ids = {row.principal_user_id for row in rows if row.principal_user_id}
    found = User.select(User.id, User.name, User.email).where(User.id.in_(ids))
    return {row.id: row for row in found}


def person_by_email(organization_id: str, email: str) -> str | None:
    """Return the id of the member with an address."""
    found: Any = (
        User.select(User.id)
        .join(Member, on=Member.user_id == User.id)
        .where(
            Member.organization_id == organization_id,
            Member.disabled_at.is_null(),
            User.email == email.lower(),
        )
        .first()
    )
    return None if found is None else found.id


def project_choices(viewer: Viewer, permission: str) -> list[tuple[str, str]]:
    """Return the shared projects in which somebody holds a permission, and their own workspace."""
    within = viewer.reach(permission)
    rows = Project.select(Project.id, Project.name, Project.is_personal).where(
        Project.organization_id == viewer.organization_id,
        Project.archived_at.is_null(),
        Project.kind != HIDDEN,
    )
    is_own = Project.owner_user_id == viewer.user_id
    rows = rows.where(~Project.is_personal | is_own)
    if not within.is_everywhere:
        rows = rows.where(
            Project.team_id.in_(list(within.team_ids)) | Project.id.in_(list(within.project_ids))
        )
    ordered = rows.order_by(Project.is_personal, Project.name).limit(MOST_PROJECTS)
    return [(row.id, "Your own workspace" if row.is_personal else row.name) for row in ordered]


def provider_choices(organization_id: str) -> list[tuple[str, str]]:
    """Return the providers in use, by name."""
    rows = Provider.select(Provider.id, Provider.name).where(
        Provider.organization_id == organization_id, Provider.archived_at.is_null()
    )
    return [(row.id, row.name) for row in rows.order_by(Provider.name)]


def guardrail_choices(organization_id: str) -> list[tuple[str, str]]:
    """Return what guardrails may look at, as ``direction:id`` and label."""
    words = {"request": "requests", "response": "answers", "stream_chunk": "streams"}
    return [
        (f"{direction}:{row.id}", f"{row.name}: {words.get(direction, direction)}")
        for row in guardrails_of(organization_id)
        for direction in row.directions
    ]


def policy_choices(organization_id: str) -> list[tuple[str, str]]:
    """Return the routing policies in use."""
    return [(row.id, row.name) for row in policies_of(organization_id)]


def providers_named(provider_ids: Sequence[str]) -> dict[str, Provider]:
    """Return these providers by id, archived ones too."""
    columns = (Provider.id, Provider.name, Provider.type, Provider.archived_at)
    rows = Provider.select(*columns).where(Provider.id.in_(list(provider_ids)))
    return {row.id: row for row in rows}


def visible(viewer: Viewer) -> list[Any]:
    """Return the conditions under which a key is somebody's to see, for any query of keys."""
    conditions = []
    within, others = viewer.reach(VIEW), viewer.reach(OTHERS)
    if not within.is_everywhere:
        conditions.append(_in_reach(within))
    if not others.is_everywhere:
        is_open = VirtualKey.principal_user_id.is_null()
        is_open |= VirtualKey.principal_user_id == viewer.user_id
        conditions.append(is_open | _in_reach(others) if others else is_open)
    return conditions


def _in_reach(within: Any) -> Any:
    in_teams = Project.select(Project.id).where(Project.team_id.in_(list(within.team_ids)))
    single = VirtualKey.project_id.in_(list(within.project_ids))
    return single | VirtualKey.project_id.in_(in_teams)


def _of_status(status: str, now: datetime) -> list[Any]:
    if status == "all":
        return []
    if status == "expired":
        return [VirtualKey.status != "revoked", VirtualKey.expires_at <= now]
    if status in ("active", "disabled", "revoked"):
        found = [VirtualKey.status == status]
        is_current = VirtualKey.expires_at.is_null() | (VirtualKey.expires_at > now)
        return [*found, is_current] if status == "active" else found
    return [VirtualKey.status != "revoked"]
