"""On whose behalf a change is made; every authoring function takes one. It grants nothing."""

from dataclasses import dataclass

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, in which organization and through what. ``surface`` is web, api, cli or system."""

    organization_id: str
    actor_id: str
    surface: str
    ip_address: str = ""


def system(organization_id: str) -> Actor:
    """Return the actor of changes that the programs make by themselves."""
    return Actor(organization_id, SYSTEM, "system")
