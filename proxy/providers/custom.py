"""Endpoints that speak OpenAI's dialects: any by its address, and the vendors whose address is known."""

import math
from typing import Any

from proxy.bundle import ProviderBinding
from proxy.providers.openai import OPENAI_DIALECTS, address, credential_headers
from proxy.providers.provider import Headers, Provider
from rules.pricing import NANOUSD_PER_USD
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

_MOST_USD = 10_000
"""What one call can't have cost; a number beyond it is no price."""


def _openrouters(usage: dict[str, Any]) -> int | None:
    """Return what OpenRouter charged, and with somebody's own key what its maker charged beside it."""
    details = usage.get("cost_details")
    makers = details.get("upstream_inference_cost") if isinstance(details, dict) else None
    charged = _nanousd(usage.get("cost"), NANOUSD_PER_USD)
    if charged is None or usage.get("is_byok") is not True:
        return charged
    return charged + (_nanousd(makers, NANOUSD_PER_USD) or 0)


def _xais(usage: dict[str, Any]) -> int | None:
    """Return what xAI charged; it counts in ten-billionths of a dollar."""
    return _nanousd(usage.get("cost_in_usd_ticks"), 0.1)


def _nanousd(amount: object, nanousd_each: float) -> int | None:
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return None
    try:
        cost = amount * nanousd_each
    except OverflowError:
        return None
    return math.ceil(round(cost, 3)) if 0 <= cost <= _MOST_USD * NANOUSD_PER_USD else None


_TOLD_COSTS = {"openrouter": _openrouters, "xai": _xais}
"""Vendors that tell with each answer what it cost, discounts and server-side tools included."""
_OPEN_SOCKETS = frozenset({"xai"})
"""Vendors whose responses API is spoken over WebSockets, too, as their documentation says."""

FAMILIES = tuple(
    Provider(
        family.name,
        OPENAI_DIALECTS,
        address,
        credential_headers,
        asks_for_usage=family.name not in _TELL_UNASKED,
        told_cost=_TOLD_COSTS.get(family.name),
        socket_headers=credential_headers if family.name in _OPEN_SOCKETS else None,
    )
    for family in COMPATIBLE
)
