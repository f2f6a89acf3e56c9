"""Looks up what decides where somebody lands. Decides nothing; that is ``rules.persona``."""

from __future__ import annotations

from datetime import datetime

from core.authoring.personal import personal_project
from core.lake import LakeReader
from core.models import IngestionSource, User, VirtualKey
from core.settings import GOVERNANCE_FLAG, Settings
from rules.persona import Standing
from webapp.callers import Viewer
from webapp.setup_state import is_governance_active


def standing_of(who: Viewer, settings: Settings, lake: LakeReader, now: datetime) -> Standing:
    """Return where somebody stands, in at most eight small statements."""
    sources = IngestionSource.select().where(
        IngestionSource.organization_id == who.organization_id,
        IngestionSource.archived_at.is_null(),
    )
    keys = VirtualKey.select().where(
        VirtualKey.organization_id == who.organization_id,
        VirtualKey.principal_user_id == who.user_id,
        VirtualKey.status != "revoked",
    )
    user = User.get_by_id(who.user_id)
    is_on = settings.flag(GOVERNANCE_FLAG)
    return Standing(
        is_flag_on=is_on,
        is_active=is_on and is_governance_active(lake, who.organization_id, now),
        may_manage=who.may("organization:manage"),
        may_view=who.may("governance:view"),
        has_sources=sources.exists(),
        has_personal_key=keys.exists(),
        has_project=_has_project(who),
        landing=user.landing,
    )


def _has_project(who: Viewer) -> bool:
    """Say whether somebody works anywhere but in their own workspace."""
    within = who.reach("project:view")
    if within.is_everywhere or within.project_ids:
        return True
    own = personal_project(who.organization_id, who.user_id)
    return bool(within.team_ids - ({own.team_id} if own else set()))
