"""Cache rules of an organization.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import BooleanField, IntegerField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class CacheRule(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        name = TextField()
        description = TextField(default="")
        priority = IntegerField(default=100)
        enabled = BooleanField(default=True)
        matchers = JsonField(default=dict)
        mode = TextField()
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "cache_rule"

    db.create_tables([CacheRule])
