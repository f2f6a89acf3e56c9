"""Anthropic: Messages under ``/v1``, the key in ``x-api-key``, a version header that must be there."""

from proxy.bundle import ProviderBinding
from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.providers.provider import Headers, Provider, Wanted

VERSION = b"2023-06-01"


def address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path under the base path with ``/v1`` at its end, whether or not it was given with it."""
    return binding.base_path.removesuffix("/v1") + "/v1" + wanted.upstream_path


def credential_headers(binding: ProviderBinding) -> Headers:
    """Return the key as Anthropic takes it."""
    credential = binding.credential
    return [(b"x-api-key", credential.reveal().encode("latin-1"))] if credential else []


ANTHROPIC = Provider(
    "anthropic",
    frozenset({ANTHROPIC_MESSAGES.name}),
    address,
    credential_headers,
    ((b"anthropic-version", VERSION),),
)
