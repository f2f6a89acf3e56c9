"""What a call costs that asks to be served before others: a percentage of the list price, by provider and model.

The vendors' price pages of November 2026. The catalogue has no such prices.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from rules.pricing import Price, Rates

PRIORITY, FAST = "priority", "fast"
SURCHARGED = frozenset({PRIORITY, FAST})
_WHOLE = 100
_Row = tuple[re.Pattern[str], int]
_OPENAIS: Sequence[_Row] = (
    (re.compile(r"gpt-5\.5"), 250),
    (re.compile(r"gpt-5(?:\.\d)?-mini|o4-mini"), 200),
    (re.compile(r"gpt-4\.1|gpt-4o|(?:^|[/.])o3"), 175),
    (re.compile(""), 200),
)
_ANTHROPICS: Sequence[_Row] = (
    (re.compile(r"opus-4-[67](?!\d)"), 600),
    (re.compile(r"opus|fable"), 200),
)
_PERCENT: Mapping[tuple[str, str], Sequence[_Row]] = {
    ("openai", PRIORITY): _OPENAIS,
    ("azure", PRIORITY): _OPENAIS,
    ("anthropic", FAST): _ANTHROPICS,
}
"""The first row that fits counts; without one the list price does."""


@lru_cache(maxsize=1024)
def surcharged(price: Price, provider_type: str, model: str, tier: str) -> Price:
    """Return the price of a model's tokens in a service tier; the same where that costs no more."""
    for pattern, percent in _PERCENT.get((provider_type, tier), ()):
        if pattern.search(model) and not price.unit:
            tiers = tuple((start, _times(rates, percent)) for start, rates in price.tiers)
            source = f"{price.source}, {tier}" if price.is_known else price.source
            return replace(price, base=_times(price.base, percent), tiers=tiers, source=source)
    return price


def _times(rates: Rates, percent: int) -> Rates:
    return Rates(*(-(-rate * percent // _WHOLE) for rate in rates))
