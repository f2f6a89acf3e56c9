"""Anthropic: Messages under ``/v1``, the key in ``x-api-key``, a version header that must be there."""

from core.secrets import Secret
from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.provider import Headers, Provider

VERSION = b"2023-06-01"


def api_root(base_path: str) -> str:
    """Return the base path with ``/v1`` at its end, whether or not it was given with it."""
    return base_path.removesuffix("/v1") + "/v1"


def credential_headers(credential: Secret | None) -> Headers:
    """Return the key as Anthropic takes it."""
    return [(b"x-api-key", credential.reveal().encode("latin-1"))] if credential else []


ANTHROPIC = Provider(
    "anthropic",
    frozenset({ANTHROPIC_MESSAGES.name}),
    api_root,
    credential_headers,
    ((b"anthropic-version", VERSION),),
)
