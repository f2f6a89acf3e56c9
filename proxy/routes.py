"""The one table of routes. A path that is not here is 404; nothing is served beside it.

Not served on purpose: whatever would be spent later or elsewhere than in an answer that is accounted for here
(batches, files, background and stored responses, fine-tuning, realtime sessions, Gemini's kept contexts, which
are billed by the hour).
"""

import enum
from dataclasses import dataclass

from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.dialect import Dialect
from proxy.dialects.gemini import GEMINI, GEMINI_COUNT, GEMINI_EMBEDDINGS
from proxy.dialects.openai_audio import OPENAI_SPEECH, OPENAI_TRANSCRIPTIONS
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.dialects.openai_completions import OPENAI_COMPLETIONS
from proxy.dialects.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.dialects.openai_image_forms import OPENAI_IMAGE_FORMS
from proxy.dialects.openai_images import OPENAI_IMAGES
from proxy.dialects.openai_moderations import OPENAI_MODERATIONS
from proxy.dialects.openai_responses import OPENAI_RESPONSES

ALIAS_PREFIX = "/api/v1"
MODEL = "{model}"
"""Stands in a path for a model's name, which may hold slashes."""


class Pricing(enum.Enum):
    """What a call of a route costs."""

    TOKENS = "tokens"
    PICTURES = "image"
    """Tokens at the price of pictures; what the catalogue has no such price for is marked unpriced."""
    SOUND = "audio"
    """Characters, seconds or tokens of sound, as the catalogue prices the model; else marked unpriced."""
    FREE = "free"
    """Costs nothing at the provider, so it counts in no budget."""

    def __init__(self, word: str) -> None:
        # Asked several times in every call, so it is an attribute and not worked out.
        self.medium = word if word in ("image", "audio") else ""
        """What the tokens are of, where it is not text; the catalogue's word."""


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
    is_streamed: bool = False
    """Whether answers are streams, where the path says so and not the body."""
    names_model: bool = False
    """The model stands in the path."""

    def model_in(self, path: str) -> str:
        """Return the model that a path of this row names."""
        start, _, end = self.path.partition(MODEL)
        return _plain(path)[len(start) : -len(end)]


def _row(methods: str, path: str, serves: Serves, **more: object) -> Route:
    return Route(frozenset(methods.split()), path, serves, **more)  # type: ignore[arg-type]


def _exchange(
    path: str,
    dialect: Dialect,
    request_type: str,
    pricing: Pricing = Pricing.TOKENS,
    guard: Guard = Guard.CONTENT,
) -> Route:
    """Return the row of an exchange whose address at the provider is the same below the API root."""
    post = frozenset({"POST"})
    upstream_path = path.removeprefix("/v1")
    return Route(post, path, Serves.EXCHANGE, dialect, request_type, pricing, guard, upstream_path)


def _pictures(action: str) -> Route:
    """Return the row of what is made of pictures that a form holds."""
    path = f"/v1/images/{action}"
    return _exchange(path, OPENAI_IMAGE_FORMS, f"image_{action}", Pricing.PICTURES, Guard.REQUEST)


def _gemini(action: str, dialect: Dialect, request_type: str, **more: object) -> tuple[Route, ...]:
    """Return the rows of one of Gemini's actions: Google's clients use two versions of its API."""
    given = {"pricing": Pricing.TOKENS, "guard": Guard.CONTENT, "names_model": True} | more
    paths = [f"/{version}/models/{MODEL}:{action}" for version in ("v1beta", "v1")]
    return tuple(
        _row(
            "POST",
            path,
            Serves.EXCHANGE,
            dialect=dialect,
            request_type=request_type,
            upstream_path=path,
            **given,
        )
        for path in paths
    )


_ASKS: dict[str, object] = {"guard": Guard.REQUEST}
_COUNTS: dict[str, object] = {"guard": Guard.REQUEST, "pricing": Pricing.FREE}

TABLE: tuple[Route, ...] = (
    _exchange("/v1/chat/completions", OPENAI_CHAT, "chat"),
    _exchange("/v1/completions", OPENAI_COMPLETIONS, "completions"),
    _exchange("/v1/responses", OPENAI_RESPONSES, "responses"),
    _exchange("/v1/responses/compact", OPENAI_RESPONSES, "responses_compact"),
    _exchange(
        "/v1/responses/input_tokens",
        OPENAI_RESPONSES,
        "responses_input_tokens",
        Pricing.FREE,
        Guard.REQUEST,
    ),
    _exchange("/v1/embeddings", OPENAI_EMBEDDINGS, "embeddings", Pricing.TOKENS, Guard.REQUEST),
    _exchange("/v1/moderations", OPENAI_MODERATIONS, "moderations", Pricing.FREE, Guard.REQUEST),
    _exchange("/v1/images/generations", OPENAI_IMAGES, "images", Pricing.PICTURES, Guard.REQUEST),
    _pictures("edits"),
    _pictures("variations"),
    _exchange("/v1/audio/speech", OPENAI_SPEECH, "speech", Pricing.SOUND, Guard.REQUEST),
    _exchange("/v1/audio/transcriptions", OPENAI_TRANSCRIPTIONS, "transcriptions", Pricing.SOUND),
    _exchange("/v1/audio/translations", OPENAI_TRANSCRIPTIONS, "translations", Pricing.SOUND),
    _exchange("/v1/messages", ANTHROPIC_MESSAGES, "messages"),
    _exchange(
        "/v1/messages/count_tokens",
        ANTHROPIC_MESSAGES,
        "count_tokens",
        Pricing.FREE,
        Guard.REQUEST,
    ),
    *_gemini("generateContent", GEMINI, "generate_content"),
    *_gemini("streamGenerateContent", GEMINI, "stream_generate_content", is_streamed=True),
    *_gemini("countTokens", GEMINI_COUNT, "count_gemini_tokens", **_COUNTS),
    *_gemini("embedContent", GEMINI_EMBEDDINGS, "embed_content", **_ASKS),
    *_gemini("batchEmbedContents", GEMINI_EMBEDDINGS, "batch_embed_contents", **_ASKS),
    # Codex asks for a WebSocket first; any other status than 426 costs it seven handshakes.
    _row("GET", "/v1/responses", Serves.UPGRADE),
    _row("GET", "/v1/models", Serves.MODELS),
    _row("GET", "/v1/models/", Serves.MODELS, has_tail=True),
    _row("GET", "/v1beta/models", Serves.MODELS),
    _row("GET", "/v1beta/models/", Serves.MODELS, has_tail=True),
    _row("HEAD GET", "/", Serves.GREETING),
    _row("HEAD GET", "/api/hello", Serves.GREETING),
    _row("HEAD GET", "/healthz", Serves.ALIVE),
    _row("HEAD GET", "/readyz", Serves.READY),
    _row("HEAD GET", "/startupz", Serves.STARTED),
    _row("HEAD GET", "/health", Serves.STATUS),
    _row("HEAD GET", "/metrics", Serves.METRICS),
)

_EXACT = [route for route in TABLE if not route.has_tail and not route.names_model]
_BY_METHOD = {
    method: {route.path: route for route in _EXACT if method in route.methods}
    for method in {method for route in _EXACT for method in route.methods}
}
_BY_PATH = {route.path: route for route in reversed(_EXACT)}
_OPEN = tuple(route for route in TABLE if route.has_tail)
_WITH_MODEL = {
    (start, action): route
    for route in TABLE
    if route.names_model
    for start, _, action in [route.path.partition(MODEL)]
}
_STARTS = tuple(dict.fromkeys(start for start, _ in _WITH_MODEL))


def _plain(path: str) -> str:
    return path[4:] if path.startswith(ALIAS_PREFIX) else path


def find(path: str, method: str = "POST") -> Route | None:
    """Return the row of a path for a method, or one for other methods, or None.

    ``/api/v1…`` is another spelling of ``/v1…``.
    """
    of_method = _BY_METHOD.get(method, {})
    route = of_method.get(path)
    if route is not None:
        return route
    path = _plain(path)
    route = of_method.get(path) or _BY_PATH.get(path)
    return route or _find_with_model(path) or _find_open(path)


def _find_with_model(path: str) -> Route | None:
    head, colon, action = path.rpartition(":")
    for start in _STARTS if colon else ():
        if head.startswith(start):
            return _WITH_MODEL.get((start, ":" + action))
    return None


def _find_open(path: str) -> Route | None:
    for candidate in _OPEN:
        if path.startswith(candidate.path) and len(path) > len(candidate.path):
            return candidate
    return None
