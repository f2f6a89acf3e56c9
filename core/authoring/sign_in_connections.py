"""Creates and changes connections to companies' OpenID providers. Signing people in is ``federated``'s work."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from core.authoring import versions
from core.authoring.actor import Actor
from core.authoring.delegation import refuse_partial
from core.authoring.names import taken_error
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, origin_of, url_error
from core.database import connection
from core.ids import new_id
from core.models import ExternalIdentity, SignInConnection
from core.secrets import Sealer, Secret
from rules.permissions import ROLES

MOST_DOMAINS = 50
MOST_MAPPINGS = 200
_WHY_ALL = "who sets up how people sign in may sign in as anybody."
DEFAULT_SCOPES = "openid email profile"
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


@dataclass(frozen=True, slots=True)
class NewConnection:
    """A connection as it shall be; without a secret an update keeps the one there is.

    ``group_roles`` are pairs of a group's name and a role; ``is_operator_address`` lets the issuer be private.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: Secret | None = None
    scopes: str = DEFAULT_SCOPES
    domains: tuple[str, ...] = ()
    is_forced: bool = False
    default_role: str = "member"
    groups_claim: str = "groups"
    group_roles: tuple[tuple[str, str], ...] = ()
    syncs_groups: bool = False
    is_enabled: bool = True
    is_operator_address: bool = False


def create(actor: Actor, new: NewConnection, sealer: Sealer, now: datetime) -> SignInConnection:
    """Create a connection. Raises Refused(VALIDATION_ERROR)."""
    refuse_partial(actor, _WHY_ALL)
    with change():
        _check(actor, new, own_id="").refuse_any()
        row_id = new_id("sso", now)
        row = SignInConnection.create(
            id=row_id,
            organization_id=actor.organization_id,
            sealed_client_secret=_sealed(new.client_secret, sealer, row_id),
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


def update(
    actor: Actor,
    connection_id: str,
    wanted: NewConnection,
    sealer: Sealer,
    now: datetime,
    version: str | None = None,
) -> SignInConnection:
    """Make a connection what is wanted. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, connection_id)
        refuse_partial(actor, _WHY_ALL)
        versions.hold(row, version, _target("updated", row))
        if not differences(row, wanted, sealer):
            return row
        complaints = _check(actor, wanted, own_id=row.id)
        # Otherwise whoever may change a connection could have its secret sent to a server of their own.
        stays = origin_of(wanted.issuer) == origin_of(row.issuer) or not row.sealed_client_secret
        is_safe = stays or wanted.client_secret is not None
        complaints.need(
            is_safe, "client_secret", "Enter the secret again, since the issuer changes."
        )
        complaints.refuse_any()
        before, issuer = snapshot(row), row.issuer
        for field, value in _columns(wanted).items():
            setattr(row, field, value)
        if wanted.client_secret is not None:
            row.sealed_client_secret = _sealed(wanted.client_secret, sealer, row.id)
        row.revision += 1
        row.updated_at = now
        row.save()
        if row.issuer != issuer:
            # Another provider may call somebody else what the one before called this person.
            known = ExternalIdentity.connection_id == row.id
            ExternalIdentity.delete().where(known).execute()  # type: ignore[misc]
        audited(actor, _target("updated", row), now, before, snapshot(row))
    return row


def differences(row: SignInConnection, wanted: NewConnection, sealer: Sealer) -> list[str]:
    """Return the names of the fields in which a stored connection differs from the wanted one."""
    found = [name for name, value in _columns(wanted).items() if getattr(row, name) != value]
    has_other_secret = wanted.client_secret is not None and wanted.client_secret != secret_of(
        row, sealer
    )
    return [*found, "client_secret"] if has_other_secret else found


def archive(actor: Actor, connection_id: str, now: datetime) -> SignInConnection:
    """End a connection; its people sign in with a password or another one. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, connection_id)
        before = snapshot(row)
        row.archived_at, row.is_enabled = now, False
        row.revision += 1
        row.save()
        audited(actor, _target("archived", row), now, before, snapshot(row))
    return row


def find(organization_id: str, connection_id: str) -> SignInConnection:
    """Return a connection of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = find_enabled_or_not(connection_id)
    if row is None or row.organization_id != organization_id:
        raise not_found("connection")
    return row


def find_enabled_or_not(connection_id: str) -> SignInConnection | None:
    """Return a connection of any organization that is not archived."""
    row: SignInConnection | None = SignInConnection.get_or_none(
        SignInConnection.id == connection_id, SignInConnection.archived_at.is_null()
    )
    return row


def enabled(organization_id: str | None = None) -> list[SignInConnection]:
    """Return the connections people may sign in through, by name; of one organization or of all."""
    with connection():
        rows = SignInConnection.select().where(
            SignInConnection.is_enabled == True,  # noqa: E712 - a column, not a boolean
            SignInConnection.archived_at.is_null(),
        )
        if organization_id is not None:
            rows = rows.where(SignInConnection.organization_id == organization_id)
        return list(rows.order_by(SignInConnection.name))


def for_address(email: str) -> SignInConnection | None:
    """Return the connection that vouches for an address by its domain."""
    domain = domain_of(email)
    return next((row for row in enabled() if domain and domain in row.domains), None)


def is_forced_for(email: str) -> bool:
    """Say whether an address may sign in through its company alone, and not with a password."""
    row = for_address(email)
    return row is not None and row.is_forced


def domain_of(email: str) -> str:
    """Return the domain of an address in lower case, or an empty string."""
    return email.strip().lower().rpartition("@")[2] if "@" in email else ""


def secret_of(row: SignInConnection, sealer: Sealer) -> Secret | None:
    """Return a connection's client secret, opened. Raises SealError."""
    if row.sealed_client_secret is None:
        return None
    return sealer.open(row.sealed_client_secret, _purpose(row.id))


def _sealed(secret: Secret | None, sealer: Sealer, row_id: str) -> str | None:
    return None if secret is None else sealer.seal(secret.reveal(), _purpose(row_id))


def _purpose(row_id: str) -> str:
    return f"sign-in connection:{row_id}"


def _columns(new: NewConnection) -> dict[str, Any]:
    values = {field.name: getattr(new, field.name) for field in fields(new)}
    del values["client_secret"]
    return values | {
        "name": new.name.strip(),
        "issuer": new.issuer.strip().rstrip("/"),
        "client_id": new.client_id.strip(),
        "scopes": " ".join(new.scopes.split()),
        "domains": sorted({domain.strip().lower() for domain in new.domains if domain.strip()}),
        "group_roles": [{"group": group, "role": role} for group, role in new.group_roles],
    }


def _check(actor: Actor, new: NewConnection, own_id: str) -> Complaints:
    complaints = Complaints()
    values: Mapping[str, Any] = _columns(new)
    complaints.add("name", name_error(new.name))
    complaints.add("issuer", url_error(values["issuer"]))
    is_safe = values["issuer"].startswith("https://") or new.is_operator_address
    complaints.need(is_safe, "issuer", "Start the address with https://.")
    complaints.need(0 < len(values["client_id"]) <= 500, "client_id", "Name the client.")
    complaints.need("openid" in values["scopes"].split(), "scopes", "The scopes must hold openid.")
    complaints.need(new.default_role in ROLES, "default_role", f"Choose one of {', '.join(ROLES)}.")
    complaints.need(0 < len(new.groups_claim) <= 100, "groups_claim", "Name the claim.")
    complaints.add("domains", _domains_error(values["domains"], new.is_forced, own_id))
    complaints.add("group_roles", _mappings_error(new.group_roles))
    complaints.add(
        "name",
        taken_error(SignInConnection, actor.organization_id, values["name"], own_id, "connection"),
    )
    return complaints


def _domains_error(domains: list[str], is_forced: bool, own_id: str) -> str:
    if len(domains) > MOST_DOMAINS:
        return f"Name at most {MOST_DOMAINS} domains."
    wrong = [domain for domain in domains if not _DOMAIN.fullmatch(domain)]
    if wrong:
        return f"{wrong[0][:60]} is not a domain such as acme.com."
    if is_forced and not domains:
        return "Name the domains whose people must sign in this way."
    others = [row for row in enabled() if row.id != own_id]
    taken = next((d for row in others for d in row.domains if d in domains), "")
    return f"Another connection vouches for {taken} already." if taken else ""


def _mappings_error(mappings: tuple[tuple[str, str], ...]) -> str:
    if len(mappings) > MOST_MAPPINGS:
        return f"Name at most {MOST_MAPPINGS} groups."
    if any(not group or len(group) > 200 for group, _ in mappings):
        return "Write each line as a group, an equals sign and a role."
    wrong = next((role for _, role in mappings if role not in ROLES), "")
    return f"{wrong[:40]} is not one of {', '.join(ROLES)}." if wrong else ""


def _target(verb: str, row: SignInConnection) -> Target:
    return Target(f"sign_in_connection.{verb}", "sign_in_connection", row.id)
