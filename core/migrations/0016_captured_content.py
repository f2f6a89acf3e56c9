"""Prompts and answers that keys ask to keep, and the organization's say in it.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import BooleanField, Model, TextField

from core.fields import UtcField


def up(migrator, db):
    class CapturedContent(Model):
        call_id = TextField(primary_key=True)
        organization_id = TextField()
        project_id = TextField()
        virtual_key_id = TextField()
        mode = TextField()
        input_messages = TextField(default="")
        output_messages = TextField(default="")
        system_instructions = TextField(default="")
        is_cut = BooleanField(default=False)
        captured_at = UtcField(index=True)

        class Meta:
            database = db
            table_name = "captured_content"
            indexes = ((("organization_id", "captured_at"), False),)

    db.create_tables([CapturedContent])
    migrator.migrate(
        migrator.add_column("organization", "is_capture_allowed", BooleanField(default=True))
    )
