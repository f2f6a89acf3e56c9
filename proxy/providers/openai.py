"""OpenAI: its dialects under ``/v1``, a bearer key, usage on chat streams only when asked."""

from proxy.bundle import ProviderBinding
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.providers.provider import Headers, Provider, Wanted, bearer

OPENAI_DIALECTS = frozenset({OPENAI_CHAT.name})


def address(binding: ProviderBinding, wanted: Wanted) -> str:
    """Return the path under the base path as given, as OpenAI's own SDKs do; under ``/v1`` where none is given."""
    return (binding.base_path or "/v1") + wanted.upstream_path


def credential_headers(binding: ProviderBinding) -> Headers:
    """Return the key as a bearer token."""
    return bearer(binding.credential)


OPENAI = Provider("openai", OPENAI_DIALECTS, address, credential_headers, asks_for_usage=True)
