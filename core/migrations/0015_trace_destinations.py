"""Tenants' endpoints for spans, and the queue in front of them.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import (
    AutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    IntegerField,
    Model,
    TextField,
)

from core.fields import JsonField, UtcField


def up(migrator, db):
    class TraceDestination(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        scope = TextField()
        scope_id = TextField()
        endpoint = TextField()
        sealed_headers = TextField(null=True)
        header_names = JsonField(default=list)
        is_enabled = BooleanField(default=True)
        is_operator_address = BooleanField(default=False)
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)
        claimed_at = UtcField(null=True)
        retry_at = UtcField(null=True)
        failures = IntegerField(default=0)
        last_sent_at = UtcField(null=True)
        last_error = TextField(default="")
        sent_spans = BigIntegerField(default=0)
        dropped_spans = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "trace_destination"
            indexes = ((("organization_id", "name"), False),)

    class SpanBatch(Model):
        id = AutoField()
        destination_id = TextField()
        inbox_id = BigIntegerField()
        payload = BlobField()
        spans = IntegerField()
        queued_at = UtcField()

        class Meta:
            database = db
            table_name = "span_batch"
            indexes = ((("destination_id", "inbox_id"), True),)

    db.create_tables([TraceDestination, SpanBatch])
