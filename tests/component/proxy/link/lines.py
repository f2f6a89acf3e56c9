"""Spool lines for tests: the records of one call, as the pipeline writes them."""

import json
from typing import Any


def admission(call_id: str, estimate: int = 100, charges: Any = ()) -> bytes:
    """An ``admitSpend`` line."""
    payload = {"call_id": call_id, "estimate_nanousd": estimate, "charges": list(charges)}
    payload |= {"model": "gpt-test", "price_source": "test"}
    return json.dumps({"command": "admitSpend", "payload": payload}).encode()


def settlement(call_id: str, cost: int = 100, charges: Any = (), owner: str = "worker-a") -> bytes:
    """A ``confirmSpend`` line."""
    payload = {"call_id": call_id, "outcome": "completed", "cost_nanousd": cost}
    payload |= {"charges": list(charges), "owner": owner}
    return json.dumps({"command": "confirmSpend", "payload": payload}).encode()
