"""Medians, spreads and quantiles of small lists of measurements. Nothing is measured here."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the quartiles around it."""

    median: float
    lower: float
    upper: float
    rounds: int

    def over(self, other: "Spread") -> float:
        """This median as a multiple of the other; 0 when there is nothing to compare with."""
        return self.median / other.median if other.median else 0.0


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    return Spread(
        median=statistics.median(values),
        lower=quantile(values, 0.25),
        upper=quantile(values, 0.75),
        rounds=len(values),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all values lie, interpolated; 0 for an empty list."""
    if not values:
        return 0.0
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
