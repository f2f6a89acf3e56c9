"""What creates have answered under a key of the caller's choice.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import AutoField, IntegerField, Model, TextField

from core.fields import UtcField


def up(migrator, db):
    class IdempotencyKey(Model):
        id = AutoField()
        organization_id = TextField()
        caller_id = TextField()
        key = TextField()
        fingerprint = TextField()
        status = IntegerField()
        sealed_answer = TextField()
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "idempotency_key"
            indexes = (
                (("organization_id", "caller_id", "key"), True),
                (("created_at",), False),
            )

    db.create_tables([IdempotencyKey])
