"""What a provider is asked for in another dialect than the client's. Translates nothing itself."""

from typing import NamedTuple

from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.bedrock_converse import BEDROCK_CONVERSE
from proxy.dialects.dialect import Dialect
from proxy.dialects.gemini import GEMINI
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.providers.provider import Provider
from proxy.routes import MODEL, Route
from proxy.translation.lane import Translation, translation_between

_TRANSLATED = frozenset(
    {"chat", "messages", "responses", "generate_content", "stream_generate_content"}
)
"""The request types of which there is a translation; counts and embeddings have none."""


class Errand(NamedTuple):
    """A request to a provider: its type, and its path below an API root."""

    request_type: str
    upstream_path: str


class _Wire(NamedTuple):
    dialect: Dialect
    whole: Errand
    streamed: Errand


_CHAT = Errand("chat", "/chat/completions")
_MESSAGES = Errand("messages", "/messages")
_CONVERSE = Errand("converse", "")
_WIRES = (
    _Wire(OPENAI_CHAT, _CHAT, _CHAT),
    _Wire(ANTHROPIC_MESSAGES, _MESSAGES, _MESSAGES),
    _Wire(
        GEMINI,
        Errand("generate_content", f"/v1beta/models/{MODEL}:generateContent"),
        Errand("stream_generate_content", f"/v1beta/models/{MODEL}:streamGenerateContent"),
    ),
    _Wire(BEDROCK_CONVERSE, _CONVERSE, _CONVERSE),
)
"""In the order in which they are chosen where a provider speaks several."""


class Way(NamedTuple):
    """How a route's requests reach a provider that does not speak its dialect."""

    translation: Translation
    wire: Dialect
    whole: Errand
    streamed: Errand


def way_to(provider: Provider, route: Route) -> Way | None:
    """Return the way to a provider, or None where there is none."""
    if route.dialect is None or route.request_type not in _TRANSLATED:
        return None
    for wire, whole, streamed in _WIRES:
        translation = translation_between(route.dialect.name, wire.name)
        if translation is not None and provider.serves(wire.name, whole.request_type):
            return Way(translation, wire, whole, streamed)
    return None
