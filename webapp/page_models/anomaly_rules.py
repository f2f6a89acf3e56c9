"""The anomaly rules: the list by severity, the composer's state, and what a threshold means in plain English."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.models import AnomalyRule
from webapp import filters
from webapp.page_models.settings_pages import ChangedField

SEVERITIES = ("critical", "warning", "info")
MINUTE_SECONDS = 60
SPEND_SPIKE = "spend_spike"
WHOLE = "Whole organization"
DEFAULTS = {
    "name": "",
    "description": "",
    "severity": "warning",
    "applies_to": "organization",
    "window_minutes": "60",
    "ratio": "2",
    "floor_usd": "1",
    "slack_url": "",
    "threshold_json": "",
    "destinations_json": "",
}
"""The composer's fields and what they hold at first: an hour, twice the usual, from one dollar up."""
EMPTY_TEXTS = {
    "critical": "No critical rule. Use this severity for what should wake somebody.",
    "warning": "No warning rule. Use this severity for what should be looked at today.",
    "info": "No info rule. Use this severity for what is good to know.",
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule of the list."""

    id: str
    name: str
    type: str
    scope: str
    sentence: str
    destinations: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class RulesPage:
    """The list; ``rows`` by severity."""

    rows: Mapping[str, tuple[RuleRow, ...]]
    may_see: bool
    may_manage: bool
    marked: str = ""
    """The rule a link points at; it is highlighted."""

    @property
    def severities(self) -> tuple[str, ...]:
        return SEVERITIES

    def empty_text(self, severity: str) -> str:
        """Return what stands where no rule of that severity is."""
        return EMPTY_TEXTS[severity]


@dataclass(frozen=True, slots=True)
class RuleForm:
    """The composer's state: what was typed and what is wrong with it. ``rule_id`` is empty for a new rule."""

    values: Mapping[str, str]
    scopes: Sequence[tuple[str, str]]
    errors: Mapping[str, str] = field(default_factory=dict)
    rule_id: str = ""
    kept_destinations: str = ""
    """What alerts of the edited rule already go to; an empty field keeps it."""
    version: str = ""
    """The state that its values came from."""
    is_stale: bool = False
    changes: Sequence[ChangedField] = ()
    """What somebody else changed meanwhile."""
    now: datetime | None = None
    as_page: bool = True

    def value(self, name: str) -> str:
        """Return what the field holds."""
        return self.values.get(name, DEFAULTS.get(name, ""))

    def error(self, name: str) -> str:
        """Return the sentence beside the field, empty when it is right."""
        return self.errors.get(name, "")

    @property
    def preview(self) -> tuple[str, str]:
        """Return the tone and the sentence of the live preview."""
        try:
            threshold = threshold_of(self.values)
        except ValueError as mistake:
            return "critical", str(mistake)
        return "info", sentence(threshold, dict(self.scopes).get(self.value("applies_to"), ""))

    @property
    def uses_json(self) -> bool:
        """Say whether the JSON fields stand open, because they hold something or something is wrong with them."""
        names = ("threshold_json", "destinations_json")
        return any(self.value(name) or self.error(name) for name in names)


def threshold_of(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the threshold the composer describes; the JSON field, when filled in, replaces the numbers.

    Raises ValueError with a sentence for the person who typed it.
    """
    text = values.get("threshold_json", "").strip()
    if text:
        threshold: dict[str, Any] = _json_of(text, dict, "The threshold must be a JSON object.")
        return threshold
    window = _number(values, "window_minutes", "The window must be a number of minutes.")
    return {
        "windowSec": round(window * MINUTE_SECONDS),
        "ratioVsBaseline": _number(values, "ratio", "The ratio must be a number."),
        "minBaselineUsd": _number(values, "floor_usd", "The minimum must be an amount in dollars."),
    }


def destinations_of(values: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """Return the destinations the composer describes, None when it says nothing about them.

    Raises ValueError with a sentence for the person who typed it.
    """
    text = values.get("destinations_json", "").strip()
    if text:
        destinations: list[dict[str, Any]] = _json_of(
            text, list, "Destinations must be a JSON list."
        )
        return destinations
    url = values.get("slack_url", "").strip()
    return [{"type": "slack", "webhookUrl": url}] if url else None


def _json_of(text: str, kind: type, complaint: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as mistake:
        raise ValueError(f"This is not valid JSON: {mistake}.") from None
    if not isinstance(value, kind):
        raise ValueError(complaint)
    return value


def _number(values: Mapping[str, str], name: str, complaint: str) -> float:
    try:
        number = float(values.get(name, DEFAULTS[name]).strip())
    except ValueError:
        raise ValueError(complaint) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(complaint)
    return int(number) if number == int(number) else number


def sentence(threshold: Mapping[str, Any], scope: str) -> str:
    """Return what a spend_spike threshold means; for incomplete ones, which part is missing."""
    window, ratio, floor = (
        threshold.get(key) for key in ("windowSec", "ratioVsBaseline", "minBaselineUsd")
    )
    for name, value in (
        ("windowSec", window),
        ("ratioVsBaseline", ratio),
        ("minBaselineUsd", floor),
    ):
        if not isinstance(value, int | float) or isinstance(value, bool):
            return f"The threshold needs a number called {name}."
    span = filters.duration(float(window or 0))
    least = filters.money(round(float(floor or 0) * filters.NANOUSD_PER_USD))
    where = "the whole organization" if scope in ("", WHOLE) else scope[:1].lower() + scope[1:]
    return (
        f"Fires when spend of {where} within {span} reaches {ratio:g} times the average of "
        f"the six periods of {span} before, provided that average is at least {least}."
    )


def row_of(rule: AnomalyRule, scope: str) -> RuleRow:
    """Return the list's row of a rule."""
    return RuleRow(
        id=rule.id,
        name=rule.name,
        type=rule.type,
        scope=scope,
        sentence=sentence(rule.threshold, scope) if rule.type == SPEND_SPIKE else rule.description,
        destinations=destination_line(rule.destinations),
        is_active=rule.status == "active",
    )


def destination_line(destinations: Sequence[Mapping[str, Any]]) -> str:
    """Return where alerts go, by kind: an address is a credential and is not shown."""
    kinds = [str(one.get("type", "")) for one in destinations]
    known = {
        "slack": "Slack",
        "pagerduty": "PagerDuty",
        "siem": "SIEM",
        "webhook": "Webhook",
        "email": "E-mail",
    }
    return ", ".join(known.get(kind, kind) for kind in kinds) or "This page only"


def form_values(rule: AnomalyRule) -> dict[str, str]:
    """Return the composer's fields for an existing rule; a threshold with further keys opens as JSON."""
    threshold = rule.threshold
    plain = set(threshold) <= {"windowSec", "ratioVsBaseline", "minBaselineUsd"}
    scope = "organization" if rule.scope == "organization" else f"{rule.scope}:{rule.scope_id}"
    return DEFAULTS | {
        "name": rule.name,
        "description": rule.description,
        "severity": rule.severity,
        "applies_to": scope,
        "window_minutes": f"{threshold.get('windowSec', 3600) / MINUTE_SECONDS:g}",
        "ratio": f"{threshold.get('ratioVsBaseline', 2):g}",
        "floor_usd": f"{threshold.get('minBaselineUsd', 1):g}",
        "threshold_json": "" if plain else json.dumps(threshold, indent=2),
    }
