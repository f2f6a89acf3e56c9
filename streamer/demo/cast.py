"""Who is in the demo: teams, projects, people, service keys and what each of them uses. Values only."""

from dataclasses import dataclass

DAYS = 60
"""Twice the usual window, so that the window has one before it to compare with."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model and the provider type that it is priced by."""

    name: str
    provider_type: str
    request_type: str


SONNET = Model("claude-sonnet-4-5", "anthropic", "messages")
HAIKU = Model("claude-haiku-4-5", "anthropic", "messages")
OPUS = Model("claude-opus-4-5", "anthropic", "messages")
GPT = Model("gpt-5", "openai", "chat")
GPT_MINI = Model("gpt-5-mini", "openai", "chat")


@dataclass(frozen=True, slots=True)
class Team:
    """A team with its projects; ``projects`` are pairs of slug and name, the first is where people book."""

    slug: str
    name: str
    department: str
    projects: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, or a service key when there is no address. ``calls`` is a usual working day's number."""

    name: str
    email: str
    team: str
    project: str
    calls: int
    prompt_tokens: int
    models: tuple[Model, ...]
    """Drawn from in proportion to how often each is listed."""
    joined_days_ago: int = DAYS


DEPARTMENTS = ("Product", "Operations")
TEAMS = (
    Team(
        "engineering",
        "Engineering",
        "Product",
        (("coding", "Coding tools"), ("review", "Code review")),
    ),
    Team("data", "Data", "Product", (("notebooks", "Notebooks"), ("evals", "Model evaluation"))),
    Team("support", "Support", "Operations", (("helpdesk", "Help desk"),)),
    Team("marketing", "Marketing", "Operations", (("content", "Content"),)),
)

_AGENT = (SONNET, SONNET, SONNET, OPUS, HAIKU)
_MIXED = (GPT, GPT, GPT_MINI, SONNET)
_LIGHT = (GPT_MINI, GPT_MINI, HAIKU)


def _person(
    name: str, place: str, calls: int, models: tuple[Model, ...], joined: int = DAYS
) -> Caller:
    team, _, project = place.partition("/")
    prompt = 38_000 if models is _AGENT else 7_000
    email = f"{name.split()[0].lower()}@northwind.test"
    return Caller(name, email, team, project, calls, prompt, models, joined)


PEOPLE = (
    _person("Amara Okafor", "engineering/coding", 58, _AGENT),
    _person("Bruno Keller", "engineering/coding", 41, _AGENT),
    _person("Chiara Conti", "engineering/coding", 36, _AGENT),
    _person("Deniz Aydin", "engineering/coding", 29, _MIXED),
    _person("Elif Sahin", "engineering/review", 24, _AGENT),
    _person("Farid Haddad", "engineering/coding", 33, _AGENT, 18),
    _person("Greta Lindqvist", "data/notebooks", 30, _MIXED),
    _person("Hugo Marchand", "data/notebooks", 22, _MIXED),
    _person("Ines Duarte", "data/evals", 18, _AGENT),
    _person("Jonas Weber", "support/helpdesk", 34, _LIGHT),
    _person("Kaia Nilsen", "support/helpdesk", 27, _LIGHT),
    _person("Luca Moretti", "support/helpdesk", 21, _LIGHT, 11),
    _person("Mei Tanaka", "marketing/content", 16, _MIXED),
    _person("Noah Fischer", "marketing/content", 12, _LIGHT),
)
SERVICES = (
    Caller("ci-review", "", "engineering", "review", 45, 11_000, (HAIKU, HAIKU, SONNET)),
    Caller("nightly-eval", "", "data", "evals", 12, 9_000, (SONNET, GPT)),
)
CAPTURED = SERVICES[0]
"""The service key whose questions and answers are kept."""
KEPT_DAYS = 3
"""How far back the demo knows them."""
RUNAWAY = SERVICES[1]
"""The service key that calls in a loop yesterday afternoon."""
RUNAWAY_CALLS = 280
RUNAWAY_PROMPT_TOKENS = 52_000
