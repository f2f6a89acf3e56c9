"""Privacy rules, and the organization's content mode.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import BooleanField, IntegerField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class PrivacyRule(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        scope = TextField()
        scope_id = TextField()
        is_personal_only = BooleanField(default=False)
        input = TextField(default="")
        output = TextField(default="")
        system = TextField(default="")
        tool_calls = TextField(default="")
        drop_keys = JsonField(default=list)
        secret_patterns = JsonField(default=list)
        revision = IntegerField(default=1)
        created_at = UtcField()
        updated_at = UtcField()

        class Meta:
            database = db
            table_name = "privacy_rule"
            indexes = ((("organization_id", "scope", "scope_id", "is_personal_only"), True),)

    db.create_tables([PrivacyRule])
    migrator.migrate(migrator.add_column("organization", "content_mode", TextField(default="full")))
