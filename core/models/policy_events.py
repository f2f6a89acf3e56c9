"""Writes what policy rules did to calls into the audit log, in the transaction that books the calls."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from core import audit

SURFACE = "gateway"
# fact of a call -> the action that its audit row tells of
_ACTIONS = {
    "policy_blocked": "gateway.policy.blocked",
    "policy_shadow": "gateway.policy.shadow_hit",
}


def audit_policies(
    settled: Iterable[tuple[Mapping[str, Any], Mapping[str, Any] | None]], now: datetime
) -> None:
    """Write one row for each call that rules blocked, and one for each that rules in shadow mode would have.

    ``settled`` are ledger rows with the facts of their calls. The actor is the person whose key was used,
    or the key.
    """
    for row, facts in settled:
        if not facts:
            continue
        for fact, action in _ACTIONS.items():
            findings = facts.get(fact)
            if findings:
                audit.append(_entry(row, action, findings), now)


def _entry(row: Mapping[str, Any], action: str, findings: Any) -> audit.Entry:
    return audit.Entry(
        organization_id=row["organization_id"],
        actor_id=row["principal_user_id"] or row["virtual_key_id"],
        action=action,
        target_kind="virtual_key",
        target_id=row["virtual_key_id"],
        surface=SURFACE,
        after={
            "request_id": row["call_id"],
            "request_type": row["request_type"],
            "model": row["model"] or row["requested_model"],
            "findings": findings,
        },
    )
