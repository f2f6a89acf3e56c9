"""The ledger: one row a call, whatever became of it. Rows are written by the internal API alone."""

from peewee import BigIntegerField, BlobField, BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, SequenceField, UtcField


class LedgerRow(Model):
    """One call. ``outcome`` is admitted while under way, then completed, cancelled, truncated, failed,
    refused or unsettled. Token classes never overlap; ``is_estimated`` tells measured from estimated."""

    call_id = TextField(primary_key=True)
    organization_id = TextField()
    project_id = TextField(index=True)
    team_id = TextField()
    virtual_key_id = TextField(index=True)
    principal_user_id = TextField(null=True)
    provider_id = TextField(null=True)
    provider_type = TextField(default="")
    request_type = TextField()
    """chat, messages, count_tokens…"""
    model = TextField(default="")
    requested_model = TextField(default="")
    outcome = TextField()
    code = TextField(default="")
    """The fault or upstream condition behind an outcome other than completed."""
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
    """The provider's own usage object, word for word, so that a call can be priced again."""
    trace_id = TextField(default="")
    span_id = TextField(default="")
    parent_span_id = TextField(default="")
    session_id = TextField(default="")
    worker = TextField(default="")
    facts = JsonField(null=True)
    """What else is known of the call: attempts, verdicts, cache mode, tags. Small, and never a prompt."""

    class Meta:
        table_name = "ledger"
        indexes = ((("organization_id", "admitted_at"), False),)


class InboxRow(Model):
    """A payload that was acknowledged and waits for the streamer.

    ``kind`` is gateway, otlp_traces, otlp_logs or webhook.
    """

    id = SequenceField()
    """Never used twice: the lake remembers the last one it took in, and the rows behind it are deleted."""
    kind = TextField()
    organization_id = TextField()
    source_id = TextField(null=True)
    content_type = TextField(default="")
    payload = BlobField()
    """Decoded of any content coding; gateway rows are JSON records."""
    received_at = UtcField()

    class Meta:
        table_name = "inbox"
