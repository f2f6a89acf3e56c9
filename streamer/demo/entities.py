"""Makes the demo's teams, people, keys, budgets, sources and rules; what exists by name is left as it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.authoring import (
    anomaly_rules,
    budgets,
    ingestion_sources,
    organizations,
    people,
    projects,
    providers,
    teams,
    virtual_keys,
)
from core.authoring.actor import Actor, system
from core.models import (
    AnomalyRule,
    Budget,
    IngestionSource,
    Project,
    Provider,
    Team,
    User,
    VirtualKey,
)
from core.secrets import Sealer, Secret
from rules.pricing import NANOUSD_PER_USD
from streamer.demo.cast import DAYS, PEOPLE, SERVICES, TEAMS, Caller

AGENTS = "Support agents"
WORKFLOWS = "Workflow automations"
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
    budgets: dict[str, str]
    """Budget ids by scope id."""
    sources: dict[str, str]


def make(seal: Seal, now: datetime) -> World:
    """Make what is missing and return all of it."""
    organization = organizations.only() or organizations.create("Northwind", "northwind", now)
    actor = system(organization.id)
    team_ids = {team.slug: _team(actor, team.slug, team.name, now) for team in TEAMS}
    project_ids = {
        slug: _project(actor, name, slug, team_ids[team.slug], now)
        for team in TEAMS
        for slug, name in team.projects
    }
    provider_ids = {kind: _provider(actor, kind, seal, now) for kind in _PROVIDERS}
    user_ids = {person.name: _user(actor, person, now) for person in PEOPLE}
    made = World(
        organization.id,
        team_ids,
        project_ids,
        provider_ids,
        user_ids,
        {},
        _budgets(actor, organization.id, team_ids["engineering"], now),
        _sources(actor, team_ids["support"], seal, now),
    )
    for caller in (*PEOPLE, *SERVICES):
        made.keys[caller.name] = _key(actor, caller, made, seal, now)
    _rules(actor, made, seal, now)
    return made


def _first(model: Any, actor: Actor, create: Callable[[], Any], **values: str) -> str:
    """Return the id of the organization's row with these values, made when there is none."""
    conditions = [getattr(model, name) == value for name, value in values.items()]
    found = model.get_or_none(model.organization_id == actor.organization_id, *conditions)
    return str((found or create()).id)


def _team(actor: Actor, slug: str, name: str, now: datetime) -> str:
    return _first(Team, actor, lambda: teams.create(actor, name, slug, now), slug=slug)


def _project(actor: Actor, name: str, slug: str, team_id: str, now: datetime) -> str:
    return _first(
        Project, actor, lambda: projects.create(actor, name, slug, team_id, now), slug=slug
    )


def _provider(actor: Actor, kind: str, seal: Seal, now: datetime) -> str:
    name = f"{kind}-demo"
    # Nothing is sent to a provider of the demo; what its calls cost is made up.
    new = providers.NewProvider(name, kind, _PROVIDERS[kind], Secret("demo-account-without-a-key"))
    return _first(
        Provider, actor, lambda: providers.create(actor, new, seal.sealer, now), name=name
    )


def _user(actor: Actor, person: Caller, now: datetime) -> str:
    found = User.get_or_none(User.email == person.email)
    if found is None:
        found = people.create(actor, people.NewUser(person.email, person.name, "member"), now)
    return str(found.id)


def _key(actor: Actor, caller: Caller, world: World, seal: Seal, now: datetime) -> str:
    name = f"{caller.email.partition('@')[0]}-tools" if caller.email else caller.name
    new = virtual_keys.NewVirtualKey(
        name,
        world.projects[caller.project],
        tuple(world.providers.values()),
        world.users.get(caller.name),
        tags=("demo",),
    )

    def create() -> VirtualKey:
        return virtual_keys.create(actor, new, seal.pepper, now)[0]

    return _first(VirtualKey, actor, create, name=name)


def _budgets(
    actor: Actor, organization_id: str, engineering_id: str, now: datetime
) -> dict[str, str]:
    wanted = (
        budgets.NewBudget(
            "company-month",
            "organization",
            organization_id,
            "month",
            4000 * NANOUSD_PER_USD,
            on_breach="warn",
        ),
        budgets.NewBudget(
            "engineering-month", "team", engineering_id, "month", 3000 * NANOUSD_PER_USD
        ),
    )
    return {new.scope_id: _budget(actor, new, now) for new in wanted}


def _budget(actor: Actor, new: budgets.NewBudget, now: datetime) -> str:
    def create() -> Budget:
        made = budgets.create(actor, new, now)
        # What is left is drawn from a budget's beginning on, and its calls are older than this moment.
        made.created_at = now - timedelta(days=DAYS)
        made.save(only=[Budget.created_at])
        return made

    return _first(Budget, actor, create, name=new.name)


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

    return _first(IngestionSource, actor, create, name=new.name)


def _rules(actor: Actor, world: World, seal: Seal, now: datetime) -> None:
    day = 86_400
    for name, severity, scope, threshold in (
        (
            "Data spends far above its habit",
            "critical",
            ("team", world.teams["data"]),
            {"windowSec": 2 * day, "ratioVsBaseline": 3.0, "minBaselineUsd": 1},
        ),
        (
            "A day at twice last week's",
            "warning",
            ("organization", world.organization_id),
            {
                "windowSec": day,
                "baselineOffsetSec": 7 * day,
                "ratioVsBaseline": 2.0,
                "minBaselineUsd": 10,
            },
        ),
        (
            "Agents busier than usual",
            "info",
            ("source", world.sources[AGENTS]),
            {"windowSec": 3600, "ratioVsBaseline": 4.0, "minBaselineUsd": 1},
        ),
    ):
        new = anomaly_rules.NewRule(name, severity, "spend_spike", *scope, threshold)
        _rule(actor, new, seal, now)


def _rule(actor: Actor, new: anomaly_rules.NewRule, seal: Seal, now: datetime) -> str:
    return _first(
        AnomalyRule,
        actor,
        lambda: anomaly_rules.create(actor, new, seal.sealer, now),
        name=new.name,
    )
