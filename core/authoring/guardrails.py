"""Creates, changes and archives guardrails. Their checks run in the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.scopes import complain_of_home, home_id
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.ids import new_id
from core.models import Guardrail
from core.secrets import Sealer, SealError, Secret
from rules.guardrails.types import (
    ACTIONS,
    DIRECTIONS,
    EVALUATOR,
    ON_FAILURE,
    TYPES,
    settings_error,
)
from rules.permissions import SCOPES

SECRET_CHARACTERS = (16, 256)
_KIND = "guardrail"


@dataclass(frozen=True, slots=True)
class NewGuardrail:
    """A guardrail as it shall be. ``secret`` signs calls to an evaluator; None on update keeps the stored one.

    ``is_automatic`` gives it to every key at the scope; otherwise keys name it. ``is_operator_address`` is
    for an evaluator from a configuration file, whose address may be private.
    """

    name: str
    scope: str
    scope_id: str
    type: str
    settings: Mapping[str, Any]
    directions: tuple[str, ...]
    action: str = "block"
    on_failure: str = "fail_closed"
    is_automatic: bool = False
    enabled: bool = True
    description: str = ""
    secret: Secret | None = None
    is_operator_address: bool = False


def create(actor: Actor, new: NewGuardrail, sealer: Sealer, now: datetime) -> Guardrail:
    """Create a guardrail. Raises Refused(VALIDATION_ERROR)."""
    with change():
        complaints = _check(actor, new, own_id="")
        is_signed = new.type != EVALUATOR or new.secret is not None
        complaints.need(is_signed, "secret", "Give the secret that calls to it are signed with.")
        complaints.refuse_any()
        guardrail_id = new_id("guardrail", now)
        row = Guardrail.create(
            id=guardrail_id,
            organization_id=actor.organization_id,
            sealed_secret=_sealed(sealer, guardrail_id, new.secret),
            created_at=now,
            updated_at=now,
            **_columns(actor, new),
        )
        _record(actor, row, "created", now)
    return row


def differences(actor: Actor, row: Guardrail, wanted: NewGuardrail, sealer: Sealer) -> list[str]:
    """Return the names of the fields in which a stored guardrail differs from the wanted one."""
    columns = _columns(actor, wanted)
    fields = [name for name, value in columns.items() if getattr(row, name) != value]
    if wanted.secret is not None and not _has_secret(row, wanted.secret, sealer):
        fields.append("secret")
    return fields


def update(
    actor: Actor,
    guardrail_id: str,
    wanted: NewGuardrail,
    sealer: Sealer,
    now: datetime,
    expected: str | None = None,
) -> Guardrail:
    """Make a guardrail what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, guardrail_id)
        hold(row, expected, Target("", _KIND, row.id))
        if not differences(actor, row, wanted, sealer):
            return row
        complaints = _check(actor, wanted, own_id=row.id)
        complaints.need(
            row.type == wanted.type, "type", "A guardrail keeps its type; make another."
        )
        complaints.refuse_any()
        before = snapshot(row)
        for name, value in _columns(actor, wanted).items():
            setattr(row, name, value)
        if wanted.secret is not None:
            row.sealed_secret = _sealed(sealer, row.id, wanted.secret)
        row.updated_at = now
        row.save()
        _record(actor, row, "updated", now, before)
    return row


def archive(actor: Actor, guardrail_id: str, now: datetime) -> Guardrail:
    """End a guardrail; keys that name it go on without it. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, guardrail_id)
        before = snapshot(row)
        row.archived_at = row.updated_at = now
        row.save()
        _record(actor, row, "deleted", now, before)
    return row


def find(organization_id: str, guardrail_id: str) -> Guardrail:
    """Return a guardrail of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = Guardrail.get_or_none(
        Guardrail.id == guardrail_id,
        Guardrail.organization_id == organization_id,
        Guardrail.archived_at.is_null(),
    )
    if row is None:
        raise not_found("guardrail")
    return row


def all_of(organization_id: str) -> list[Guardrail]:
    """Return the guardrails of an organization that are not archived, oldest first."""
    query = Guardrail.select().where(
        Guardrail.organization_id == organization_id, Guardrail.archived_at.is_null()
    )
    return list(query.order_by(Guardrail.id))


def secret_of(row: Guardrail, sealer: Sealer) -> Secret | None:
    """Return what calls to an evaluator are signed with. Raises SealError."""
    if row.sealed_secret is None:
        return None
    return sealer.open(row.sealed_secret, f"guardrail:{row.id}")


def attachments_error(organization_id: str, value: Any) -> str:
    """Return what is wrong with ``{request|response|stream_chunk: [guardrail id]}``, or an empty string."""
    if not isinstance(value, dict) or not set(value) <= set(DIRECTIONS):
        return f"Give an object with some of {', '.join(DIRECTIONS)}."
    known = {row.id: row for row in all_of(organization_id)}
    for direction, ids in value.items():
        if not isinstance(ids, list) or len(set(map(str, ids))) != len(ids):
            return f"{direction} is a list of guardrails, each once."
        for guardrail_id in ids:
            row = known.get(guardrail_id)
            if row is None:
                return f"There is no guardrail {guardrail_id}."
            if direction not in row.directions:
                return f'The guardrail "{row.name}" does not look at {direction}.'
    return ""


def _columns(actor: Actor, new: NewGuardrail) -> dict[str, Any]:
    return {
        "name": new.name.strip(),
        "description": new.description,
        "scope": new.scope,
        "scope_id": home_id(actor.organization_id, new.scope, new.scope_id),
        "type": new.type,
        "settings": dict(new.settings) if isinstance(new.settings, Mapping) else new.settings,
        "directions": [name for name in DIRECTIONS if name in new.directions],
        "action": new.action,
        "on_failure": new.on_failure,
        "is_automatic": new.is_automatic,
        "is_operator_address": new.is_operator_address and new.type == EVALUATOR,
        "enabled": new.enabled,
    }


def _check(actor: Actor, new: NewGuardrail, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    for field, value, allowed in (
        ("type", new.type, tuple(TYPES)),
        ("action", new.action, ACTIONS),
        ("on_failure", new.on_failure, ON_FAILURE),
    ):
        complaints.need(value in allowed, field, f"Choose one of {', '.join(allowed)}.")
    if new.type in TYPES:
        complaints.add("settings", settings_error(new.type, new.settings))
        can_do = new.action != "redact" or TYPES[new.type].can_redact
        complaints.need(can_do, "action", "What this type finds can't be taken out of a text.")
    are_known = bool(new.directions) and set(new.directions) <= set(DIRECTIONS)
    complaints.need(are_known, "directions", f"Choose some of {', '.join(DIRECTIONS)}.")
    organization_id = actor.organization_id
    where = home_id(organization_id, new.scope, new.scope_id)
    complain_of_home(complaints, organization_id, new.scope, where, SCOPES)
    if new.secret is not None:
        least, most = SECRET_CHARACTERS
        is_right = new.type == EVALUATOR and least <= len(new.secret.reveal()) <= most
        sentence = f"Only an evaluator has a secret, of {least} to {most} characters."
        complaints.need(is_right, "secret", sentence)
    complaints.add(
        "name", taken_error(Guardrail, actor.organization_id, new.name, own_id, "guardrail")
    )
    return complaints


def _sealed(sealer: Sealer, guardrail_id: str, secret: Secret | None) -> str | None:
    return None if secret is None else sealer.seal(secret.reveal(), f"guardrail:{guardrail_id}")


def _has_secret(row: Guardrail, secret: Secret, sealer: Sealer) -> bool:
    try:
        return secret_of(row, sealer) == secret
    except SealError:
        return False


def _record(
    actor: Actor, row: Guardrail, action: str, now: datetime, before: dict[str, Any] | None = None
) -> None:
    target = Target(f"gateway.{_KIND}.{action}", _KIND, row.id)
    audited(actor, target, now, before, snapshot(row))
    announced(Change(row.organization_id, ChangeKind.GUARDRAIL_UPDATED), now)
