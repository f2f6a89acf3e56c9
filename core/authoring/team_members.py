"""Who is in a shared team and in which role. A personal team has its owner and nobody else."""

from datetime import datetime

from core.authoring import teams
from core.authoring.actor import Actor
from core.authoring.custom_roles import role_error
from core.authoring.delegation import role_beyond
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, not_found
from core.ids import new_id
from core.models import Member, TeamMember
from rules.permissions import TEAM_ROLES, Place


def put(
    actor: Actor,
    team_id: str,
    user_id: str,
    role: str,
    now: datetime,
    custom_role_id: str | None = None,
) -> TeamMember:
    """Put a person into a team in a role, or give who is there that role. Raises Refused."""
    with change():
        team = teams.find(actor.organization_id, team_id)
        teams.refuse_personal(team)
        row: TeamMember | None = TeamMember.get_or_none(
            TeamMember.team_id == team.id, TeamMember.user_id == user_id
        )
        if row is not None and (row.role, row.custom_role_id) == (role, custom_role_id):
            return row
        complaints = _check(actor.organization_id, user_id, role, custom_role_id or "")
        complaints.add("role", role_beyond(actor, role, custom_role_id, Place(team.id)))
        complaints.refuse_any()
        before = None if row is None else snapshot(row)
        if row is None:
            row = TeamMember(
                id=new_id("tm", now),
                organization_id=team.organization_id,
                team_id=team.id,
                user_id=user_id,
                created_at=now,
            )
        row.role, row.custom_role_id = role, custom_role_id
        row.save(force_insert=before is None)
        verb = "member_added" if before is None else "member_role_changed"
        audited(actor, Target(f"team.{verb}", "team", team.id), now, before, snapshot(row))
    return row


def remove(actor: Actor, team_id: str, user_id: str, now: datetime) -> None:
    """Take a person out of a team. Raises Refused."""
    with change():
        team = teams.find(actor.organization_id, team_id)
        teams.refuse_personal(team)
        row = find(actor.organization_id, team.id, user_id)
        row.delete_instance()
        audited(actor, Target("team.member_removed", "team", team.id), now, before=snapshot(row))


def find(organization_id: str, team_id: str, user_id: str) -> TeamMember:
    """Return a person's place in a team of this organization. Raises Refused(NOT_FOUND)."""
    row = TeamMember.get_or_none(
        TeamMember.team_id == team_id,
        TeamMember.user_id == user_id,
        TeamMember.organization_id == organization_id,
    )
    if row is None:
        raise not_found("member of this team")
    return row


def remove_everywhere(organization_id: str, user_id: str) -> None:
    """Take a person out of every team, as part of their leaving, which is what the audit log has."""
    with change():
        is_theirs = (TeamMember.organization_id == organization_id) & (
            TeamMember.user_id == user_id
        )
        TeamMember.delete().where(is_theirs).execute()  # type: ignore[misc]


def _check(organization_id: str, user_id: str, role: str, custom_role_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("role", role_error(organization_id, role, custom_role_id, TEAM_ROLES))
    member = Member.select().where(
        Member.organization_id == organization_id, Member.user_id == user_id
    )
    complaints.need(member.exists(), "person", "There is no such person.")
    return complaints
