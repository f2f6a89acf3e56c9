"""The hidden project of an organization's governance: where what comes through ingestion sources is at home.

It is an artifact of tenancy: nobody creates, changes, names or sees it. It comes with the first source.
"""

from __future__ import annotations

from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change, snapshot
from core.ids import new_id
from core.models import Project, Team

KIND = "internal_governance"
NAME = "Governance (internal)"


def ensure_governance_project(actor: Actor, now: datetime) -> Project | None:
    """Return the organization's hidden project; made when it is missing, in the oldest team that is not personal.

    Where there is no such team it is in the oldest there is; None while there is none at all.
    """
    with change():
        there: Project | None = Project.get_or_none(
            Project.organization_id == actor.organization_id, Project.kind == KIND
        )
        if there is not None:
            return there
        teams = Team.select().where(
            Team.organization_id == actor.organization_id, Team.archived_at.is_null()
        )
        team: Team | None = teams.order_by(Team.is_personal, Team.created_at, Team.id).first()
        if team is None:
            return None
        made: Project = Project.create(
            id=new_id("project", now),
            organization_id=actor.organization_id,
            team_id=team.id,
            name=NAME,
            slug=f"governance-{actor.organization_id}",
            kind=KIND,
            created_at=now,
        )
        audited(actor, Target("project.created", "project", made.id), now, after=snapshot(made))
        return made
