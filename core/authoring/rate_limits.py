"""Says whether rate limits as someone wrote them are right; keys and providers have them alike."""

from collections.abc import Mapping
from typing import Any

from rules.rates import DIMENSIONS

MOST = 10**12
"""More than this in a window is no limit; it also keeps sums within 64 bits."""


def canonical(rate_limits: Mapping[str, int | None]) -> dict[str, int]:
    """Return the limits as they are stored: without those that are null."""
    return {name: amount for name, amount in sorted(rate_limits.items()) if amount is not None}


def rate_limits_error(value: Any) -> str:
    """Return what is wrong with ``{rpm, tpm, rpd}``, or an empty string; null members set no limit."""
    if not isinstance(value, dict):
        return f"Give an object with some of {', '.join(DIMENSIONS)}."
    unknown = [str(name) for name in value if name not in DIMENSIONS]
    if unknown:
        return f"There is no limit {unknown[0]}; there are: {', '.join(DIMENSIONS)}."
    for name, amount in value.items():
        if amount is None:
            continue
        if type(amount) is not int or not 1 <= amount <= MOST:
            return f"{name} is a whole number from 1 to {MOST}."
    return ""
