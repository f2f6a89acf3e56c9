"""Mints and ends the token that a company's directory presents: one an organization, shown once."""

from datetime import datetime

from core.authoring.actor import Actor
from core.authoring.api_keys import USE_NOTED_EVERY
from core.authoring.delegation import refuse_partial
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.rehashing import rehashed
from core.database import connection, transaction
from core.ids import new_id, new_scim_token
from core.models import ScimToken
from core.secrets import Secret, peppered_hash, peppered_hashes
from rules.keys import SCIM_TOKEN_PREFIX, is_scim_token

_SHOWN_CHARACTERS = len(SCIM_TOKEN_PREFIX) + 6


def mint(actor: Actor, pepper: Secret, now: datetime) -> Secret:
    """Return a fresh token, which can't be read again; the one before stops working at once."""
    refuse_partial(actor, "a directory may put anybody into the groups that were given roles.")
    with change():
        revoke(actor, now)
        secret = Secret(new_scim_token())
        row = ScimToken.create(
            id=new_id("scim", now),
            organization_id=actor.organization_id,
            secret_hash=peppered_hash(pepper, secret.reveal()),
            display_prefix=secret.reveal()[:_SHOWN_CHARACTERS] + "…",
            created_by_id=actor.actor_id,
            created_at=now,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return secret


def revoke(actor: Actor, now: datetime) -> None:
    """End the organization's token; without one nothing happens."""
    with change():
        row = current(actor.organization_id)
        if row is None:
            return
        before = snapshot(row)
        row.revoked_at = now
        row.save(only=["revoked_at"])
        audited(actor, _target("revoked", row), now, before, snapshot(row))


def current(organization_id: str) -> ScimToken | None:
    """Return the organization's token that works."""
    row: ScimToken | None = ScimToken.get_or_none(
        ScimToken.organization_id == organization_id, ScimToken.revoked_at.is_null()
    )
    return row


def find_by_secret(pepper: Secret, presented: str, now: datetime) -> ScimToken | None:
    """Return the token that was presented, if it works, and note its use. Another form costs no query."""
    if not is_scim_token(presented):
        return None
    hashes = peppered_hashes(pepper, presented)
    with connection():
        found: ScimToken | None = ScimToken.get_or_none(
            ScimToken.secret_hash.in_(hashes), ScimToken.revoked_at.is_null()
        )
        if found is None:
            return None
        row = rehashed(found, hashes)
        if row.last_used_at is None or now - row.last_used_at >= USE_NOTED_EVERY:
            with transaction():
                ScimToken.update(last_used_at=now).where(ScimToken.id == row.id).execute()
        return row


def _target(verb: str, row: ScimToken) -> Target:
    return Target(f"scim_token.{verb}", "scim_token", row.id)
