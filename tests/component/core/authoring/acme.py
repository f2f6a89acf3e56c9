"""A small organization to write tests about: one team, one project, one person, two providers."""

from dataclasses import dataclass
from datetime import UTC, datetime

from core.authoring import organizations, people, projects, providers, teams
from core.authoring.actor import Actor
from core.authoring.people import NewUser
from core.authoring.providers import NewProvider
from core.models import Organization, Project, Provider, Team, User
from core.secrets import Sealer, Secret, sealer_for

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
PEPPER = Secret("a pepper that only tests use")
SEALER = sealer_for(Secret("a master key that only tests use"))
VIRTUAL_KEY = "lw_vk_live_01ARZ3NDEKTSV4RRFFQ69G5FAV"


@dataclass(frozen=True, slots=True)
class Acme:
    """What was made."""

    organization: Organization
    actor: Actor
    ada: User
    team: Team
    project: Project
    openai: Provider
    anthropic: Provider


def acme(slug: str = "acme", password: Secret | None = None, sealer: Sealer = SEALER) -> Acme:
    """Create the organization in the database at hand."""
    organization = organizations.create("Acme", slug, NOW)
    actor = Actor(organization.id, "tester", "cli")
    ada = people.create(actor, NewUser(f"ada@{slug}.test", "Ada", "admin", password), NOW)
    team = teams.create(actor, "Engineering", "eng", NOW)
    project = projects.create(actor, "Coding tools", "coding", team.id, NOW)
    openai = NewProvider("openai-main", "openai", "https://api.openai.com/v1/", Secret("sk-up"))
    claude = Secret("sk-ant-up")
    anthropic = NewProvider("anthropic-main", "anthropic", "https://api.anthropic.com", claude)
    return Acme(
        organization,
        actor,
        ada,
        team,
        project,
        providers.create(actor, openai, sealer, NOW),
        providers.create(actor, anthropic, sealer, NOW),
    )
