"""How companies sign their people in: connections to OpenID providers, and whom a provider knows as whom."""

from peewee import BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class SignInConnection(Model):
    """A company's OpenID provider; the client secret is sealed."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    name = TextField()
    issuer = TextField()
    client_id = TextField()
    sealed_client_secret = TextField(null=True)
    scopes = TextField(default="openid email profile")
    domains = JsonField(default=list)
    """Lower-case domains of e-mail addresses that the provider vouches for."""
    is_forced = BooleanField(default=False)
    """True when people of these domains can't sign in with a password."""
    default_role = TextField(default="member")
    groups_claim = TextField(default="groups")
    group_roles = JsonField(default=list)
    """A list of ``{"group": …, "role": …}``; the highest that matches is the person's role."""
    syncs_groups = BooleanField(default=False)
    """True when the groups that the provider names become groups here."""
    is_enabled = BooleanField(default=True)
    is_operator_address = BooleanField(default=False)
    """True when the operator wrote the issuer in a configuration file, so that it may be private."""
    revision = IntegerField(default=1)
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)


class ExternalIdentity(Model):
    """Whom a provider means by a subject."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    connection_id = TextField()
    subject = TextField()
    user_id = TextField(index=True)
    created_at = UtcField()
    last_sign_in_at = UtcField(null=True)

    class Meta:
        indexes = ((("connection_id", "subject"), True),)


class ScimToken(Model):
    """What a company's directory presents; only its hash is kept, and a new one ends the one before."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    secret_hash = TextField(unique=True)
    display_prefix = TextField()
    created_by_id = TextField()
    created_at = UtcField()
    last_used_at = UtcField(null=True)
    revoked_at = UtcField(null=True)
