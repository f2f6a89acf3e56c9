"""On whose behalf a change is made; every authoring function takes one. It grants nothing."""

from dataclasses import dataclass

from rules.permissions import Grants

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, in which organization and through what. ``surface`` is web, api, cli or system.

    ``grants`` are what they hold and so the most that they may give to others; None for the programs and the operator.
    """

    organization_id: str
    actor_id: str
    surface: str
    ip_address: str = ""
    grants: Grants | None = None


def system(organization_id: str) -> Actor:
    """Return the actor of changes that the programs make by themselves."""
    return Actor(organization_id, SYSTEM, "system")
