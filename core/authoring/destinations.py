"""Seals the secrets of alert destinations for storage and opens them for sending. A webhook address is one."""

from typing import Any

from core.authoring.validation import url_error
from core.models import AnomalyRule
from core.secrets import Sealer
from rules import destinations as shapes
from rules.destinations import DELIVERED, Destination


def normalised(value: Any) -> tuple[list[Destination], list[str]]:
    """Return destinations in their one shape, and what is wrong with them, their addresses included."""
    found, errors = shapes.normalised(value)
    for destination in found:
        for name in DELIVERED[destination["type"]].addresses:
            wrong = url_error(destination[name])
            if wrong:
                errors.append(f"`{name}`: {wrong}")
    return found, errors


def sealed(found: list[Destination], rule_id: str, sealer: Sealer) -> list[Destination]:
    """Return destinations as they are stored with a rule: all but the type sealed."""
    return [
        {
            name: value if name == "type" else sealer.seal(value, _purpose(rule_id))
            for name, value in destination.items()
        }
        for destination in found
    ]


def opened(rule: AnomalyRule, sealer: Sealer) -> list[Destination]:
    """Return a rule's destinations in clear, for sending. Raises core.secrets.SealError."""
    return [
        {
            name: value if name == "type" else sealer.open(value, _purpose(rule.id)).reveal()
            for name, value in destination.items()
        }
        for destination in rule.destinations
    ]


def _purpose(rule_id: str) -> str:
    return f"anomaly rule:{rule_id}"
