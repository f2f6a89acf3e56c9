"""Guardrails at organization, team and project.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import BooleanField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class Guardrail(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        name = TextField()
        description = TextField(default="")
        scope = TextField()
        scope_id = TextField()
        type = TextField()
        settings = JsonField(default=dict)
        sealed_secret = TextField(null=True)
        is_operator_address = BooleanField(default=False)
        action = TextField(default="block")
        directions = JsonField(default=list)
        on_failure = TextField(default="fail_closed")
        is_automatic = BooleanField(default=False)
        enabled = BooleanField(default=True)
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "guardrail"

    db.create_tables([Guardrail])
