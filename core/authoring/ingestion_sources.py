"""Creates ingestion sources and changes them. The secret leaves here once; what is stored is its hash."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.authoring.actor import Actor
from core.authoring.governance_project import ensure_governance_project
from core.authoring.names import taken_error
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.rehashing import rehashed
from core.authoring.scopes import scope_error
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.authoring.versions import hold
from core.database import connection
from core.ids import new_id, new_ingestion_secret
from core.models import IngestionSource
from core.secrets import Secret, peppered_hash, peppered_hashes
from rules.keys import is_ingestion_secret
from rules.source_types import CREATABLE, settings_errors

ROTATION_GRACE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source as it shall be. Without a team its activity counts for the whole organization."""

    type: str
    name: str
    description: str = ""
    team_id: str | None = None
    parser_config: Mapping[str, Any] = field(default_factory=dict)


def create(
    actor: Actor, new: NewSource, pepper: Secret, now: datetime, secret: Secret | None = None
) -> tuple[IngestionSource, Secret]:
    """Create a source and return it with its secret, which can't be read again. Raises Refused.

    ``secret`` is for sources whose secret the operator brings along, in the form of one of ours.
    """
    with change():
        complaints = _check(actor.organization_id, new, own_id="")
        secret, hashed = _usable(secret, pepper, complaints)
        complaints.refuse_any()
        row = IngestionSource.create(
            id=new_id("src", now),
            organization_id=actor.organization_id,
            type=new.type,
            secret_hash=hashed,
            created_by_id=actor.actor_id,
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        target = Target("governance.ingestion_source.created", "ingestion_source", row.id)
        audited(actor, target, now, after=snapshot(row))
        ensure_governance_project(actor, now)
    return row, secret


def differences(row: IngestionSource, wanted: NewSource) -> list[str]:
    """Return the names of the fields in which a stored source differs from the wanted one."""
    columns = _columns(wanted) | {"type": wanted.type}
    return [name for name, value in columns.items() if getattr(row, name) != value]


def update(
    actor: Actor, source_id: str, wanted: NewSource, now: datetime, expected: str | None = None
) -> IngestionSource:
    """Make a source what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, source_id)
        hold(row, expected, Target("", "ingestion_source", row.id))
        if not differences(row, wanted):
            return row
        complaints = _check(actor.organization_id, wanted, own_id=row.id)
        complaints.need(row.type == wanted.type, "type", "The type cannot be changed.")
        complaints.refuse_any()
        return _changed(actor, row, "updated", now, **_columns(wanted))


def rotate(
    actor: Actor, source_id: str, pepper: Secret, now: datetime, secret: Secret | None = None
) -> tuple[IngestionSource, Secret]:
    """Give a source a new secret; the one before it is taken for 24 hours more. Raises Refused."""
    with change():
        row = find(actor.organization_id, source_id)
        complaints = Complaints()
        secret, hashed = _usable(secret, pepper, complaints)
        complaints.refuse_any()
        row = _changed(
            actor,
            row,
            "secret_rotated",
            now,
            secret_hash=hashed,
            previous_secret_hash=row.secret_hash,
            previous_valid_until=now + ROTATION_GRACE,
        )
    return row, secret


def archive(actor: Actor, source_id: str, now: datetime) -> IngestionSource:
    """End a source: it takes nothing from then on, its events stay. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, source_id)
        return _changed(actor, row, "archived", now, status="disabled", archived_at=now)


def find(organization_id: str, source_id: str) -> IngestionSource:
    """Return a source of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = IngestionSource.get_or_none(
        IngestionSource.id == source_id,
        IngestionSource.organization_id == organization_id,
        IngestionSource.archived_at.is_null(),
    )
    if row is None:
        raise not_found("ingestion source")
    return row


def find_by_secret(pepper: Secret, secret: str, now: datetime) -> IngestionSource | None:
    """Return the source that a secret opens: not archived, not disabled.

    The secret before a rotation counts while its grace lasts. A text without the form of a source's
    secret is answered without a query.
    """
    if not is_ingestion_secret(secret):
        return None
    hashes = peppered_hashes(pepper, secret)
    is_previous = IngestionSource.previous_secret_hash.in_(hashes) & (
        IngestionSource.previous_valid_until > now
    )
    with connection():
        row: IngestionSource | None = IngestionSource.get_or_none(
            IngestionSource.secret_hash.in_(hashes) | is_previous,
            IngestionSource.archived_at.is_null(),
            IngestionSource.status != "disabled",
        )
    return None if row is None else rehashed(row, hashes)


def _columns(new: NewSource) -> dict[str, Any]:
    return {
        "name": new.name.strip(),
        "description": new.description,
        "team_id": new.team_id,
        "parser_config": dict(new.parser_config),
    }


def _usable(secret: Secret | None, pepper: Secret, complaints: Complaints) -> tuple[Secret, str]:
    """Return the secret to use and its hash; complain about one that was brought along and is not right."""
    given = secret or Secret(new_ingestion_secret())
    form = "A source's secret is lw_is_ followed by 20 to 128 letters, digits, - or _."
    complaints.need(is_ingestion_secret(given.reveal()), "secret", form)
    hashed = peppered_hash(pepper, given.reveal())
    hashes = peppered_hashes(pepper, given.reveal())
    used = IngestionSource.secret_hash.in_(hashes) | IngestionSource.previous_secret_hash.in_(
        hashes
    )
    is_new = not IngestionSource.select().where(used).exists()
    complaints.need(is_new, "secret", "This secret belongs or belonged to a source already.")
    return given, hashed


def _changed(
    actor: Actor, row: IngestionSource, action: str, now: datetime, **values: Any
) -> IngestionSource:
    before = snapshot(row)
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = now
    # The receivers write status and last_event_at beside this; only what changed here is saved.
    row.save(only=[*values, "updated_at"])
    target = Target(f"governance.ingestion_source.{action}", "ingestion_source", row.id)
    audited(actor, target, now, before, snapshot(row))
    return row


def _check(organization_id: str, new: NewSource, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    if new.type in CREATABLE:
        complaints.add("parser_config", " ".join(settings_errors(new.type, new.parser_config)))
    else:
        complaints.add("type", f"Choose one of {', '.join(CREATABLE)}.")
    if new.team_id is not None:
        complaints.add("team_id", scope_error(organization_id, "team", new.team_id))
    complaints.add(
        "name", taken_error(IngestionSource, organization_id, new.name, own_id, "source")
    )
    return complaints
