"""Creates and changes providers. Credentials are sealed here and opened where the gateway is told of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.authoring import provider_settings
from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.provider_settings import address_of, canonical_credential, canonical_settings
from core.authoring.rate_limits import canonical, rate_limits_error
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found, origin_of
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.fault import Fault, Refused
from core.ids import new_id
from core.models import Provider, VirtualKey
from core.provider_trial import Entered
from core.secrets import Sealer, SealError, Secret
from rules import provider_types
from rules.provider_types import Proof

SANDBOX = provider_types.SANDBOX
SANDBOX_URL = provider_types.SANDBOX_URL
TYPES = tuple(provider_types.TYPES)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class NewProvider:
    """An upstream account as it shall be. ``credential`` None on update keeps the one that is stored.

    An empty ``base_url`` stands for the type's own address. ``credential`` is one key, or a JSON object of
    the parts that the type needs. ``is_operator_address`` is for addresses from a configuration file, which
    may be private.
    """

    name: str
    type: str
    base_url: str = ""
    credential: Secret | None = None
    is_operator_address: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    rate_limits: Mapping[str, int | None] | None = None
    """Some of rpm, tpm and rpd, over all keys; None on update keeps what is stored."""


def create(actor: Actor, new: NewProvider, sealer: Sealer, now: datetime) -> Provider:
    """Create a provider. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, new, None)
        provider_id = new_id("provider", now)
        row = Provider.create(
            id=provider_id,
            organization_id=actor.organization_id,
            type=new.type,
            sealed_credential=_sealed(sealer, provider_id, new.type, new.credential),
            credential_set_at=None if new.credential is None else now,
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        target = Target("gateway.provider.created", "provider", row.id)
        audited(actor, target, now, after=snapshot(row))
        _announce(row, now)
    return row


def differences(row: Provider, wanted: NewProvider, sealer: Sealer) -> list[str]:
    """Return the names of the fields in which a stored provider differs from the wanted one."""
    columns = _columns(wanted) | {"type": wanted.type}
    fields = [name for name, value in columns.items() if getattr(row, name) != value]
    if wanted.credential is not None and not _has_credential(row, wanted.credential, sealer):
        fields.append("credential")
    return fields


def update(
    actor: Actor,
    provider_id: str,
    wanted: NewProvider,
    sealer: Sealer,
    now: datetime,
    expected: str | None = None,
) -> Provider:
    """Make a provider what is wanted; nothing is written when nothing differs. Raises Refused.

    ``expected`` is the version that the change was made from: a newer state raises CONFLICT.
    """
    with change():
        row = find(actor.organization_id, provider_id)
        hold(row, expected, Target("", "provider", row.id))
        fields = differences(row, wanted, sealer)
        if not fields:
            return row
        _check(actor, wanted, row)
        values = _columns(wanted)
        if "credential" in fields:
            values["sealed_credential"] = _sealed(sealer, row.id, row.type, wanted.credential)
            values["credential_set_at"] = now
        return _changed(actor, row, "updated", now, **values)


def rotate(
    actor: Actor, provider_id: str, credential: Secret, sealer: Sealer, now: datetime
) -> Provider:
    """Replace the credential of a provider, at once and for every key that uses it. Raises Refused."""
    with change():
        row = find(actor.organization_id, provider_id)
        complaints = Complaints()
        provider_settings.complain_of_credential(row.type, credential, complaints)
        complaints.refuse_any()
        sealed = _sealed(sealer, row.id, row.type, credential)
        return _changed(
            actor, row, "credential_rotated", now, sealed_credential=sealed, credential_set_at=now
        )


def archive(actor: Actor, provider_id: str, now: datetime) -> Provider:
    """End a provider that no key uses any more. Raises Refused: NOT_FOUND, CONFLICT."""
    with change():
        row = find(actor.organization_id, provider_id)
        names = [key.name for key in keys_using(actor.organization_id, row.id)]
        if names:
            shown = ", ".join(names[:_MOST_NAMED])
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            keys = "a virtual key uses" if len(names) == 1 else f"{len(names)} virtual keys use"
            sentence = f"Not archived: {keys} it ({shown}{more}). Take it off them first."
            raise Refused(Fault.CONFLICT, sentence, keys=names[:_MOST_NAMED])
        return _changed(actor, row, "archived", now, archived_at=now)


def keys_using(organization_id: str, provider_id: str) -> list[VirtualKey]:
    """Return the keys that name a provider and are not revoked, in the order of their names."""
    rows = VirtualKey.select(VirtualKey.id, VirtualKey.name).where(
        VirtualKey.organization_id == organization_id,
        VirtualKey.status != "revoked",
        # The list is stored as JSON text, in which an id stands in quotes.
        VirtualKey.provider_ids.cast("TEXT").contains(f'"{provider_id}"'),
    )
    return list(rows.order_by(VirtualKey.name))


def credential_of(row: Provider, sealer: Sealer) -> Secret | None:
    """Return the opened credential, None when there is none. Raises SealError for another master key's."""
    if row.sealed_credential is None:
        return None
    return sealer.open(row.sealed_credential, _purpose(row.id))


def find(organization_id: str, provider_id: str) -> Provider:
    """Return a provider of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = Provider.get_or_none(
        Provider.id == provider_id,
        Provider.organization_id == organization_id,
        Provider.archived_at.is_null(),
    )
    if row is None:
        raise not_found("provider")
    return row


def entered(actor: Actor, new: NewProvider, sealer: Sealer, provider_id: str = "") -> Entered:
    """Return a provider that is to be tried before it is saved, with the stored credential where none is given.

    Raises Refused(VALIDATION_ERROR, NOT_FOUND): what can't be saved is not tried.
    """
    row = find(actor.organization_id, provider_id) if provider_id else None
    complaints = Complaints()
    check_form(new, row is not None and row.sealed_credential is not None, complaints)
    credential = new.credential
    url = address_of(new.type, new.base_url, new.settings)
    if credential is None and row is not None and row.sealed_credential is not None:
        _check_kept_credential(row, new, complaints)
        credential = _opened(row, sealer, complaints)
    complaints.refuse_any()
    if credential is not None and new.credential is not None:
        credential = canonical_credential(new.type, credential)
    is_operator = row.is_operator_address if row is not None and row.base_url == url else False
    return Entered(new.type, url, canonical_settings(new.settings), credential, is_operator)


def stored(row: Provider, sealer: Sealer) -> Entered:
    """Return a stored provider that is to be tried. Raises Refused for another master key's credential."""
    complaints = Complaints()
    credential = _opened(row, sealer, complaints)
    complaints.refuse_any()
    return Entered(row.type, row.base_url, row.settings, credential, row.is_operator_address)


def _check_kept_credential(row: Provider, new: NewProvider, complaints: Complaints) -> None:
    """Complain when a stored credential would be sent to another host than it was stored for.

    Otherwise whoever may edit a provider could have its secret sent to a server of their own. The vendor's
    own hosts are no such servers.
    """
    url = address_of(new.type, new.base_url, new.settings)
    own = provider_types.default_url(new.type, str(new.settings.get("region", "")))
    is_safe = origin_of(url) in (origin_of(row.base_url), origin_of(own))
    complaints.need(is_safe, "credential", "Enter the credential again, since the address changes.")


def _opened(row: Provider, sealer: Sealer, complaints: Complaints) -> Secret | None:
    try:
        return credential_of(row, sealer)
    except SealError:
        complaints.add("credential", "It was sealed under another master key; enter it again.")
        return None


def check_form(new: NewProvider, has_credential: bool, complaints: Complaints) -> None:
    """Complain about what is wrong in a provider by itself; ``has_credential`` when one is stored already."""
    complaints.add("name", name_error(new.name))
    row = provider_types.TYPES.get(new.type)
    if row is None:
        complaints.add("type", f"Choose one of {', '.join(TYPES)}.")
        return
    provider_settings.complain(new.type, new.base_url, new.settings, complaints)
    if new.credential is not None:
        provider_settings.complain_of_credential(new.type, new.credential, complaints)
    elif not has_credential:
        # A server of one's own that speaks a vendor's dialect may do without a key; the vendor does not.
        own = provider_types.default_url(new.type, str(new.settings.get("region", "")))
        is_elsewhere = row.proof is Proof.KEY and new.base_url.strip().rstrip("/") not in ("", own)
        is_optional = row.proof in (Proof.NOTHING, Proof.OPTIONAL_KEY) or is_elsewhere
        complaints.need(is_optional, "credential", "Give the credential.")


def _check(actor: Actor, new: NewProvider, own: Provider | None) -> None:
    complaints = Complaints()
    complaints.need(own is None or own.type == new.type, "type", "The type cannot be changed.")
    complaints.add("rate_limits", rate_limits_error(new.rate_limits or {}))
    check_form(new, own is not None and own.sealed_credential is not None, complaints)
    if own is not None and own.sealed_credential is not None and new.credential is None:
        _check_kept_credential(own, new, complaints)
    complaints.add(
        "name",
        taken_error(Provider, actor.organization_id, new.name, own.id if own else "", "provider"),
    )
    complaints.refuse_any()


def _columns(new: NewProvider) -> dict[str, Any]:
    rates = {} if new.rate_limits is None else {"rate_limits": canonical(new.rate_limits)}
    return rates | {
        "name": new.name.strip(),
        "base_url": address_of(new.type, new.base_url, new.settings),
        "settings": canonical_settings(new.settings),
        "is_operator_address": new.is_operator_address,
    }


def _changed(actor: Actor, row: Provider, action: str, now: datetime, **values: Any) -> Provider:
    before = snapshot(row)
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = now
    row.save(only=[*values, "updated_at"])
    target = Target(f"gateway.provider.{action}", "provider", row.id)
    audited(actor, target, now, before, snapshot(row))
    _announce(row, now)
    return row


def _has_credential(row: Provider, credential: Secret, sealer: Sealer) -> bool:
    try:
        return credential_of(row, sealer) == canonical_credential(row.type, credential)
    except SealError:
        return False


def _sealed(
    sealer: Sealer, provider_id: str, type_name: str, credential: Secret | None
) -> str | None:
    if credential is None:
        return None
    return sealer.seal(canonical_credential(type_name, credential).reveal(), _purpose(provider_id))


def _purpose(provider_id: str) -> str:
    return f"provider:{provider_id}"


def _announce(row: Provider, now: datetime) -> None:
    event = Change(row.organization_id, ChangeKind.PROVIDER_UPDATED, provider_id=row.id)
    announced(event, now)
