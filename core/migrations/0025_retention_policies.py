"""Retention policies.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import IntegerField, Model, TextField

from core.fields import UtcField


def up(migrator, db):
    class RetentionPolicy(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        scope = TextField()
        scope_id = TextField()
        activity_days = IntegerField(null=True)
        content_days = IntegerField(null=True)
        holds_from = UtcField(null=True)
        revision = IntegerField(default=1)
        created_at = UtcField()
        updated_at = UtcField()

        class Meta:
            database = db
            table_name = "retention_policy"
            indexes = ((("organization_id", "scope", "scope_id"), True),)

    db.create_tables([RetentionPolicy])
