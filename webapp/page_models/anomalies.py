"""The anomalies that rules found: the list by state, and one with its facts and its deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.models import AlertDelivery, Anomaly
from webapp import filters

STATES = (("open", "Open"), ("acknowledged", "Acknowledged"), ("resolved", "Resolved"), ("", "All"))
STATE_TONES = {"open": "critical", "acknowledged": "warning", "resolved": "positive"}
DELIVERY_TONES = {"sent": "positive", "failed": "critical", "sending": "info", "due": ""}


@dataclass(frozen=True, slots=True)
class AnomaliesPage:
    """The list in one state, newest first."""

    now: datetime
    anomalies: list[Anomaly]
    state: str
    open_by_severity: Mapping[str, int]

    @property
    def states(self) -> tuple[tuple[str, str], ...]:
        return STATES

    def tone(self, state: str) -> str:
        """Return the badge's tone for a state."""
        return STATE_TONES.get(state, "")


@dataclass(frozen=True, slots=True)
class AnomalyPage:
    """One anomaly."""

    now: datetime
    anomaly: Anomaly
    deliveries: list[AlertDelivery]
    may_manage: bool

    @property
    def tone(self) -> str:
        return STATE_TONES.get(self.anomaly.state, "")

    def delivery_tone(self, state: str) -> str:
        """Return the badge's tone for a delivery's state."""
        return DELIVERY_TONES.get(state, "")

    @property
    def reason(self) -> str:
        """Return why the rule fired, in words, from what the evaluation recorded."""
        return str(self.anomaly.detail.get("reason", ""))

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """Return what was measured, as names and values."""
        found, detail = self.anomaly, self.anomaly.detail
        rows = [
            ("Window", _span(found.window_start, found.window_end)),
            ("Where", found.source_label or "Whole organization"),
        ]
        if found.spend_nanousd is not None:
            rows.append(("Spend in the window", filters.money(found.spend_nanousd)))
        if "baselineSpendUsd" in detail:
            usual = round(float(detail["baselineSpendUsd"]) * filters.NANOUSD_PER_USD)
            rows.append(("Usual spend", filters.money(usual)))
        if "ratio" in detail:
            rows.append(("Ratio", f"{float(detail['ratio']):.1f} ×"))
        if found.event_count is not None:
            rows.append(("Events", filters.count(found.event_count)))
        return tuple(rows)


def _span(start: datetime, end: datetime) -> str:
    """Return a span with the day written once when it holds for both ends."""
    until = end.strftime("%H:%M UTC" if start.date() == end.date() else "%Y-%m-%d %H:%M UTC")
    return f"{start.strftime('%Y-%m-%d %H:%M')} to {until}"
