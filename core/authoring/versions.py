"""Two administrators at one thing: whoever saves second is told what changed, and nothing is lost.

A form carries the version its values came from; the change that it asks for names that version. Rows count
their own changes in ``revision``, or say when they changed in ``updated_at``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring.record import Target
from core.clock import EPOCH
from core.database import Model, connection
from core.fault import Fault, Refused
from core.models import AuditRow, User

STALE = "It was changed since you opened it."
# What every change touches and no reader asks about.
_SILENT = frozenset({"revision", "updated_at"})


@dataclass(frozen=True, slots=True)
class Changed:
    """One change made meanwhile: the field, both values, who and when."""

    field: str
    before: Any
    after: Any
    by: str
    at: datetime


def version_of(row: Model) -> str:
    """Return what a form carries to say which state of a row it shows."""
    revision = getattr(row, "revision", None)
    return str(revision) if revision is not None else _moment(getattr(row, "updated_at"))  # noqa: B009


def hold(row: Model, expected: str | None, target: Target) -> None:
    """Raise Refused(CONFLICT, changes=…) when a row is no longer at the expected version; None expects nothing.

    Call it in the transaction of the change, after the row was read.
    """
    if expected is None or expected == version_of(row):
        return
    # An organization is its own tenant.
    organization_id = str(getattr(row, "organization_id", target.id))
    changes = changes_since(organization_id, target, expected)
    raise Refused(Fault.CONFLICT, STALE, changes=changes, version=version_of(row))


def changes_since(organization_id: str, target: Target, version: str) -> list[Changed]:
    """Return what the audit log has on a thing since a version, newest first, a line a field."""
    with connection():
        rows = (
            AuditRow.select(AuditRow, User.name.alias("who"))
            .left_outer_join(User, on=(User.id == AuditRow.actor_id))
            .where(
                AuditRow.organization_id == organization_id,
                AuditRow.target_kind == target.kind,
                AuditRow.target_id == target.id,
            )
            .order_by(AuditRow.id.desc())
            .objects()
        )
        found: dict[str, Changed] = {}
        for row in rows.iterator():
            before, after = row.before or {}, row.after or {}
            if not before:
                break
            for field in sorted(before.keys() | after.keys()):
                if field in _SILENT or before.get(field) == after.get(field):
                    continue
                newest = found.get(field)
                found[field] = Changed(
                    field,
                    before.get(field),
                    newest.after if newest else after.get(field),
                    newest.by if newest else row.who or row.actor_id,
                    newest.at if newest else row.created_at,
                )
            if _recorded(before) == version:
                break
    return list(found.values())


def _recorded(values: dict[str, Any]) -> str:
    if "revision" in values:
        return str(values["revision"])
    at = values.get("updated_at")
    return _moment(datetime.fromisoformat(at)) if isinstance(at, str) else ""


def _moment(at: datetime) -> str:
    # The audit log keeps milliseconds, so no more than that tells two versions apart.
    return str(int((at - EPOCH).total_seconds() * 1000))
