"""Creates and changes providers. Credentials are sealed here and opened where the gateway is told of them."""

from dataclasses import dataclass
from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, url_error
from core.changes import Change, ChangeKind
from core.ids import new_id
from core.models import Provider
from core.secrets import Sealer, SealError, Secret

SANDBOX = "sandbox"
SANDBOX_URL = "sandbox://"
TYPES = ("openai", "anthropic", "custom", SANDBOX)


@dataclass(frozen=True, slots=True)
class NewProvider:
    """An upstream account as it shall be. ``credential`` None on update keeps the one that is stored.

    ``is_operator_address`` is for addresses from a configuration file, which may be private.
    """

    name: str
    type: str
    base_url: str
    credential: Secret | None = None
    is_operator_address: bool = False


def create(actor: Actor, new: NewProvider, sealer: Sealer, now: datetime) -> Provider:
    """Create a provider. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, None)
        provider_id = new_id("provider", now)
        row = Provider.create(
            id=provider_id,
            organization_id=actor.organization_id,
            name=new.name.strip(),
            type=new.type,
            base_url=_canonical(new),
            sealed_credential=_sealed(sealer, provider_id, new.credential),
            is_operator_address=new.is_operator_address,
            created_at=now,
            updated_at=now,
        )
        target = Target("gateway.provider.created", "provider", row.id)
        audited(actor, target, now, after=snapshot(row))
        _announce(row, now)
    return row


def differences(row: Provider, wanted: NewProvider, sealer: Sealer) -> list[str]:
    """Return the names of the fields in which a stored provider differs from the wanted one."""
    pairs = {
        "name": (row.name, wanted.name.strip()),
        "type": (row.type, wanted.type),
        "base_url": (row.base_url, _canonical(wanted)),
        "is_operator_address": (row.is_operator_address, wanted.is_operator_address),
    }
    fields = [field for field, (now, then) in pairs.items() if now != then]
    if wanted.credential is not None and not _has_credential(row, wanted.credential, sealer):
        fields.append("credential")
    return fields


def update(
    actor: Actor, provider_id: str, wanted: NewProvider, sealer: Sealer, now: datetime
) -> Provider:
    """Make a provider what is wanted; nothing is written when nothing differs. Raises Refused."""
    with change():
        row = find(actor.organization_id, provider_id)
        if not differences(row, wanted, sealer):
            return row
        _check(actor, wanted, row)
        before = snapshot(row)
        row.name, row.base_url = wanted.name.strip(), _canonical(wanted)
        row.is_operator_address = wanted.is_operator_address
        if wanted.credential is not None:
            row.sealed_credential = _sealed(sealer, row.id, wanted.credential)
        row.updated_at = now
        row.save()
        target = Target("gateway.provider.updated", "provider", row.id)
        audited(actor, target, now, before, snapshot(row))
        _announce(row, now)
    return row


def credential_of(row: Provider, sealer: Sealer) -> Secret | None:
    """Return the opened credential, None when there is none. Raises SealError for another master key's."""
    if row.sealed_credential is None:
        return None
    return sealer.open(row.sealed_credential, _purpose(row.id))


def find(organization_id: str, provider_id: str) -> Provider:
    """Return a provider of this organisation that is not archived. Raises Refused(NOT_FOUND)."""
    row = Provider.get_or_none(
        Provider.id == provider_id,
        Provider.organization_id == organization_id,
        Provider.archived_at.is_null(),
    )
    if row is None:
        raise not_found("provider")
    return row


def _check(actor: Actor, new: NewProvider, own: Provider | None) -> None:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.need(new.type in TYPES, "type", f"Choose one of {', '.join(TYPES)}.")
    complaints.need(own is None or own.type == new.type, "type", "The type cannot be changed.")
    if new.type == SANDBOX:
        complaints.need(new.base_url == SANDBOX_URL, "base_url", "The sandbox has no address.")
    else:
        complaints.add("base_url", url_error(new.base_url) or _query_error(new.base_url))
    if new.credential is not None:
        text = new.credential.reveal()
        is_right = bool(text) and text.isascii() and text.isprintable() and " " not in text
        complaints.need(is_right, "credential", "The key is empty or holds odd characters.")
    taken = Provider.select().where(
        Provider.organization_id == actor.organization_id,
        Provider.name == new.name.strip(),
        Provider.archived_at.is_null(),
        Provider.id != (own.id if own else ""),
    )
    complaints.need(not taken.exists(), "name", "Another provider has this name.")
    complaints.refuse_any()


def _has_credential(row: Provider, credential: Secret, sealer: Sealer) -> bool:
    try:
        return credential_of(row, sealer) == credential
    except SealError:
        return False


def _query_error(url: str) -> str:
    return "Leave out the part after ?." if "?" in url else ""


def _canonical(new: NewProvider) -> str:
    return new.base_url if new.type == SANDBOX else new.base_url.rstrip("/")


def _sealed(sealer: Sealer, provider_id: str, credential: Secret | None) -> str | None:
    return None if credential is None else sealer.seal(credential.reveal(), _purpose(provider_id))


def _purpose(provider_id: str) -> str:
    return f"provider:{provider_id}"


def _announce(row: Provider, now: datetime) -> None:
    event = Change(row.organization_id, ChangeKind.PROVIDER_UPDATED, provider_id=row.id)
    announced(event, now)
