"""Where somebody lands at the start address, and whether the Govern entry shows. Pure.

Nobody is sent anywhere new because a product grew: while an organization has nothing to govern, the start address
leads where it always led. After that who somebody is decides, and what they chose decides before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

AUTO, PERSONAL, PROJECT, GOVERNANCE = "auto", "personal", "project", "governance"
LANDINGS = (AUTO, PERSONAL, PROJECT, GOVERNANCE)
PATHS = {PERSONAL: "/me", PROJECT: "/home", GOVERNANCE: "/governance"}
GOVERNANCE_ADMIN, MIXED, PERSONAL_ONLY, PROJECT_ONLY = (
    "governance_admin",
    "mixed",
    "personal_only",
    "project_only",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides where somebody lands."""

    is_flag_on: bool
    is_active: bool
    """The organization has anything of governance."""
    may_manage: bool
    """They hold organization:manage."""
    may_view: bool
    """They hold governance:view."""
    has_sources: bool
    has_personal_key: bool
    has_project: bool
    """They work in a project that is not their own workspace."""
    landing: str = AUTO


def shows_govern(is_flag_on: bool, may_manage: bool, is_active: Callable[[], bool]) -> bool:
    """Say whether the Govern entry shows: flag, permission, something to govern. The dearest is asked last."""
    return is_flag_on and may_manage and is_active()


def persona_of(who: Standing) -> str:
    """Return what somebody mostly is here."""
    if who.may_manage and who.has_sources:
        return GOVERNANCE_ADMIN
    if who.has_personal_key:
        return MIXED if who.has_project else PERSONAL_ONLY
    return PROJECT_ONLY


def choices_of(who: Standing) -> tuple[str, ...]:
    """Return the landings somebody may choose: the governance overview only where it opens for them."""
    return LANDINGS if who.is_flag_on and who.may_view else LANDINGS[:-1]


def home_of(who: Standing) -> str:
    """Return the path where somebody lands."""
    if who.landing in PATHS and who.landing in choices_of(who):
        return PATHS[who.landing]
    if who.is_flag_on and who.is_active:
        persona = persona_of(who)
        if persona == GOVERNANCE_ADMIN and who.may_view:
            return PATHS[GOVERNANCE]
        if persona in (MIXED, PERSONAL_ONLY) or not (
            who.has_project or who.may_view or who.may_manage
        ):
            return PATHS[PERSONAL]
    return PATHS[GOVERNANCE] if who.is_flag_on and who.may_view else PATHS[PROJECT]
