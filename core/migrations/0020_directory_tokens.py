"""Tokens of the directories that provision people.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import Model, TextField

from core.fields import UtcField


def up(migrator, db):
    class ScimToken(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        secret_hash = TextField(unique=True)
        display_prefix = TextField()
        created_by_id = TextField()
        created_at = UtcField()
        last_used_at = UtcField(null=True)
        revoked_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "scim_token"

    db.create_tables([ScimToken])
