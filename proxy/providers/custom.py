"""Endpoints that speak OpenAI's dialects: any by its address, and the vendors whose address is known."""

from proxy.bundle import ProviderBinding
from proxy.providers.openai import OPENAI_DIALECTS, address, credential_headers
from proxy.providers.provider import Headers, Provider
from rules.provider_types import COMPATIBLE


def _custom_headers(binding: ProviderBinding) -> Headers:
    """Return the key in the header that the endpoint takes it in; an endpoint may have none."""
    settings = binding.settings
    if not binding.credential or settings.auth_mode == "bearer":
        return credential_headers(binding)
    name = "api-key" if settings.auth_mode == "api-key" else settings.auth_header
    return [(name.lower().encode(), binding.credential.reveal().encode("latin-1"))]


CUSTOM = Provider("custom", OPENAI_DIALECTS, address, _custom_headers, asks_for_usage=True)

_TELL_UNASKED = frozenset({"mistral"})
"""Vendors that end each stream with its usage and refuse the option that asks for it."""

_OPEN_SOCKETS = frozenset({"xai"})
"""Vendors whose responses API is spoken over WebSockets, too, as their documentation says."""

FAMILIES = tuple(
    Provider(
        family.name,
        OPENAI_DIALECTS,
        address,
        credential_headers,
        asks_for_usage=family.name not in _TELL_UNASKED,
        socket_headers=credential_headers if family.name in _OPEN_SOCKETS else None,
    )
    for family in COMPATIBLE
)
