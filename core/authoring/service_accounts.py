"""Creates and changes service accounts: identities of programs, which act through API keys of their own."""

from dataclasses import dataclass
from datetime import datetime

from core.authoring import api_keys, bindings, versions
from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, description_error, name_error, not_found
from core.grants import SERVICE_ACCOUNT
from core.ids import new_id
from core.models import ServiceAccount


@dataclass(frozen=True, slots=True)
class NewServiceAccount:
    """A service account as it shall be."""

    name: str
    description: str = ""


def create(actor: Actor, new: NewServiceAccount, now: datetime) -> ServiceAccount:
    """Create a service account; it may do nothing until it is given a role. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, own_id="").refuse_any()
        row = ServiceAccount.create(
            id=new_id("svc", now),
            organization_id=actor.organization_id,
            name=new.name.strip(),
            description=new.description,
            created_at=now,
            updated_at=now,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


def update(
    actor: Actor,
    account_id: str,
    wanted: NewServiceAccount,
    now: datetime,
    version: str | None = None,
) -> ServiceAccount:
    """Make a service account what is wanted. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, account_id)
        versions.hold(row, version, _target("updated", row))
        name = wanted.name.strip()
        if (row.name, row.description) == (name, wanted.description):
            return row
        _check(actor, wanted, own_id=row.id).refuse_any()
        _changed(actor, row, "updated", now, name=name, description=wanted.description)
    return row


def set_enabled(actor: Actor, account_id: str, is_enabled: bool, now: datetime) -> ServiceAccount:
    """Let an account's keys work, or refuse them while it is off. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, account_id)
        if (row.disabled_at is None) is not is_enabled:
            verb, at = ("enabled", None) if is_enabled else ("disabled", now)
            _changed(actor, row, verb, now, disabled_at=at)
    return row


def archive(actor: Actor, account_id: str, now: datetime) -> ServiceAccount:
    """End an account for good: its API keys are revoked and its roles taken away. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, account_id)
        api_keys.revoke_all(actor, SERVICE_ACCOUNT, row.id, now)
        bindings.delete_all(actor, SERVICE_ACCOUNT, row.id, now)
        _changed(actor, row, "archived", now, archived_at=now)
    return row


def find(organization_id: str, account_id: str) -> ServiceAccount:
    """Return a service account of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = ServiceAccount.get_or_none(
        ServiceAccount.id == account_id,
        ServiceAccount.organization_id == organization_id,
        ServiceAccount.archived_at.is_null(),
    )
    if row is None:
        raise not_found("service account")
    return row


def _changed(actor: Actor, row: ServiceAccount, verb: str, now: datetime, **values: object) -> None:
    before = snapshot(row)
    for field, value in values.items():
        setattr(row, field, value)
    row.revision += 1
    row.updated_at = now
    row.save()
    audited(actor, _target(verb, row), now, before, snapshot(row))


def _check(actor: Actor, new: NewServiceAccount, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    complaints.add(
        "name",
        taken_error(ServiceAccount, actor.organization_id, new.name, own_id, "service account"),
    )
    return complaints


def _target(verb: str, row: ServiceAccount) -> Target:
    return Target(f"service_account.{verb}", "service_account", row.id)
