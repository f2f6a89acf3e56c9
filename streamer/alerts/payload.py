"""The one payload that every channel starts from: an anomaly in the words of the product's webhook contract."""

from decimal import Decimal
from typing import Any

from core.clock import isoformat
from core.models import Anomaly
from rules.pricing import NANOUSD_PER_USD


def alert_payload(anomaly: Anomaly, web_url: str) -> dict[str, Any]:
    """Return the payload; ``url`` is the anomaly's page, empty when nobody knows the web app's address."""
    detail = {k: v for k, v in anomaly.detail.items() if k not in _OURS}
    return {
        "type": "anomaly_alert",
        "ruleId": anomaly.rule_id,
        "ruleName": anomaly.rule_name,
        "ruleType": anomaly.rule_type,
        "severity": anomaly.severity,
        "organizationId": anomaly.organization_id,
        "scope": detail.get("scope", ""),
        "scopeId": detail.get("scopeId", ""),
        "sourceLabel": anomaly.source_label,
        "url": f"{web_url}/governance/anomalies/{anomaly.id}" if web_url else "",
        "alert": {
            "id": anomaly.id,
            "triggerWindowStartIso": isoformat(anomaly.window_start),
            "triggerWindowEndIso": isoformat(anomaly.window_end),
            "triggerSpendUsd": usd_text(anomaly.spend_nanousd),
            "triggerEventCount": anomaly.event_count,
            "detail": detail,
            "detectedAtIso": isoformat(anomaly.detected_at),
        },
    }


# What we keep in an anomaly's detail for our own pages, not for the other side.
_OURS = ("dispatch", "destinationStatus", "payload", "quietEvaluations")


def usd_text(nanousd: int | None) -> str | None:
    """Return an amount as a decimal string of US dollars with six places."""
    return None if nanousd is None else f"{Decimal(nanousd) / NANOUSD_PER_USD:.6f}"
