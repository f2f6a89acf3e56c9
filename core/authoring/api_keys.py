"""Mints API keys, finds them by what was presented, and revokes them. The key itself leaves here once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.authoring import bindings
from core.authoring.actor import Actor
from core.authoring.delegation import grants_beyond
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.rehashing import rehashed
from core.authoring.validation import Complaints, name_error, not_found
from core.database import connection, transaction
from core.grants import API_KEY, SERVICE_ACCOUNT, USER, person_grants, service_account_grants
from core.ids import new_api_key, new_id
from core.models import ApiKey, Member, ServiceAccount
from core.secrets import Secret, peppered_hash, peppered_hashes
from rules.keys import is_api_key
from rules.permissions import Grants, is_known, mask_of, masked

MODES = ("all", "readonly", "restricted")
OWNER_KINDS = (USER, SERVICE_ACCOUNT)
SHOWN_CHARACTERS = 12
# When a key was last used is written at most this often, so that reading stays reading.
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key as it shall be: what its owner may do, as far as ``permission_mode`` and ``scopes`` let it."""

    name: str
    owner_kind: str
    owner_id: str
    permission_mode: str = "all"
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None


def create(actor: Actor, new: NewApiKey, pepper: Secret, now: datetime) -> tuple[ApiKey, Secret]:
    """Create a key and return it with its secret, which can't be read again. Raises Refused(VALIDATION_ERROR)."""
    with change():
        complaints = _check(actor.organization_id, new, now)
        if not complaints.errors:
            complaints.add("owner", _beyond(actor, new))
        complaints.refuse_any()
        secret = Secret(new_api_key())
        row = ApiKey.create(
            id=new_id("apikey", now),
            organization_id=actor.organization_id,
            name=new.name.strip(),
            owner_kind=new.owner_kind,
            owner_id=new.owner_id,
            secret_hash=peppered_hash(pepper, secret.reveal()),
            display_prefix=secret.reveal()[:SHOWN_CHARACTERS] + "…",
            permission_mode=new.permission_mode,
            scopes=sorted(new.scopes) if new.permission_mode == "restricted" else [],
            created_by_id=actor.actor_id,
            created_at=now,
            expires_at=new.expires_at,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row, secret


def revoke(actor: Actor, key_id: str, now: datetime) -> ApiKey:
    """End a key at once and for good; calling it again changes nothing. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, key_id)
        if row.revoked_at:
            return row
        before = snapshot(row)
        row.revoked_at = now
        row.save(only=["revoked_at"])
        bindings.delete_all(actor, API_KEY, row.id, now)
        audited(actor, _target("revoked", row), now, before, snapshot(row))
    return row


def revoke_all(actor: Actor, owner_kind: str, owner_id: str, now: datetime) -> list[str]:
    """Revoke every key of an owner in this organization and return their ids."""
    with change():
        rows = ApiKey.select(ApiKey.id).where(
            ApiKey.organization_id == actor.organization_id,
            ApiKey.owner_kind == owner_kind,
            ApiKey.owner_id == owner_id,
            ApiKey.revoked_at.is_null(),
        )
        ids = [row.id for row in rows]
        for key_id in ids:
            revoke(actor, key_id, now)
    return ids


def find(organization_id: str, key_id: str) -> ApiKey:
    """Return a key of this organization, revoked ones too. Raises Refused(NOT_FOUND)."""
    row = ApiKey.get_or_none(ApiKey.id == key_id, ApiKey.organization_id == organization_id)
    if row is None:
        raise not_found("API key")
    return row


def find_by_secret(pepper: Secret, presented: str, now: datetime) -> ApiKey | None:
    """Return the key that a secret belongs to while it works. A text without its form costs no query."""
    if not is_api_key(presented):
        return None
    hashes = peppered_hashes(pepper, presented)
    with connection():
        found: ApiKey | None = ApiKey.get_or_none(
            ApiKey.secret_hash.in_(hashes), ApiKey.revoked_at.is_null()
        )
    row = None if found is None else rehashed(found, hashes)
    has_expired = row is not None and row.expires_at is not None and row.expires_at <= now
    return None if has_expired else row


def note_use(row: ApiKey, now: datetime) -> None:
    """Write when a key was last used, unless that was written a moment ago."""
    if row.last_used_at is not None and now - row.last_used_at < USE_NOTED_EVERY:
        return
    with transaction():
        ApiKey.update(last_used_at=now).where(ApiKey.id == row.id).execute()


def _check(organization_id: str, new: NewApiKey, now: datetime) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.need(
        new.permission_mode in MODES, "permission_mode", f"Choose one of {', '.join(MODES)}."
    )
    unknown = [scope for scope in new.scopes if not is_known(scope)]
    complaints.need(
        not unknown, "scopes", f"There is no permission {', '.join(unknown[:3])[:120]}."
    )
    if new.permission_mode == "restricted":
        complaints.need(bool(new.scopes), "scopes", "Choose what the key may do.")
    complaints.need(
        new.expires_at is None or new.expires_at > now, "expires_at", "Choose a date to come."
    )
    complaints.add("owner", _owner_error(organization_id, new))
    return complaints


def _owner_error(organization_id: str, new: NewApiKey) -> str:
    if new.owner_kind == USER:
        member = Member.select().where(
            Member.organization_id == organization_id,
            Member.user_id == new.owner_id,
            Member.disabled_at.is_null(),
        )
        return "" if member.exists() else "There is no such person."
    if new.owner_kind == SERVICE_ACCOUNT:
        account = ServiceAccount.select().where(
            ServiceAccount.organization_id == organization_id,
            ServiceAccount.id == new.owner_id,
            ServiceAccount.archived_at.is_null(),
        )
        return "" if account.exists() else "There is no such service account."
    return f"Choose one of {', '.join(OWNER_KINDS)}."


def _beyond(actor: Actor, new: NewApiKey) -> str:
    """Return why an actor may not have a key that acts for this owner, or an empty string."""
    if actor.grants is None:
        return ""
    if new.owner_kind == USER and new.owner_id != actor.actor_id:
        return (
            "People make their own keys: what is done with one stands in the audit log as theirs."
        )
    mask = mask_of(new.permission_mode, new.scopes)
    return grants_beyond(actor, masked(_grants_of(actor.organization_id, new), mask))


def _grants_of(organization_id: str, new: NewApiKey) -> Grants:
    if new.owner_kind == SERVICE_ACCOUNT:
        return service_account_grants(organization_id, new.owner_id)
    member = Member.get(Member.organization_id == organization_id, Member.user_id == new.owner_id)
    return person_grants(organization_id, new.owner_id, member.role)


def _target(verb: str, row: ApiKey) -> Target:
    return Target(f"api_key.{verb}", "api_key", row.id)
