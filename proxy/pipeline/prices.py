"""List prices for the hot path: one dictionary a day in front of the catalogue. Knows no price itself."""

from core.clock import from_ms
from rules.catalogue import price_of
from rules.pricing import UNPRICED, Price
from rules.surcharges import surcharged

_DAY_SECONDS = 86_400
_MAX_REMEMBERED = 4096
"""Past this a caller is inventing model names; they are priced all the same."""


class PriceBook:
    """Prices by provider type and model, for the current day."""

    def __init__(self) -> None:
        self._day = -1
        self._prices: dict[tuple[str, str, str, str], Price] = {}

    def price(
        self, provider_type: str, model: str, now_s: float, medium: str = "", tier: str = ""
    ) -> Price:
        """Return the list price on the day of ``now_s`` (Unix seconds); the flat price when none is known.

        ``medium`` is ``image`` or ``audio`` for calls about those. They have no flat price: their unit
        is not known either, so they are marked unpriced. ``tier`` is the service tier that is asked for.
        """
        day = int(now_s // _DAY_SECONDS)
        if day != self._day:
            self._day = day
            self._prices = {}
        price = self._prices.get((provider_type, model, medium, tier))
        if price is None:
            price = price_of(provider_type, model, from_ms(int(now_s * 1000)), medium)
            if medium and not price.is_known:
                price = UNPRICED
            if tier:
                price = surcharged(price, provider_type, model, tier)
            if len(self._prices) < _MAX_REMEMBERED:
                self._prices[provider_type, model, medium, tier] = price
        return price
