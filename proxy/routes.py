"""The one table of routes. A path that is not here is 404; nothing is served beside it."""

import enum
from dataclasses import dataclass

from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.dialect import Dialect
from proxy.dialects.openai_chat import OPENAI_CHAT

ALIAS_PREFIX = "/api/v1/"


class Pricing(enum.Enum):
    """What a call of a route costs."""

    TOKENS = "tokens"
    FREE = "free"
    """Costs nothing at the provider, so it counts in no budget."""


class Guard(enum.Enum):
    """What of a call policies and guardrails may look into."""

    CONTENT = "content"
    """The request and the answer hold prompts, tools and generated text."""
    REQUEST = "request"
    """Only the request does."""
    NOTHING = "nothing"


class Serves(enum.Enum):
    """Who answers: a provider by way of the pipeline, or the gateway itself."""

    EXCHANGE = "exchange"
    MODELS = "models"
    GREETING = "greeting"
    UPGRADE = "upgrade"
    ALIVE = "alive"
    READY = "ready"
    STARTED = "started"
    STATUS = "status"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Route:
    """One row. ``request_type`` is what the ledger calls it; ``upstream_path`` is relative to an API root."""

    methods: frozenset[str]
    path: str
    serves: Serves
    dialect: Dialect | None = None
    request_type: str = ""
    pricing: Pricing = Pricing.FREE
    guard: Guard = Guard.NOTHING
    upstream_path: str = ""
    has_tail: bool = False
    """The path goes on behind a slash, for instance with a model's id."""


def _row(methods: str, path: str, serves: Serves, **more: object) -> Route:
    return Route(frozenset(methods.split()), path, serves, **more)  # type: ignore[arg-type]


TABLE: tuple[Route, ...] = (
    Route(
        frozenset({"POST"}),
        "/v1/chat/completions",
        Serves.EXCHANGE,
        OPENAI_CHAT,
        "chat",
        Pricing.TOKENS,
        Guard.CONTENT,
        "/chat/completions",
    ),
    Route(
        frozenset({"POST"}),
        "/v1/messages",
        Serves.EXCHANGE,
        ANTHROPIC_MESSAGES,
        "messages",
        Pricing.TOKENS,
        Guard.CONTENT,
        "/messages",
    ),
    Route(
        frozenset({"POST"}),
        "/v1/messages/count_tokens",
        Serves.EXCHANGE,
        ANTHROPIC_MESSAGES,
        "count_tokens",
        Pricing.FREE,
        Guard.REQUEST,
        "/messages/count_tokens",
    ),
    _row("GET", "/v1/models", Serves.MODELS),
    _row("GET", "/v1/models/", Serves.MODELS, has_tail=True),
    # Codex asks for a WebSocket first; any other status than 426 costs it seven handshakes.
    _row("GET", "/v1/responses", Serves.UPGRADE),
    _row("HEAD GET", "/", Serves.GREETING),
    _row("HEAD GET", "/api/hello", Serves.GREETING),
    _row("HEAD GET", "/healthz", Serves.ALIVE),
    _row("HEAD GET", "/readyz", Serves.READY),
    _row("HEAD GET", "/startupz", Serves.STARTED),
    _row("HEAD GET", "/health", Serves.STATUS),
    _row("HEAD GET", "/metrics", Serves.METRICS),
)

_EXACT = {route.path: route for route in TABLE if not route.has_tail}
_OPEN = tuple(route for route in TABLE if route.has_tail)


def find(path: str) -> Route | None:
    """Return the row of a path, or None. ``/api/v1/…`` is another spelling of ``/v1/…``."""
    route = _EXACT.get(path)
    if route is not None:
        return route
    if path.startswith(ALIAS_PREFIX):
        path = path[4:]
        route = _EXACT.get(path)
    if route is None:
        for candidate in _OPEN:
            if path.startswith(candidate.path) and len(path) > len(candidate.path):
                return candidate
    return route
