"""Finishes erasures: takes a person's address and name out of the lake, and free texts out of the ledger's facts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from core.database import connection, transaction
from core.lake import LakeWriter
from core.models import Erasure, InboxRow, LedgerRow

BATCH_ROWS = 500
PERSONAL_FACTS = frozenset({"end_user", "metadata", "thread_id"})
"""What callers write about whom they call for; amounts and verdicts stay."""


def erase_waiting(
    writer: LakeWriter, now: datetime, is_stopping: Callable[[], bool] = bool
) -> dict[str, int]:
    """Finish every erasure that waits; one that comes before its person's last events waits for the inbox."""
    with connection():
        waiting = list(Erasure.select().where(Erasure.finished_at.is_null()))
    done: dict[str, int] = {}
    for row in waiting:
        if is_stopping() or _has_earlier_events(row):
            continue
        calls = _clear_facts(row)
        events = _clear_lake(writer, row)
        with transaction():
            Erasure.update(finished_at=now, email="", name="").where(Erasure.id == row.id).execute()
        for name, count in (("people", 1), ("calls", calls), ("events", events)):
            done[name] = done.get(name, 0) + count
    if done:
        writer.flush()
        writer.rewrite()
    return done


def _has_earlier_events(row: Erasure) -> bool:
    with connection():
        return bool(InboxRow.select().where(InboxRow.received_at <= row.requested_at).exists())


def _clear_lake(writer: LakeWriter, row: Erasure) -> int:
    told = {
        "organization_id": row.organization_id,
        "user_id": row.user_id,
        "email": row.email.lower(),
        "full_name": (row.name or row.email).lower(),
        "pseudonym": row.pseudonym,
    }
    same = ("organization_id", "pseudonym")
    events = writer.change("erase_events", **told)
    mentions = {name: told[name] for name in same} | {"pattern": re.escape(row.email)}
    writer.change("erase_mentions", **mentions)
    writer.change("erase_sums", **{n: v for n, v in told.items() if n != "user_id"})
    return events


def _clear_facts(row: Erasure) -> int:
    """Clear the ledger's facts in batches; amounts stay, under the person's id."""
    cleared, last = 0, ""
    while True:
        with transaction():
            query: Any = (
                LedgerRow.select(LedgerRow.call_id, LedgerRow.facts)
                .where(
                    LedgerRow.principal_user_id == row.user_id,
                    LedgerRow.organization_id == row.organization_id,
                    LedgerRow.facts.is_null(False),
                    LedgerRow.call_id > last,
                )
                .order_by(LedgerRow.call_id)
                .limit(BATCH_ROWS)
            )
            rows = list(query)
            for each in rows:
                if PERSONAL_FACTS & (each.facts or {}).keys():
                    facts = {n: v for n, v in each.facts.items() if n not in PERSONAL_FACTS}
                    LedgerRow.update(facts=facts).where(LedgerRow.call_id == each.call_id).execute()
                    cleared += 1
        if len(rows) < BATCH_ROWS:
            return cleared
        last = rows[-1].call_id
