"""One change as one transaction: the entity, its audit row and its line in the change feed, or nothing."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core import audit, changes
from core.authoring.actor import Actor
from core.changes import Change, serialise_changes
from core.clock import isoformat
from core.database import Model, transaction

# What an audit row must not hold: hashes and sealed texts are no use to a reader and some to an attacker.
_HIDDEN = ("hash", "sealed", "password", "token")


@dataclass(frozen=True, slots=True)
class Target:
    """What an audit row is about: the action's code, the kind of thing and its id."""

    action: str
    kind: str
    id: str


@contextmanager
def change() -> Iterator[None]:
    """Run a block as one write transaction, one administrative writer at a time on either database.

    So a name that was free when it was looked at is still free when the row is written.
    """
    with transaction():
        serialise_changes()
        yield


def audited(
    actor: Actor,
    target: Target,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write the audit row of a change, in its transaction."""
    entry = audit.Entry(
        organization_id=actor.organization_id,
        actor_id=actor.actor_id,
        action=target.action,
        target_kind=target.kind,
        target_id=target.id,
        surface=actor.surface,
        before=before,
        after=after,
        ip_address=actor.ip_address,
    )
    audit.append(entry, now)


def announced(event: Change, now: datetime) -> None:
    """Tell the gateways of a change, in its transaction."""
    changes.append(event, now)


def snapshot(row: Model, hidden: Collection[str] = ()) -> dict[str, Any]:
    """Return a row as a JSON object for the audit log, without hashes, sealed texts and ``hidden`` fields."""
    values: dict[str, Any] = {}
    for name, value in row.__data__.items():
        if name in hidden or any(word in name for word in _HIDDEN):
            continue
        values[name] = isoformat(value) if isinstance(value, datetime) else value
    return values
