"""The anomaly rule types: their thresholds, what they say in words, and when they fire.

Pure: measuring spend, remembering open anomalies and sending alerts are the streamer's work.
"""

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rules.pricing import NANOUSD_PER_USD

SEVERITIES = ("critical", "warning", "info")
SCOPES = ("organization", "team", "project", "source_type", "source")
# A window longer than this would compare with a baseline older than most lakes.
LONGEST_WINDOW_SECONDS = 31 * 86_400
LONGEST_OFFSET_SECONDS = 366 * 86_400
BASELINE_WINDOWS = 6
"""Without an offset the baseline is the mean of this many windows just before the current one."""
QUIET_EVALUATIONS = 2
"""After so many evaluations in a row below its threshold an open anomaly resolves itself."""


class Decision(enum.StrEnum):
    """What one evaluation of a rule came to."""

    FIRE = "fire"
    SKIP_BELOW_BASELINE = "skip_below_baseline"
    SKIP_BELOW_THRESHOLD = "skip_below_threshold"
    SKIP_DEDUP = "skip_dedup"
    SKIP_NO_DATA = "skip_no_data"
    SKIP_INVALID_CONFIG = "skip_invalid_config"


@dataclass(frozen=True, slots=True)
class SpendSpike:
    """A valid ``spend_spike`` threshold."""

    window: timedelta
    ratio: float
    floor_nanousd: int
    """A baseline below this is too small to compare with."""
    offset: timedelta | None
    """How much earlier the baseline's one window ended; None compares with the mean of six windows."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, start inclusive, end exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """What a scope spent in the current window and in the baseline; the baseline is for one window's length."""

    current_nanousd: int
    current_requests: int
    baseline_nanousd: int


@dataclass(frozen=True, slots=True)
class RuleType:
    """A row of the registry: one kind of rule."""

    name: str
    label: str
    errors: Callable[[Mapping[str, Any]], dict[str, str]]
    describe: Callable[[Mapping[str, Any]], str]


def threshold_errors(rule_type: str, threshold: Any) -> dict[str, str]:
    """Return what is wrong with a rule's threshold: a sentence for each field, empty when it is valid."""
    if rule_type not in RULE_TYPES:
        return {"type": f"The rule type is one of: {', '.join(RULE_TYPES)}."}
    if not isinstance(threshold, Mapping):
        return {"threshold": "The threshold is a JSON object."}
    return REGISTRY[rule_type].errors(threshold)


def validate_threshold(rule_type: str, threshold: Any) -> list[str]:
    """Return what is wrong with a rule's threshold, one sentence each."""
    return list(threshold_errors(rule_type, threshold).values())


def describe(rule_type: str, threshold: Mapping[str, Any]) -> str:
    """Return in plain words when a rule fires. Raises ValueError for a threshold that is not valid."""
    if threshold_errors(rule_type, threshold):
        raise ValueError("the threshold is not valid")
    return REGISTRY[rule_type].describe(threshold)


def spend_spike(threshold: Mapping[str, Any]) -> SpendSpike:
    """Return a ``spend_spike`` threshold as a value. Raises ValueError when it is not valid."""
    errors = _spend_spike_errors(threshold)
    if errors:
        raise ValueError(" ".join(errors.values()))
    offset = threshold.get("baselineOffsetSec")
    return SpendSpike(
        timedelta(seconds=threshold["windowSec"]),
        float(threshold["ratioVsBaseline"]),
        round(threshold["minBaselineUsd"] * NANOUSD_PER_USD),
        None if offset is None else timedelta(seconds=offset),
    )


def current_window(rule: SpendSpike, now: datetime) -> Span:
    """Return the window that is judged."""
    return Span(now - rule.window, now)


def baseline_span(rule: SpendSpike, now: datetime) -> tuple[Span, int]:
    """Return the time the current window is compared with, and how many windows long it is."""
    if rule.offset is not None:
        end = now - rule.offset
        return Span(end - rule.window, end), 1
    start = now - rule.window
    return Span(start - BASELINE_WINDOWS * rule.window, start), BASELINE_WINDOWS


def judge_spend_spike(rule: SpendSpike, measured: Measured) -> Decision:
    """Decide on one measurement. Nothing spent at all is no data, not a low value."""
    if measured.current_nanousd == 0 and measured.baseline_nanousd == 0:
        return Decision.SKIP_NO_DATA
    if measured.baseline_nanousd < rule.floor_nanousd:
        return Decision.SKIP_BELOW_BASELINE
    if measured.current_nanousd == 0:
        return Decision.SKIP_BELOW_THRESHOLD
    if measured.current_nanousd < rule.ratio * measured.baseline_nanousd:
        return Decision.SKIP_BELOW_THRESHOLD
    return Decision.FIRE


def spend_spike_reason(rule: SpendSpike, measured: Measured) -> str:
    """Return in words what was measured."""
    window = duration_words(int(rule.window.total_seconds()))
    start = f"Spend over {window} was {usd_words(measured.current_nanousd)}"
    if measured.baseline_nanousd == 0:
        return f"{start}; the baseline is nothing at all."
    times = measured.current_nanousd / measured.baseline_nanousd
    return f"{start}, {times:,.1f} times the baseline of {usd_words(measured.baseline_nanousd)}."


def usd_words(nanousd: int) -> str:
    """Return an amount for a sentence: two decimals, more for amounts below a cent."""
    usd = nanousd / NANOUSD_PER_USD
    return f"${usd:,.2f}" if nanousd == 0 or usd >= 0.01 else f"${usd:.6f}"


def duration_words(seconds: int) -> str:
    """Return a length of time in words, in its largest whole unit: ``1 hour``, ``7 days``, ``90 seconds``."""
    for length, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length and seconds % length == 0:
            return _counted(seconds // length, unit)
    return _counted(seconds, "second")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _describe_spend_spike(threshold: Mapping[str, Any]) -> str:
    window = duration_words(threshold["windowSec"])
    offset = threshold.get("baselineOffsetSec")
    against = (
        f"the mean of the {BASELINE_WINDOWS} windows before"
        if offset is None
        else f"the same length of time {duration_words(offset)} earlier"
    )
    floor = threshold["minBaselineUsd"]
    start = (
        f"Fires when spend over {window} reaches {threshold['ratioVsBaseline']:g} times {against}"
    )
    return f"{start}, once that baseline is ${floor:,.2f} or more." if floor else f"{start}."


def _spend_spike_errors(threshold: Mapping[str, Any]) -> dict[str, str]:
    required = ("windowSec", "ratioVsBaseline", "minBaselineUsd")
    errors = {
        str(name): f"`{name}` is not a field of a spend_spike threshold."
        for name in threshold
        if name not in (*required, "baselineOffsetSec")
    }
    errors |= {name: f"`{name}` is missing." for name in required if name not in threshold}
    ratio = threshold.get("ratioVsBaseline", 1)
    floor = threshold.get("minBaselineUsd", 0)
    checks = {
        "windowSec": _length_error("windowSec", threshold, LONGEST_WINDOW_SECONDS),
        "baselineOffsetSec": _length_error("baselineOffsetSec", threshold, LONGEST_OFFSET_SECONDS),
        "ratioVsBaseline": ""
        if _is_number(ratio) and 0 < ratio <= 1e6
        else "`ratioVsBaseline` is a number above 0, up to 1000000.",
        "minBaselineUsd": ""
        if _is_number(floor) and 0 <= floor <= 1e9
        else "`minBaselineUsd` is a number of dollars from 0 to 1000000000.",
    }
    return errors | {name: error for name, error in checks.items() if error}


def _length_error(name: str, threshold: Mapping[str, Any], longest: int) -> str:
    seconds = threshold.get(name, 1)
    is_whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if is_whole and 0 < seconds <= longest:
        return ""
    return f"`{name}` is a whole number of seconds from 1 to {longest}."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


REGISTRY: Mapping[str, RuleType] = {
    row.name: row
    for row in (RuleType("spend_spike", "Spend spike", _spend_spike_errors, _describe_spend_spike),)
}
RULE_TYPES = tuple(REGISTRY)
