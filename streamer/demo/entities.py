"""Makes the demo's teams, people, keys, budgets and sources; what exists by name is left as it is.

All of it is as old as the calls that are invented for it: an audit log read from the end tells how it came about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.authoring import (
    budgets,
    departments,
    first_run,
    ingestion_sources,
    organizations,
    people,
    projects,
    providers,
    team_members,
    teams,
    virtual_keys,
)
from core.authoring.actor import Actor, system
from core.models import (
    Budget,
    Department,
    IngestionSource,
    Organization,
    Project,
    Provider,
    Team,
    User,
    VirtualKey,
)
from core.secrets import Sealer, Secret
from rules.pricing import NANOUSD_PER_USD
from streamer.demo.cast import CAPTURED, DAYS, DEPARTMENTS, PEOPLE, SERVICES, TEAMS, Caller

AGENTS = "Support agents"
WORKFLOWS = "Workflow automations"
EVALS = "evals-trial"
NAMED = ("Northwind", "northwind")
_PROVIDERS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}


@dataclass(frozen=True, slots=True)
class Seal:
    """What hashing and sealing need."""

    pepper: Secret
    sealer: Sealer


@dataclass(frozen=True, slots=True)
class World:
    """The ids of what was made: teams and projects by slug, providers by type, keys and users by caller's name."""

    organization_id: str
    teams: dict[str, str]
    projects: dict[str, str]
    providers: dict[str, str]
    users: dict[str, str]
    keys: dict[str, str]
    budgets: dict[str, Budget]
    """By scope id."""
    sources: dict[str, str]


def make(seal: Seal, now: datetime) -> World:
    """Make what is missing and return all of it."""
    then = now - timedelta(days=DAYS)
    organization = _organization(then)
    actor = system(organization.id)
    department_ids = {name: _department(actor, name, then) for name in DEPARTMENTS}
    team_ids = {
        team.slug: _team(actor, team.slug, team.name, department_ids[team.department], then)
        for team in TEAMS
    }
    project_ids = {
        slug: _project(actor, name, slug, team_ids[team.slug], then)
        for team in TEAMS
        for slug, name in team.projects
    }
    provider_ids = {kind: _provider(actor, kind, seal, then) for kind in _PROVIDERS}
    sources = _sources(actor, team_ids["support"], seal, then)
    made = World(organization.id, team_ids, project_ids, provider_ids, {}, {}, {}, sources)
    made.budgets.update(_budgets(actor, made, then))
    for caller in sorted((*PEOPLE, *SERVICES), key=lambda one: -one.joined_days_ago):
        joined = now - timedelta(days=caller.joined_days_ago)
        if caller.email:
            made.users[caller.name] = _user(actor, caller, team_ids[caller.team], joined)
        made.keys[caller.name] = _key(actor, caller, made, seal, joined)
    return made


def _organization(then: datetime) -> Organization:
    """Return the organization. One that nobody named or uses becomes the demo's."""
    found = organizations.only()
    if found is None:
        return organizations.create(*NAMED, then)
    if found.slug == organizations.UNNAMED and not first_run.has_administrator(found.id):
        return organizations.update(system(found.id), *NAMED, then)
    return found


def _department(actor: Actor, name: str, then: datetime) -> str:
    return first(Department, actor, lambda: departments.create(actor, name, then), name=name)


def first(model: Any, actor: Actor, create: Callable[[], Any], **values: str) -> str:
    """Return the id of the organization's row with these values, made when there is none."""
    conditions = [getattr(model, name) == value for name, value in values.items()]
    found = model.get_or_none(model.organization_id == actor.organization_id, *conditions)
    return str((found or create()).id)


def _team(actor: Actor, slug: str, name: str, department_id: str, now: datetime) -> str:
    return first(
        Team, actor, lambda: teams.create(actor, name, slug, now, department_id), slug=slug
    )


def _project(actor: Actor, name: str, slug: str, team_id: str, now: datetime) -> str:
    return first(
        Project, actor, lambda: projects.create(actor, name, slug, team_id, now), slug=slug
    )


def _provider(actor: Actor, kind: str, seal: Seal, now: datetime) -> str:
    name = f"{kind}-demo"
    # Nothing is sent to a provider of the demo; what its calls cost is made up.
    new = providers.NewProvider(name, kind, _PROVIDERS[kind], Secret("demo-account-without-a-key"))
    return first(Provider, actor, lambda: providers.create(actor, new, seal.sealer, now), name=name)


def _user(actor: Actor, person: Caller, team_id: str, now: datetime) -> str:
    found = User.get_or_none(User.email == person.email)
    if found is None:
        found = people.create(actor, people.NewUser(person.email, person.name, "member"), now)
        team_members.put(actor, team_id, found.id, "member", now)
    return str(found.id)


def _key(actor: Actor, caller: Caller, world: World, seal: Seal, now: datetime) -> str:
    name = f"{caller.email.partition('@')[0]}-tools" if caller.email else caller.name
    new = virtual_keys.NewVirtualKey(
        name,
        world.projects[caller.project],
        tuple(world.providers.values()),
        world.users.get(caller.name),
        config={"capture": "redacted"} if caller is CAPTURED else {},
        tags=("demo",),
    )

    def create() -> VirtualKey:
        return virtual_keys.create(actor, new, seal.pepper, now)[0]

    return first(VirtualKey, actor, create, name=name)


def _budgets(actor: Actor, world: World, then: datetime) -> dict[str, Budget]:
    """Make one with room, one for a team, one that is nearly spent and one that a loop has spent."""
    wanted = (
        ("company-month", "organization", world.organization_id, "month", 4000, "warn"),
        ("engineering-month", "team", world.teams["engineering"], "month", 3000, "block"),
        ("support-month", "team", world.teams["support"], "month", 6, "warn"),
        (EVALS, "project", world.projects["evals"], "total", 60, "block"),
    )
    return {
        scope_id: _budget(
            actor,
            budgets.NewBudget(
                *(name, scope, scope_id, window, usd * NANOUSD_PER_USD, on_breach),
                allow_unreachable=True,
            ),
            then,
        )
        for name, scope, scope_id, window, usd, on_breach in wanted
    }


def _budget(actor: Actor, new: budgets.NewBudget, then: datetime) -> Budget:
    budget_id = first(Budget, actor, lambda: budgets.create(actor, new, then), name=new.name)
    return Budget.get_by_id(budget_id)


def _sources(actor: Actor, support_id: str, seal: Seal, now: datetime) -> dict[str, str]:
    wanted = (
        ingestion_sources.NewSource(
            "otel_generic", AGENTS, "Spans of the help desk's agents.", support_id
        ),
        ingestion_sources.NewSource("workato", WORKFLOWS, "Recipes that call a model."),
    )
    return {new.name: _source(actor, new, seal, now) for new in wanted}


def _source(actor: Actor, new: ingestion_sources.NewSource, seal: Seal, now: datetime) -> str:
    def create() -> IngestionSource:
        return ingestion_sources.create(actor, new, seal.pepper, now)[0]

    return first(IngestionSource, actor, create, name=new.name)
