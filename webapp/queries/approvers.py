"""Who is told that somebody asks for a higher budget: administrators, and those who may decide where it stands."""

from __future__ import annotations

from typing import Any

from core.grants import GROUP, USER, person_grants
from core.models import GroupMember, Member, RoleBinding, TeamMember, User
from rules.permissions import ADMIN, EVERYWHERE, Place, holds

MOST_TOLD = 10
_MOST_ASKED = 50
_DECIDE = "gatewayBudgets:update"


def approvers(organization_id: str, place: Place) -> list[str]:
    """Return the addresses of people who may decide about a budget at a place, the nearest to it first.

    Administrators are always among them; of many the longest there.
    """
    near = _members(organization_id, User.id.in_(_candidates(organization_id, place)), _MOST_ASKED)
    told = [
        email
        for user_id, email, role in near
        if role != ADMIN and holds(person_grants(organization_id, user_id, role), _DECIDE, place)
    ]
    admins = _members(organization_id, Member.role == ADMIN, MOST_TOLD // 2)
    kept = told[: MOST_TOLD - len(admins)]
    return [*kept, *(email for _, email, _ in admins)]


def _members(organization_id: str, wanted: Any, limit: int) -> list[tuple[str, str, str]]:
    rows = (
        User.select(User.id, User.email, Member.role)
        .join(Member, on=(Member.user_id == User.id))
        .where(
            Member.organization_id == organization_id,
            Member.disabled_at.is_null(),
            User.deactivated_at.is_null(),
            wanted,
        )
    )
    found: Any = rows.order_by(User.id).limit(limit).tuples()
    return list(found)


def _candidates(organization_id: str, place: Place) -> Any:
    """Return the query of the ids of those who have a role in the team, or a binding there or above."""
    here = RoleBinding.scope == "organization"
    if place != EVERYWHERE:
        here |= RoleBinding.scope_id.in_([place.team_id, place.project_id])
    bound = RoleBinding.select(RoleBinding.principal_id).where(
        RoleBinding.organization_id == organization_id, here
    )
    in_groups = GroupMember.select(GroupMember.user_id).where(
        GroupMember.organization_id == organization_id,
        GroupMember.group_id.in_(bound.where(RoleBinding.principal_kind == GROUP)),
    )
    in_team = TeamMember.select(TeamMember.user_id).where(
        TeamMember.organization_id == organization_id,
        TeamMember.team_id == place.team_id,
        TeamMember.role.not_in(["member", "viewer"]),
    )
    return bound.where(RoleBinding.principal_kind == USER) | in_groups | in_team
