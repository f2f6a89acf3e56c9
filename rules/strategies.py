"""In which order a routing policy tries the providers that serve a model. Chooses none and calls none.

Priority is the order that is there already. The other orders keep it among equals.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TypeVar

FRESH_SECONDS = 60.0
"""A provider that was not measured for this long is measured again, by one call."""
_WEIGHT = 0.2
"""How much the newest measurement counts in the moving average."""
_MAX_SERIES = 4096

_T = TypeVar("_T")


class Strategy(StrEnum):
    """How a policy orders its providers."""

    PRIORITY = "priority"
    COST = "cost"
    LATENCY = "latency"
    ROUND_ROBIN = "round_robin"


def by_cost(choices: Sequence[_T], cost_of: Callable[[_T], int | None]) -> tuple[_T, ...]:
    """Return the choices, the cheapest first; those of unknown cost (None) last."""
    costs = [cost_of(choice) for choice in choices]
    order = sorted(range(len(choices)), key=lambda i: (costs[i] is None, costs[i] or 0))
    return tuple(choices[i] for i in order)


def rotated(choices: Sequence[_T], turn: int) -> tuple[_T, ...]:
    """Return the choices so that each is the first in turn, and the others follow in their order."""
    start = turn % len(choices) if choices else 0
    return (*choices[start:], *choices[:start])


class _Series:
    __slots__ = ("asked_s", "average_ms", "measured_s")

    def __init__(self) -> None:
        self.average_ms: float | None = None
        self.measured_s = float("-inf")
        self.asked_s = float("-inf")


class Latencies:
    """Moving averages of the time to the first byte, by provider and model. Bounded; oldest go first."""

    def __init__(self, max_series: int = _MAX_SERIES) -> None:
        self._max_series = max_series
        self._series: OrderedDict[tuple[str, str], _Series] = OrderedDict()

    def add(self, name: tuple[str, str], first_byte_ms: float, now_s: float) -> None:
        """Note how long one answer took to begin."""
        series = self._of(name)
        if series.average_ms is None:
            series.average_ms = first_byte_ms
        else:
            series.average_ms += _WEIGHT * (first_byte_ms - series.average_ms)
        series.measured_s = now_s

    def average_ms(self, name: tuple[str, str]) -> float | None:
        """Return the average, None before the first measurement."""
        series = self._series.get(name)
        return None if series is None else series.average_ms

    def ordered(
        self, choices: Sequence[_T], name_of: Callable[[_T], tuple[str, str]], now_s: float
    ) -> tuple[_T, ...]:
        """Return the choices, the quickest first.

        The first that was not measured lately goes before all others, for this one call: so each is
        measured from time to time, and never by a crowd.
        """
        series = [self._of(name_of(choice)) for choice in choices]
        order = sorted(range(len(choices)), key=lambda i: _rank(series[i]))
        for i in range(len(choices)):
            one = series[i]
            if now_s - max(one.measured_s, one.asked_s) > FRESH_SECONDS:
                one.asked_s = now_s
                order.remove(i)
                order.insert(0, i)
                break
        return tuple(choices[i] for i in order)

    def _of(self, name: tuple[str, str]) -> _Series:
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = _Series()
            if len(self._series) > self._max_series:
                self._series.popitem(last=False)
        return series


def _rank(series: _Series) -> float:
    return float("inf") if series.average_ms is None else series.average_ms
