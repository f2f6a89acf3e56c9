"""List prices by provider and model, from the genai-prices data that is installed with us.

Nothing is downloaded and nothing is fetched at run time: the prices are those of the installed package.
"""

import importlib.metadata
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices

from rules.pricing import (
    CHARACTERS,
    FLAT_PRICE,
    FREE_PRICE,
    NANOUSD_PER_USD,
    SECONDS,
    Price,
    Rates,
)
from rules.provider_types import TYPES

_CATALOGUE_PROVIDER = {row.name: row.catalogue for row in TYPES.values() if row.catalogue}
_SANDBOX_PRICE = Price(
    Rates(1_000_000_000, 4_000_000_000, 100_000_000, 1_250_000_000, 2_000_000_000), (), "sandbox"
)
# One provider model has a handful of spellings in use; anything past this is a caller inventing names.
_REMEMBERED_MODELS = 4096


def price_version() -> str:
    """Return the catalogue's name and version, for ledger rows."""
    return f"genai-prices {importlib.metadata.version('genai-prices')}"


def price_of(provider_type: str, model: str, day: datetime, medium: str = "") -> Price:
    """Return the list price of a model on a day; the flat price when no catalogue knows it.

    ``provider_type`` is ours (openai, anthropic, custom, sandbox…); a custom endpoint is looked up by
    the model's name alone. Sandbox answers have a made-up price, so that budgets can be tried out.
    ``medium`` is ``image`` or ``audio`` where a call is about pictures or sound, whose tokens have
    their own price.
    """
    return _price_of(
        provider_type, model[:200], day.replace(hour=0, minute=0, second=0, microsecond=0), medium
    )


@lru_cache(maxsize=_REMEMBERED_MODELS)
def _price_of(provider_type: str, model: str, day: datetime, medium: str) -> Price:
    if provider_type == "sandbox":
        return _SANDBOX_PRICE
    try:
        _, info = get_snapshot().find_provider_model(
            model, None, _CATALOGUE_PROVIDER.get(provider_type), None
        )
    except LookupError:
        return FLAT_PRICE
    return _convert(info.get_prices(day), medium)


@lru_cache(maxsize=_REMEMBERED_MODELS)
def context_window(provider_type: str, model: str) -> int | None:
    """Return how many tokens a prompt and its answer may have together, as the catalogue tells it."""
    try:
        _, info = get_snapshot().find_provider_model(
            model[:200], None, _CATALOGUE_PROVIDER.get(provider_type), None
        )
    except LookupError:
        return None
    window: int | None = info.context_window
    return window


def known_models(provider_type: str) -> Sequence[str]:
    """Return the ids of the models the catalogue prices for a provider type, deprecated ones left out."""
    wanted = _CATALOGUE_PROVIDER.get(provider_type)
    for provider in get_snapshot().providers:
        if provider.id == wanted:
            return sorted(
                m.id for m in provider.models if not m.deprecated and not m.id.endswith("-")
            )
    return ()


def _convert(prices: Any, medium: str = "") -> Price:
    fields = [getattr(prices, name, None) for name in _FIELDS]
    if fields[0] is None and fields[1] is None:
        return FREE_PRICE if _is_free(prices) else _by_the_piece(prices)
    if medium:
        fields[:2] = [
            getattr(prices, f"{way}_{medium}_mtok", None) or fields[place]
            for place, way in enumerate(("input", "output"))
        ]
    starts = sorted({t.start for f in fields if isinstance(f, TieredPrices) for t in f.tiers})
    tiers = tuple((start, _rates(fields, start)) for start in starts)
    return Price(_rates(fields, None), tiers, price_version())


def _by_the_piece(prices: Any) -> Price:
    """Return the price of a model that is billed by characters or by the length of a sound."""
    for name, unit, per in _PIECES:
        amount = getattr(prices, name, None)
        if isinstance(amount, Decimal):
            rates = Rates(int(amount * NANOUSD_PER_USD * _MILLION / per), 0, 0, 0, 0)
            return Price(rates, (), price_version(), unit)
    return FLAT_PRICE


def _is_free(prices: Any) -> bool:
    return not any(value for key, value in vars(prices).items() if not key.startswith("_"))


_MILLION = 1_000_000
_PIECES = (("input_mchars", CHARACTERS, _MILLION), ("audio_hours", SECONDS, 3600))
_FIELDS = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
)


def _rates(fields: Sequence[Any], start: int | None) -> Rates:
    given = [_nanousd(field, start) for field in fields]
    fresh = given[0] or 0
    # A class without a price of its own is billed as fresh input; a one-hour write at least as a short one.
    read, write = (fresh if value is None else value for value in given[2:4])
    long_write = max(write, 2 * fresh) if given[4] is None else given[4]
    return Rates(fresh, given[1] or 0, read, write, long_write)


def _nanousd(field: Decimal | TieredPrices | None, start: int | None) -> int | None:
    if field is None:
        return None
    if isinstance(field, TieredPrices):
        chosen = field.base
        for tier in field.tiers:
            if start is not None and tier.start <= start:
                chosen = tier.price
        field = chosen
    return int(field * NANOUSD_PER_USD)
