"""What one worker has counted, in plain dictionaries, and how the counts of several workers become one page.

Counting is a dictionary look-up and an addition, so that it may stand in the path of a call. Reads no file and
knows no call: what is counted is said by ``proxy.pipeline.observe`` and by the parts that own a gauge.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping

import msgspec

from proxy.metric_table import (
    BUCKETS,
    BY_NAME,
    CIRCUITS,
    FOLDED,
    MAX_SERIES,
    TABLE,
    Kind,
    Metric,
)

Labels = tuple[str, ...]
Series = dict[Labels, float]
Counter = tuple[str, Labels]
MAX_MODELS = 200
MAX_TALLIES = 2000
OTHER, UNKNOWN = "other", "unknown"
_CELL = len(BUCKETS) + 2
"""A count per bucket, one for what is slower than all, and the sum of seconds."""


class Snapshot(msgspec.Struct):
    """What one worker has counted by now, as it is written down for the others."""

    counters: dict[str, list[tuple[Labels, float]]] = {}
    histograms: dict[str, list[tuple[Labels, list[float]]]] = {}
    gauges: dict[str, list[tuple[Labels, float]]] = {}


class Tally:
    """Calls that are alike: counted here at once, and as series when these are read."""

    __slots__ = ("calls", "hits", "misses", "provider_seconds", "seconds", "sent", "series")

    def __init__(
        self, series: tuple[Counter, ...], seconds: list[float], provider_seconds: list[float]
    ) -> None:
        self.series = series
        """Where calls, sent calls, hits and misses are counted, in this order."""
        self.seconds, self.provider_seconds = seconds, provider_seconds
        """The cells of their histograms."""
        self.calls = self.sent = self.hits = self.misses = 0

    def take(self) -> Iterable[tuple[Counter, int]]:
        """Return what was counted since the last time."""
        counted = self.calls, self.sent, self.hits, self.misses
        self.calls = self.sent = self.hits = self.misses = 0
        return zip(self.series, counted, strict=True)


class Metrics:
    """The counts of one worker. Only its own event loop adds to them."""

    def __init__(self) -> None:
        self.counters: dict[str, Series] = {m.name: {} for m in TABLE if m.kind is Kind.COUNTER}
        self.histograms: dict[str, dict[Labels, list[float]]] = {
            m.name: {} for m in TABLE if m.kind is Kind.HISTOGRAM
        }
        self.tallies: dict[Hashable, Tally] = {}
        self.models: dict[str, str] = {"": UNKNOWN}
        """The label of each model met."""
        self.in_flight = 0
        self.streaming = 0
        self._gauges: dict[str, Callable[[], Mapping[Labels, float]]] = {}
        self._sources: dict[str, Callable[[], Mapping[Labels, float]]] = {}
        self.gauge("gateway_in_flight_requests", lambda: {(): self.in_flight})
        self.gauge("gateway_streaming_active", lambda: {(): self.streaming})

    def count(self, name: str, labels: Labels, by: float = 1) -> None:
        """Add to a counter."""
        series = self.counters[name]
        if labels in series:
            series[labels] += by
        else:
            labels = _bounded(name, labels, len(series))
            series[labels] = series.get(labels, 0) + by

    def observe(self, name: str, labels: Labels, seconds: float) -> None:
        """Add a duration to a histogram."""
        add_seconds(self.cell(name, labels), seconds)

    def cell(self, name: str, labels: Labels) -> list[float]:
        """Return one series of a histogram, for ``add_seconds``."""
        cells = self.histograms[name]
        cell = cells.get(labels)
        if cell is None:
            labels = _bounded(name, labels, len(cells))
            cell = cells.setdefault(labels, [0] * _CELL)
        return cell

    def tally(self, key: Hashable, make: Callable[[], Tally]) -> Tally | None:
        """Return the tally of calls that are alike, made when it is first asked for; None when there are too many."""
        tally = self.tallies.get(key)
        if tally is None and len(self.tallies) < MAX_TALLIES:
            tally = self.tallies[key] = make()
        return tally

    def gauge(self, name: str, read: Callable[[], Mapping[Labels, float]]) -> None:
        """Let a gauge be read from its owner whenever the metrics are asked for."""
        if BY_NAME[name].kind is not Kind.GAUGE:
            raise ValueError(f"{name} is not a gauge")
        self._gauges[name] = read

    def source(self, name: str, read: Callable[[], Mapping[Labels, float]]) -> None:
        """Let some series of a counter be read from an owner that counts them by itself."""
        if BY_NAME[name].kind is not Kind.COUNTER:
            raise ValueError(f"{name} is not a counter")
        self._sources[name] = read

    def model_label(self, model: str, is_real: bool) -> str:
        """Return the label of a model. Only one that exists gets its own, and only the first 200 do:
        the name is the caller's, and every value of a label costs whoever keeps the metrics."""
        label = self.models.get(model)
        if label is not None:
            return label
        if not is_real or len(self.models) >= MAX_MODELS:
            return OTHER
        self.models[model] = model
        return model

    def snapshot(self, before: Snapshot | None = None) -> Snapshot:
        """Return everything counted, on top of what a dead worker before this one had counted."""
        before = before or Snapshot()
        for tally in self.tallies.values():
            for (name, labels), count in tally.take():
                if count:
                    self.count(name, labels, count)
        counters = {name: dict(series) for name, series in self.counters.items()}
        for name, read in self._sources.items():
            counters[name] |= read()
        gauges = {name: read() for name, read in self._gauges.items()}
        return Snapshot(
            _rows(add_series(counters, before.counters)),
            {
                name: list(cells.items())
                for name, cells in _add_cells(self.histograms, before.histograms).items()
            },
            _rows(gauges),
        )


def add_seconds(cell: list[float], seconds: float) -> None:
    """Add a duration to a series of a histogram."""
    cell[bisect_left(BUCKETS, seconds)] += 1
    cell[-1] += seconds


def _bounded(name: str, labels: Labels, series: int) -> Labels:
    """Return the labels of a new series; past the bound, without what tenants bring about."""
    if series < MAX_SERIES:
        return labels
    names = BY_NAME[name].labels
    return tuple(
        OTHER if label in FOLDED else value for label, value in zip(names, labels, strict=True)
    )


def _rows(named: Mapping[str, Mapping[Labels, float]]) -> dict[str, list[tuple[Labels, float]]]:
    return {name: list(series.items()) for name, series in named.items()}


def add_series(
    mine: Mapping[str, Mapping[Labels, float]], more: Mapping[str, Iterable[tuple[Labels, float]]]
) -> dict[str, Series]:
    """Return the sums of two sets of series."""
    total = {name: dict(series) for name, series in mine.items()}
    for name, rows in more.items():
        series = total.setdefault(name, {})
        for labels, value in rows:
            series[labels] = series.get(labels, 0) + value
    return total


def _add_cells(
    mine: Mapping[str, Mapping[Labels, list[float]]],
    more: Mapping[str, Iterable[tuple[Labels, list[float]]]],
) -> dict[str, dict[Labels, list[float]]]:
    total = {name: {k: list(v) for k, v in cells.items()} for name, cells in mine.items()}
    for name, rows in more.items():
        cells = total.setdefault(name, {})
        for labels, cell in rows:
            if len(cell) == _CELL:
                own = cells.get(labels, [0] * _CELL)
                cells[labels] = [a + b for a, b in zip(own, cell, strict=True)]
    return total


def page(snapshots: Iterable[Snapshot]) -> str:
    """Return the sums of several workers in Prometheus's text format, every metric of the table named."""
    counters: dict[str, Series] = {}
    gauges: dict[str, Series] = {}
    histograms: dict[str, dict[Labels, list[float]]] = {}
    circuits: Series = {}
    for snapshot in snapshots:
        circuits = _worst(circuits, dict(snapshot.gauges.pop(CIRCUITS, ())))
        counters = add_series(counters, snapshot.counters)
        gauges = add_series(gauges, snapshot.gauges)
        histograms = _add_cells(histograms, snapshot.histograms)
    gauges[CIRCUITS] = circuits
    lines: list[str] = []
    for metric in TABLE:
        lines += [
            f"# HELP {metric.name} {metric.help}",
            f"# TYPE {metric.name} {metric.kind.value}",
        ]
        if metric.kind is Kind.HISTOGRAM:
            for labels, cell in sorted(histograms.get(metric.name, {}).items()):
                lines += _histogram(metric, labels, cell)
            continue
        series = (counters if metric.kind is Kind.COUNTER else gauges).get(metric.name, {})
        if not series and not metric.labels:
            series = {(): 0}
        for labels, value in sorted(series.items()):
            lines.append(f"{metric.name}{_labels(metric.labels, labels)} {_number(value)}")
    return "\n".join(lines) + "\n"


def _worst(mine: Series, more: Series) -> Series:
    """Return the worse of the states that workers see an account in: open, else half open, else closed."""
    rank = (0, 2, 1)
    worst = dict(mine)
    for labels, state in more.items():
        if rank[int(state)] >= rank[int(worst.get(labels, 0))]:
            worst[labels] = state
    return worst


def _histogram(metric: Metric, labels: Labels, cell: list[float]) -> list[str]:
    lines, total = [], 0.0
    for bound, count in zip((*map(_number, BUCKETS), "+Inf"), cell[:-1], strict=True):
        total += count
        named = _labels((*metric.labels, "le"), (*labels, bound))
        lines.append(f"{metric.name}_bucket{named} {_number(total)}")
    named = _labels(metric.labels, labels)
    lines.append(f"{metric.name}_sum{named} {_number(cell[-1])}")
    lines.append(f"{metric.name}_count{named} {_number(total)}")
    return lines


def _labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    # The gateway's labels are caller-supplied in part: a quote or a line end must stay within its value.
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
