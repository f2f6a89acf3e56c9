"""What an anomaly looks like in Slack: one attachment with a coloured edge. Does not send it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from rules.anomaly_rules import usd_words
from rules.pricing import NANOUSD_PER_USD

# Slack's own limit for one text of a block.
_TEXT_CHARACTERS = 2900
_COLOURS = {"critical": "#c0392b", "warning": "#c77700", "info": "#2f6fb3"}
_SIGNS = {
    "critical": ":red_circle:",
    "warning": ":large_orange_diamond:",
    "info": ":information_source:",
}


def body(alert: Mapping[str, Any]) -> bytes:
    """Return the body for an incoming webhook, from the alert's payload."""
    detail = alert["alert"]["detail"]
    severity = alert["severity"]
    title = f"{severity.capitalize()}: {alert['ruleName']}"
    start, end = alert["alert"]["triggerWindowStartIso"], alert["alert"]["triggerWindowEndIso"]
    rows = {
        "Severity": severity,
        "Rule": f"{alert['ruleName']} ({alert['ruleType']})",
        "Source": alert["sourceLabel"],
        "Window": f"{_minute(start)} to {_minute(end)} UTC",
        "Value": _usd(alert["alert"]["triggerSpendUsd"]),
        "Baseline": _usd(detail["baselineSpendUsd"]),
    }
    heading = f"{_SIGNS.get(severity, '')} *{_escaped(title)}*\n{_escaped(detail['reason'])}"
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": heading[:_TEXT_CHARACTERS]}},
        {"type": "section", "fields": [_field(name, value) for name, value in rows.items()]},
    ]
    if alert["url"]:
        link = f"<{alert['url']}|Open in LangWatch>"
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": link}]})
    attachment = {"color": _COLOURS.get(severity, "#777777"), "blocks": blocks}
    text = _escaped(f"{title}. {detail['reason']}")
    return orjson.dumps({"text": text, "attachments": [attachment]})


def _field(name: str, value: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": f"*{name}*\n{_escaped(value)}"[:_TEXT_CHARACTERS]}


def _usd(text: str | None) -> str:
    return "none" if text is None else usd_words(int(Decimal(text) * NANOUSD_PER_USD))


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")


def _escaped(text: str) -> str:
    """Escape the three characters that Slack reads as markup, so that a rule's name can't mention everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
