"""What a call costs. One function serves estimate and settlement; finding a price is the catalogue's work."""

from dataclasses import dataclass, field
from operator import mul
from typing import NamedTuple

from rules.usage import Usage

TOKENS_PER_MTOK = 1_000_000
NANOUSD_PER_USD = 1_000_000_000


class Rates(NamedTuple):
    """List prices in nano-USD per million tokens, one for each class of token, in the order of Usage."""

    input_nanousd: int
    output_nanousd: int
    cache_read_nanousd: int
    cache_write_nanousd: int
    cache_write_1h_nanousd: int


@dataclass(frozen=True, slots=True)
class Price:
    """A model's price: base rates, dearer rates for long prompts, and where it was found."""

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    """``(start, rates)`` ascending; a prompt above ``start`` tokens pays ``rates`` for all its tokens."""
    source: str = ""
    """The catalogue and its date, or ``flat`` when the model is unknown to it."""
    unit: str = ""
    """What the rates count a million of: tokens when empty, else ``characters`` or ``seconds``."""

    is_known: bool = field(init=False)
    """False for what stands in for a model without a published price."""

    def __post_init__(self) -> None:
        is_known = self.source not in (FLAT_SOURCE, UNPRICED_SOURCE)
        object.__setattr__(self, "is_known", is_known)


CHARACTERS = "characters"
SECONDS = "seconds"
FLAT_SOURCE = "flat"
UNPRICED_SOURCE = "unpriced"
TOLD_SOURCE = "provider"
"""The provider told with the answer what it charged."""
# An unknown model is priced like a mid-frontier one (3 and 15 USD per million tokens, the list price of
# Anthropic's Sonnet line), so that a budget also bounds what no catalogue knows yet.
FLAT_PRICE = Price(
    Rates(3_000_000_000, 15_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000), (), FLAT_SOURCE
)
FREE_PRICE = Price(Rates(0, 0, 0, 0, 0), (), "free")
# What is not billed by tokens has no flat price that would mean anything: its cost is not known, and said so.
UNPRICED = Price(Rates(0, 0, 0, 0, 0), (), UNPRICED_SOURCE)


def rates_for(price: Price, prompt_tokens: int) -> Rates:
    """Return the rates that a prompt of this length pays."""
    chosen = price.base
    for start, rates in price.tiers:
        if prompt_tokens > start:
            chosen = rates
    return chosen


def cost_nanousd(usage: Usage, price: Price) -> int:
    """Return the cost in nano-USD, rounded up once, at the end.

    Rounding up keeps a budget from being overrun one fraction at a time.
    Raises ValueError on a negative count, which would refill a budget.
    """
    if min(usage) < 0:
        raise ValueError(f"token counts must not be negative: {usage}")
    rates = rates_for(price, usage.prompt_tokens) if price.tiers else price.base
    total: int = sum(map(mul, usage, rates))
    return -(-total // TOKENS_PER_MTOK)
