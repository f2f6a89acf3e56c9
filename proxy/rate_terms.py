"""The terms of rate limits: of a key, of a provider, and of counting tokens. Keeps no state."""

from collections.abc import Mapping

from proxy.limit_state import Terms
from rules.rates import COUNTING, COUNTING_RPM, DIMENSIONS, Dimension, rate_limit_id
from rules.windows import Window


def rate_terms(
    scope: str, subject_id: str, provider_name: str, amounts: Mapping[str, int]
) -> list[Terms]:
    """Return the terms of the limits that a key or a provider has, shortest window first.

    ``scope`` is virtual_key or provider; ``amounts`` are some of rpm, tpm and rpd.
    """
    return [
        _rate(dimension, amounts[name], scope, subject_id, provider_name)
        for name, dimension in DIMENSIONS.items()
        if amounts.get(name)
    ]


def counting_terms(vk_id: str) -> Terms:
    """Return the terms of the limit on counting tokens with a key."""
    return _rate(COUNTING, COUNTING_RPM, "virtual_key", vk_id, "")


def _rate(
    dimension: Dimension, amount: int, scope: str, subject_id: str, provider_name: str
) -> Terms:
    return Terms(
        rate_limit_id(dimension.name, subject_id),
        dimension.name,
        scope,
        subject_id,
        Window(dimension.window),
        None,
        amount,
        "block",
        "flat",
        "allow",
        dimension,
        subject_id if scope == "provider" else None,
        provider_name,
    )
