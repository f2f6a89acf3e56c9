"""Who may act besides people who are members already: invitations, service accounts, API keys; and departments."""

from peewee import BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class Department(Model):
    """Where costs are counted. It is never a reason to let somebody in."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    revision = IntegerField(default=1)
    created_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "name"), False),)


class Invitation(Model):
    """A place offered to an e-mail address: a link that works once, kept as its hash."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    email = TextField()
    """Lower case."""
    name = TextField(default="")
    """What whoever invited them calls them; they may choose another."""
    role = TextField()
    department_id = TextField(null=True)
    teams = JsonField(default=list)
    """A list of ``{"team_id": …, "role": …, "custom_role_id": …}`` to join; the last for a custom role."""
    token_hash = TextField(unique=True)
    invited_by_id = TextField()
    created_at = UtcField()
    expires_at = UtcField()
    accepted_at = UtcField(null=True)
    cancelled_at = UtcField(null=True)


class ServiceAccount(Model):
    """An identity for programs. It signs in nowhere; its API keys act with what its bindings grant."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    description = TextField(default="")
    revision = IntegerField(default=1)
    created_at = UtcField()
    updated_at = UtcField()
    disabled_at = UtcField(null=True)
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "name"), False),)


class ApiKey(Model):
    """A credential for the management API; only its hash is kept.

    ``owner_kind`` is user or service_account, ``permission_mode`` is all, readonly or restricted, and
    ``scopes`` is the list of permissions that a restricted key is held to.
    """

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    name = TextField()
    owner_kind = TextField()
    owner_id = TextField(index=True)
    secret_hash = TextField(unique=True)
    display_prefix = TextField()
    permission_mode = TextField(default="all")
    scopes = JsonField(default=list)
    is_bound = BooleanField(default=False)
    """It was given roles of its own, and holds no more than is left of them: with none left, nothing."""
    created_by_id = TextField()
    created_at = UtcField()
    expires_at = UtcField(null=True)
    last_used_at = UtcField(null=True)
    revoked_at = UtcField(null=True)
