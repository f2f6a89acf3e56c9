"""The anomaly rule types and their thresholds. Pure: measuring and alerting are the streamer's work."""

import math
from collections.abc import Mapping
from typing import Any

RULE_TYPES = ("spend_spike",)
SEVERITIES = ("critical", "warning", "info")
SCOPES = ("organization", "team", "project", "source_type", "source")
# A window longer than this would compare with a baseline older than most lakes.
LONGEST_WINDOW_SECONDS = 31 * 86_400


def validate_threshold(rule_type: str, threshold: Any) -> list[str]:
    """Return what is wrong with a rule's threshold, one sentence each."""
    if rule_type not in RULE_TYPES:
        return [f"The rule type is one of: {', '.join(RULE_TYPES)}."]
    if not isinstance(threshold, Mapping):
        return ["The threshold is a JSON object."]
    return _spend_spike_errors(threshold)


def _spend_spike_errors(threshold: Mapping[str, Any]) -> list[str]:
    names = ("windowSec", "ratioVsBaseline", "minBaselineUsd")
    errors = [
        f"`{name}` is not a field of a spend_spike threshold."
        for name in threshold
        if name not in names
    ]
    errors += [f"`{name}` is missing." for name in names if name not in threshold]
    window = threshold.get("windowSec", 1)
    is_whole = isinstance(window, int) and not isinstance(window, bool)
    if not is_whole or not 0 < window <= LONGEST_WINDOW_SECONDS:
        errors.append(
            f"`windowSec` is a whole number of seconds from 1 to {LONGEST_WINDOW_SECONDS}."
        )
    ratio = threshold.get("ratioVsBaseline", 1)
    if not _is_number(ratio) or ratio <= 0:
        errors.append("`ratioVsBaseline` is a number above 0.")
    floor = threshold.get("minBaselineUsd", 0)
    if not _is_number(floor) or floor < 0:
        errors.append("`minBaselineUsd` is a number of dollars, 0 or more.")
    return errors


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
