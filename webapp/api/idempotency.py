"""Creates that may be repeated: the first answer under a key is kept for a day and given again.

The change and its answer are written in one transaction, so there is no moment at which one exists without the
other, and of two requests at once the second waits and then gets the first one's answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.changes import serialise_changes
from core.database import transaction
from core.fault import Fault, Refused
from core.models import IdempotencyKey
from core.sealing import answer_purpose
from core.secrets import Sealer

KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{8,255}")
_FORM = "An Idempotency-Key is 8 to 255 visible ASCII characters."


@dataclass(frozen=True, slots=True)
class Once:
    """One create as it was asked for."""

    organization_id: str
    caller_id: str
    key: str
    fingerprint: str

    @classmethod
    def of(
        cls, organization_id: str, caller_id: str, key: str, request: tuple[str, str, bytes]
    ) -> Once:
        """Return the create that a key and a request (method, path, body) name. Raises Refused."""
        if not _KEY.fullmatch(key):
            raise Refused(Fault.BAD_REQUEST, _FORM)
        method, path, body = request
        digest = hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()
        return cls(organization_id, caller_id, key, digest)


def answered_once(
    once: Once, make: Callable[[], tuple[int, bytes]], sealer: Sealer, now: datetime
) -> tuple[int, bytes, bool]:
    """Return status and body of a create, and whether it was a repetition. Raises Refused(IDEMPOTENCY_ERROR).

    A create that is refused leaves nothing behind and may be tried again under the same key.
    """
    with transaction():
        serialise_changes()
        is_old = IdempotencyKey.created_at < now - KEPT
        IdempotencyKey.delete().where(is_old).execute()  # type: ignore[misc]
        row = IdempotencyKey.get_or_none(
            IdempotencyKey.organization_id == once.organization_id,
            IdempotencyKey.caller_id == once.caller_id,
            IdempotencyKey.key == once.key,
        )
        if row is not None:
            return _repeated(row, once, sealer)
        status, body = make()
        IdempotencyKey.create(
            organization_id=once.organization_id,
            caller_id=once.caller_id,
            key=once.key,
            fingerprint=once.fingerprint,
            status=status,
            sealed_answer=sealer.seal(body.decode(), answer_purpose(once.caller_id, once.key)),
            created_at=now,
        )
    return status, body, False


def _repeated(row: IdempotencyKey, once: Once, sealer: Sealer) -> tuple[int, bytes, bool]:
    if row.fingerprint != once.fingerprint:
        raise Refused(
            Fault.IDEMPOTENCY_ERROR,
            "This Idempotency-Key was used for another request within the last 24 hours.",
            reason="mismatch",
        )
    opened = sealer.open(row.sealed_answer, answer_purpose(row.caller_id, row.key))
    return row.status, opened.reveal().encode(), True
