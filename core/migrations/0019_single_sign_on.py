"""Connections to companies' OpenID providers, and whom they know as whom.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import BooleanField, IntegerField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class SignInConnection(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        name = TextField()
        issuer = TextField()
        client_id = TextField()
        sealed_client_secret = TextField(null=True)
        scopes = TextField(default="openid email profile")
        domains = JsonField(default=list)
        is_forced = BooleanField(default=False)
        default_role = TextField(default="member")
        groups_claim = TextField(default="groups")
        group_roles = JsonField(default=list)
        syncs_groups = BooleanField(default=False)
        is_enabled = BooleanField(default=True)
        is_operator_address = BooleanField(default=False)
        revision = IntegerField(default=1)
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "sign_in_connection"

    class ExternalIdentity(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        connection_id = TextField()
        subject = TextField()
        user_id = TextField(index=True)
        created_at = UtcField()
        last_sign_in_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "external_identity"
            indexes = ((("connection_id", "subject"), True),)

    db.create_tables([SignInConnection, ExternalIdentity])
