"""Budgets and their leases, the ledger of calls, and the inbox of the streamer.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import BigIntegerField, BlobField, BooleanField, IntegerField, Model, TextField

from core.fields import JsonField, SequenceField, UtcField


def up(migrator, db):
    class Budget(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        name = TextField()
        scope = TextField()
        scope_id = TextField(index=True)
        window = TextField()
        cycle_anchor_at = UtcField(null=True)
        limit_nanousd = BigIntegerField()
        on_breach = TextField(default="block")
        on_unpriced = TextField(default="flat")
        on_outage = TextField(default="block")
        created_at = UtcField()
        updated_at = UtcField()
        archived_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "budget"
            indexes = ((("organization_id", "name"), False),)

    class LimitPeriod(Model):
        limit_id = TextField()
        period_start = UtcField()
        settled_nanousd = BigIntegerField(default=0)
        leased_nanousd = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "limit_period"
            indexes = ((("limit_id", "period_start"), True),)

    class Lease(Model):
        limit_period_id = BigIntegerField(index=True)
        owner = TextField(index=True)
        remaining_nanousd = BigIntegerField()
        expires_at = UtcField()

        class Meta:
            database = db
            table_name = "lease"
            indexes = ((("limit_period_id", "owner"), True),)

    class LedgerRow(Model):
        call_id = TextField(primary_key=True)
        organization_id = TextField()
        project_id = TextField(index=True)
        team_id = TextField()
        virtual_key_id = TextField(index=True)
        principal_user_id = TextField(null=True)
        provider_id = TextField(null=True)
        provider_type = TextField(default="")
        request_type = TextField()
        model = TextField(default="")
        requested_model = TextField(default="")
        outcome = TextField()
        code = TextField(default="")
        status = IntegerField(null=True)
        is_streamed = BooleanField(default=False)
        admitted_at = UtcField()
        settled_at = UtcField(null=True)
        duration_ms = IntegerField(null=True)
        first_byte_ms = IntegerField(null=True)
        input_tokens = BigIntegerField(default=0)
        output_tokens = BigIntegerField(default=0)
        cache_read_tokens = BigIntegerField(default=0)
        cache_write_tokens = BigIntegerField(default=0)
        cache_write_1h_tokens = BigIntegerField(default=0)
        cost_nanousd = BigIntegerField(default=0)
        is_estimated = BooleanField(default=True)
        price_source = TextField(default="")
        usage_raw = JsonField(null=True)
        trace_id = TextField(default="")
        span_id = TextField(default="")
        parent_span_id = TextField(default="")
        session_id = TextField(default="")
        worker = TextField(default="")

        class Meta:
            database = db
            table_name = "ledger"
            indexes = ((("organization_id", "admitted_at"), False),)

    class InboxRow(Model):
        id = SequenceField()
        kind = TextField()
        organization_id = TextField()
        source_id = TextField(null=True)
        content_type = TextField(default="")
        payload = BlobField()
        received_at = UtcField()

        class Meta:
            database = db
            table_name = "inbox"

    db.create_tables([Budget, LimitPeriod, Lease, LedgerRow, InboxRow])
