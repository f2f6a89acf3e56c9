"""Says whether any key's calls would count in a budget, so that none is made that never acts. Changes nothing."""

from dataclasses import dataclass
from datetime import datetime

from core.models import Project, VirtualKey


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether an active key feeds a scope, and the projects that active keys feed."""

    is_reachable: bool
    project_ids: list[str]


def reach_of(
    organization_id: str, scope: str, scope_id: str, provider_id: str | None, now: datetime
) -> Reach:
    """Return whether an active key makes calls at a scope, through a provider if one is named.

    An organization without active keys is about to get some: there everything counts as reachable.
    """
    keys = VirtualKey.select(
        VirtualKey.id, VirtualKey.project_id, VirtualKey.principal_user_id, VirtualKey.provider_ids
    ).where(
        VirtualKey.organization_id == organization_id,
        VirtualKey.status != "revoked",
        VirtualKey.expires_at.is_null() | (VirtualKey.expires_at > now),
    )
    active = list(keys)
    projects = {key.project_id for key in active}
    if not active:
        return Reach(True, [])
    teams = {
        row.id: row.team_id
        for row in Project.select(Project.id, Project.team_id).where(Project.id.in_(projects))
    }
    is_reachable = any(
        (provider_id is None or provider_id in key.provider_ids)
        and scope_id
        in {
            "organization": (organization_id,),
            "team": (teams.get(key.project_id),),
            "project": (key.project_id,),
            "virtual_key": (key.id,),
            "principal": (key.principal_user_id,),
        }[scope]
        for key in active
    )
    return Reach(is_reachable, sorted(projects))
