"""What the gateway serves by: providers, virtual keys, and the feed that tells it of changes."""

from peewee import AutoField, BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class Provider(Model):
    """An upstream account. ``type`` is a row of ``rules.provider_types``; the credential is sealed."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    type = TextField()
    base_url = TextField()
    """Without a trailing slash; for openai and custom it ends in the version segment, such as ``/v1``."""
    settings = JsonField(default=dict)
    """What else the type needs to be told; nothing in it is secret."""
    sealed_credential = TextField(null=True)
    """One key, or a JSON object of several parts."""
    credential_set_at = UtcField(null=True)
    is_operator_address = BooleanField(default=False)
    """True when the operator wrote the address in a configuration file, so that it may be private."""
    rate_limits = JsonField(default=dict)
    """Some of rpm, tpm and rpd, over all keys that use it."""
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "name"), False),)


class VirtualKey(Model):
    """A credential of ours for the gateway. Only hashes are kept; ``status`` is active, disabled or revoked."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    project_id = TextField(index=True)
    name = TextField()
    description = TextField(default="")
    status = TextField(default="active")
    status_reason = TextField(default="")
    """Why it is disabled or revoked, in the words of whoever did it."""
    secret_hash = TextField(unique=True)
    display_prefix = TextField()
    previous_secret_hash = TextField(null=True, index=True)
    previous_valid_until = UtcField(null=True)
    lookup_hash = TextField(null=True)
    """What a gateway that was given all keys beforehand finds the key by; null until it is known."""
    previous_lookup_hash = TextField(null=True)
    principal_user_id = TextField(null=True, index=True)
    provider_ids = JsonField(default=list)
    """Ordered; the first that speaks the caller's dialect is the primary."""
    config = JsonField(default=dict)
    tags = JsonField(default=list)
    revision = IntegerField(default=1)
    created_at = UtcField()
    updated_at = UtcField()
    expires_at = UtcField(null=True)
    last_used_at = UtcField(null=True)
    revoked_at = UtcField(null=True)

    class Meta:
        indexes = (
            (("organization_id", "name"), False),
            (("organization_id", "status", "name"), False),
            (("organization_id", "id"), False),
            (("organization_id", "principal_user_id"), False),
        )


class ChangeEvent(Model):
    """One line of the change feed, written in the transaction of the change it tells of."""

    revision = AutoField()
    organization_id = TextField(index=True)
    kind = TextField()
    virtual_key_id = TextField(null=True)
    budget_id = TextField(null=True)
    provider_id = TextField(null=True)
    created_at = UtcField()
