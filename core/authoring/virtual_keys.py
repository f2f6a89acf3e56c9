"""Mints virtual keys and changes them. The key itself leaves here once; what is stored is its hash."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.authoring import budgets, key_config, search_words
from core.authoring.actor import Actor
from core.authoring.governance_project import KIND as HIDDEN
from core.authoring.record import Target, announced, audited, change, snapshot
from core.authoring.rehashing import rehashed
from core.authoring.validation import Complaints, description_error, invalid, name_error, not_found
from core.authoring.versions import hold
from core.changes import Change, ChangeKind
from core.database import connection, transaction
from core.fault import Fault, Refused
from core.ids import new_id, new_virtual_key
from core.models import Member, Project, Provider, VirtualKey
from core.secrets import Secret, lookup_hash, lookup_key, peppered_hash, peppered_hashes
from rules.keys import display_prefix, is_virtual_key
from rules.permissions import Place, holds

ROTATION_GRACE = timedelta(hours=24)
TAGS = 32
TAG_CHARACTERS = 128
PROVIDERS = 32
MOST_REASON_CHARACTERS = 300
_FOUND_BY = {"name", "tags", "display_prefix"}


@dataclass(frozen=True, slots=True)
class NewVirtualKey:
    """A key as it shall be. A key with a principal is that person's; ``provider_ids`` are in order of use."""

    name: str
    project_id: str
    provider_ids: tuple[str, ...]
    principal_user_id: str | None = None
    expires_at: datetime | None = None
    tags: tuple[str, ...] = ()
    description: str = ""
    config: Mapping[str, Any] | None = None
    """The sections of ``core.authoring.key_config``; None on update keeps what is stored."""


def create(
    actor: Actor, new: NewVirtualKey, pepper: Secret, now: datetime, secret: Secret | None = None
) -> tuple[VirtualKey, Secret]:
    """Create a key and return it with its secret, which can't be read again. Raises Refused.

    ``secret`` is for keys whose value the operator brings along; it must have the form of a virtual key.
    """
    with change():
        complaints = _check(actor.organization_id, new, now, own_id="")
        complaints.add("config.guardrails", _attaching_error(actor, {}, new, complaints))
        secret, hashed = _usable(secret, pepper, now, complaints)
        complaints.refuse_any()
        row = VirtualKey.create(
            id=new_id("vk", now),
            organization_id=actor.organization_id,
            secret_hash=hashed,
            lookup_hash=lookup_hash(lookup_key(pepper), secret.reveal()),
            display_prefix=display_prefix(secret.reveal()),
            created_at=now,
            updated_at=now,
            **_columns(new),
        )
        search_words.note_key(row)
        _record(actor, row, ChangeKind.VK_CREATED, now)
    return row, secret


def differences(row: VirtualKey, wanted: NewVirtualKey) -> list[str]:
    """Return the names of the fields in which a stored key differs from the wanted one."""
    return [field for field, value in _columns(wanted).items() if getattr(row, field) != value]


def update(
    actor: Actor, key_id: str, wanted: NewVirtualKey, now: datetime, version: str | None = None
) -> VirtualKey:
    """Make a key what is wanted; nothing is written when nothing differs. Raises Refused.

    ``version`` is the state that the wish is about; when the key has changed since, it is a CONFLICT.
    """
    with change():
        row = _changeable(actor.organization_id, key_id)
        hold(row, version, Target("gateway.virtual_key.updated", "virtual_key", row.id))
        if not differences(row, wanted):
            return row
        complaints = _check(actor.organization_id, wanted, now, own_id=row.id)
        same_home = (row.project_id, row.principal_user_id) == (
            wanted.project_id,
            wanted.principal_user_id,
        )
        complaints.need(
            same_home, "project", "A key keeps its project and principal; make another."
        )
        complaints.add("config.guardrails", _attaching_error(actor, row.config, wanted, complaints))
        complaints.refuse_any()
        return _changed(actor, row, ChangeKind.VK_CONFIG_UPDATED, now, **_columns(wanted))


def rotate(
    actor: Actor, key_id: str, pepper: Secret, now: datetime, secret: Secret | None = None
) -> tuple[VirtualKey, Secret]:
    """Give a key a new secret; the one before it works for 24 hours more. Raises Refused."""
    with change():
        row = _changeable(actor.organization_id, key_id)
        complaints = Complaints()
        secret, hashed = _usable(secret, pepper, now, complaints)
        complaints.refuse_any()
        row = _changed(
            actor,
            row,
            ChangeKind.VK_ROTATED,
            now,
            secret_hash=hashed,
            display_prefix=display_prefix(secret.reveal()),
            previous_secret_hash=row.secret_hash,
            lookup_hash=lookup_hash(lookup_key(pepper), secret.reveal()),
            previous_lookup_hash=row.lookup_hash,
            previous_valid_until=now + ROTATION_GRACE,
        )
    return row, secret


def disable(actor: Actor, key_id: str, now: datetime, reason: str = "") -> VirtualKey:
    """Turn a key off and keep why; calling it again changes nothing. Raises Refused."""
    return _switched(actor, key_id, "disabled", ChangeKind.VK_DISABLED, now, reason)


def enable(actor: Actor, key_id: str, now: datetime) -> VirtualKey:
    """Turn a disabled key on again; calling it again changes nothing. Raises Refused."""
    return _switched(actor, key_id, "active", ChangeKind.VK_ENABLED, now)


def revoke(actor: Actor, key_id: str, now: datetime, reason: str = "") -> VirtualKey:
    """End a key for good, with its budgets, and keep why; calling it again changes nothing. Raises Refused."""
    reason = _reason(reason)
    with change():
        row = find(actor.organization_id, key_id)
        if row.status == "revoked":
            return row
        row = _changed(
            actor,
            row,
            ChangeKind.VK_REVOKED,
            now,
            status="revoked",
            status_reason=reason,
            revoked_at=now,
            lookup_hash=None,
            previous_secret_hash=None,
            previous_lookup_hash=None,
            previous_valid_until=None,
        )
        for budget_id in budgets.ids_at("virtual_key", row.id):
            budgets.archive(actor, budget_id, now)
    return row


def find(organization_id: str, key_id: str) -> VirtualKey:
    """Return a key of this organization, whatever its status. Raises Refused(NOT_FOUND)."""
    row = VirtualKey.get_or_none(
        VirtualKey.id == key_id, VirtualKey.organization_id == organization_id
    )
    if row is None:
        raise not_found("virtual key")
    return row


def find_by_secret(pepper: Secret, presented: str, now: datetime) -> VirtualKey | None:
    """Return the key that a secret belongs to, the secret before a rotation included while it works.

    A text without the form of a virtual key is answered without a query.
    """
    if not is_virtual_key(presented):
        return None
    hashes = peppered_hashes(pepper, presented)
    is_previous = VirtualKey.previous_secret_hash.in_(hashes) & (
        VirtualKey.previous_valid_until > now
    )
    with connection():
        row: VirtualKey | None = VirtualKey.get_or_none(
            VirtualKey.secret_hash.in_(hashes) | is_previous
        )
    return None if row is None else rehashed(row, hashes)


def learn_lookup(row: VirtualKey, pepper: Secret, presented: str) -> None:
    """Note what gateways find a key by, from the secret that was just presented for it.

    Keys from before there was such a thing, or from before the pepper was changed, are known so at their next use.
    """
    found = lookup_hash(lookup_key(pepper), presented)
    if found in (row.lookup_hash, row.previous_lookup_hash):
        return
    is_current = row.secret_hash in peppered_hashes(pepper, presented)
    column = VirtualKey.lookup_hash if is_current else VirtualKey.previous_lookup_hash
    with transaction():
        VirtualKey.update({column: found}).where(VirtualKey.id == row.id).execute()


def _columns(new: NewVirtualKey) -> dict[str, Any]:
    config = {} if new.config is None else {"config": key_config.canonical(new.config)}
    return config | {
        "name": new.name.strip(),
        "description": new.description,
        "project_id": new.project_id,
        "principal_user_id": new.principal_user_id,
        "provider_ids": list(new.provider_ids),
        "expires_at": new.expires_at,
        "tags": list(dict.fromkeys(tag.strip() for tag in new.tags if tag.strip())),
    }


def _usable(
    secret: Secret | None, pepper: Secret, now: datetime, complaints: Complaints
) -> tuple[Secret, str]:
    """Return the secret to use and its hash; complain about one that was brought along and is not right."""
    given = secret or Secret(new_virtual_key(now))
    form = "A virtual key is lw_vk_live_ followed by 26 characters of a ULID."
    complaints.need(is_virtual_key(given.reveal()), "secret", form)
    hashed = peppered_hash(pepper, given.reveal())
    hashes = peppered_hashes(pepper, given.reveal())
    used = VirtualKey.secret_hash.in_(hashes) | VirtualKey.previous_secret_hash.in_(hashes)
    is_new = not VirtualKey.select().where(used).exists()
    complaints.need(is_new, "secret", "This secret belongs or belonged to a key already.")
    return given, hashed


def _changeable(organization_id: str, key_id: str) -> VirtualKey:
    row = find(organization_id, key_id)
    if row.status == "revoked":
        raise Refused(Fault.CONFLICT, "A revoked key cannot be changed.")
    return row


def _switched(
    actor: Actor, key_id: str, status: str, kind: ChangeKind, now: datetime, reason: str = ""
) -> VirtualKey:
    reason = _reason(reason)
    with change():
        row = _changeable(actor.organization_id, key_id)
        if row.status == status:
            return row
        return _changed(actor, row, kind, now, status=status, status_reason=reason)


def _reason(given: str) -> str:
    reason = given.strip()
    if len(reason) > MOST_REASON_CHARACTERS:
        raise invalid({"reason": f"Keep it to {MOST_REASON_CHARACTERS} characters."})
    return reason


def _changed(
    actor: Actor, row: VirtualKey, kind: ChangeKind, now: datetime, **values: Any
) -> VirtualKey:
    before = snapshot(row)
    for field, value in values.items():
        setattr(row, field, value)
    row.revision += 1
    row.updated_at = now
    # last_used_at is written beside this by the gateway's calls; only what changed here is saved.
    row.save(only=[*values, "revision", "updated_at"])
    if _FOUND_BY & values.keys():
        search_words.note_key(row)
    _record(actor, row, kind, now, before)
    return row


_ACTIONS = {
    ChangeKind.VK_CREATED: "created",
    ChangeKind.VK_CONFIG_UPDATED: "updated",
    ChangeKind.VK_ROTATED: "rotated",
    ChangeKind.VK_DISABLED: "disabled",
    ChangeKind.VK_ENABLED: "enabled",
    ChangeKind.VK_REVOKED: "revoked",
}


def _record(
    actor: Actor,
    row: VirtualKey,
    kind: ChangeKind,
    now: datetime,
    before: dict[str, Any] | None = None,
) -> None:
    target = Target(f"gateway.virtual_key.{_ACTIONS[kind]}", "virtual_key", row.id)
    audited(actor, target, now, before, snapshot(row))
    announced(Change(row.organization_id, kind, virtual_key_id=row.id), now)


def _check(organization_id: str, new: NewVirtualKey, now: datetime, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(new.name))
    complaints.add("description", description_error(new.description))
    complaints.need(
        new.expires_at is None or new.expires_at > now, "expires_at", "Choose a date to come."
    )
    complaints.add("tags", _tags_error(new.tags))
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("name", lambda: _taken(organization_id, new.name.strip(), own_id)),
        ("project", lambda: _project_error(organization_id, new)),
        ("providers", lambda: _providers_error(organization_id, new.provider_ids)),
        ("principal", lambda: _principal_error(organization_id, new.principal_user_id)),
    )
    for field, error in checks:
        complaints.add(field, error())
    key_config.complain(organization_id, new.config or {}, complaints)
    return complaints


def _attaching_error(
    actor: Actor, stored: Mapping[str, Any], new: NewVirtualKey, complaints: Complaints
) -> str:
    """Return why an actor can't put guardrails on a key or take them off: each is a permission of its own."""
    if actor.grants is None or new.config is None or complaints.errors:
        return ""
    before, after = _attached(stored), _attached(key_config.canonical(new.config))
    place = Place(Project.get_by_id(new.project_id).team_id, new.project_id)
    for verb, changed in (("attach", after - before), ("detach", before - after)):
        permission = f"gatewayGuardrails:{verb}"
        if changed and not holds(actor.grants, permission, place):
            return f"This needs the permission {permission} in that project."
    return ""


def _attached(config: Mapping[str, Any]) -> set[tuple[str, str]]:
    found = config.get("guardrails", {})
    return {(direction, each) for direction, ids in found.items() for each in ids}


def _tags_error(tags: tuple[str, ...]) -> str:
    if len(tags) > TAGS or any(len(tag) > TAG_CHARACTERS for tag in tags):
        return f"Use at most {TAGS} tags of up to {TAG_CHARACTERS} characters."
    return ""


def _taken(organization_id: str, name: str, own_id: str) -> str:
    taken = VirtualKey.select().where(
        VirtualKey.organization_id == organization_id,
        VirtualKey.name == name,
        VirtualKey.status != "revoked",
        VirtualKey.id != own_id,
    )
    return "Another key has this name." if taken.exists() else ""


def _project_error(organization_id: str, new: NewVirtualKey) -> str:
    project = Project.get_or_none(
        Project.id == new.project_id,
        Project.organization_id == organization_id,
        Project.kind != HIDDEN,
        Project.archived_at.is_null(),
    )
    if project is None:
        return "There is no such project."
    if project.is_personal and project.owner_user_id != new.principal_user_id:
        return "A personal project holds its owner's keys only."
    return ""


def _providers_error(organization_id: str, provider_ids: tuple[str, ...]) -> str:
    if not provider_ids:
        return "Choose at least one provider."
    if len(set(provider_ids)) != len(provider_ids) or len(provider_ids) > PROVIDERS:
        return f"Name each provider once, at most {PROVIDERS}."
    known = Provider.select().where(
        Provider.id.in_(provider_ids),
        Provider.organization_id == organization_id,
        Provider.archived_at.is_null(),
    )
    return "" if known.count() == len(provider_ids) else "There is no such provider."


def _principal_error(organization_id: str, user_id: str | None) -> str:
    if user_id is None:
        return ""
    member = Member.select().where(
        Member.organization_id == organization_id,
        Member.user_id == user_id,
        Member.disabled_at.is_null(),
    )
    return "" if member.exists() else "There is no such person."
