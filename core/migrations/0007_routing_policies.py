"""Routing policies at organization, team and project.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import BooleanField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class RoutingPolicy(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        scope = TextField()
        scope_id = TextField()
        name = TextField()
        description = TextField(default="")
        strategy = TextField(default="priority")
        provider_ids = JsonField(default=list)
        models_allowed = JsonField(default=list)
        model_aliases = JsonField(default=dict)
        is_default = BooleanField(default=False)
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "routing_policy"

    db.create_tables([RoutingPolicy])
