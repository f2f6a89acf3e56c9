"""Policy rules at organization, team and project.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import BooleanField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class PolicyRuleSet(Model):
        id = TextField(primary_key=True)
        organization_id = TextField(index=True)
        name = TextField()
        description = TextField(default="")
        scope = TextField()
        scope_id = TextField()
        rules = JsonField(default=dict)
        enabled = BooleanField(default=True)
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "policy_rule_set"

    db.create_tables([PolicyRuleSet])
