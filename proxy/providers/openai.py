"""OpenAI: chat completions under ``/v1``, a bearer key, usage on streams only when asked."""

from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.providers.provider import Provider, bearer


def api_root(base_path: str) -> str:
    """Return the base path as given, as OpenAI's own SDKs do; ``/v1`` where none is given."""
    return base_path or "/v1"


OPENAI = Provider("openai", frozenset({OPENAI_CHAT.name}), api_root, bearer, asks_for_usage=True)
