"""Where spans of calls go, and those that wait to be sent there."""

from peewee import AutoField, BigIntegerField, BlobField, BooleanField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class TraceDestination(Model):
    """A tenant's OTLP endpoint for the spans of an organization, a team or a project; headers are sealed."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    scope = TextField()
    """organization, team or project"""
    scope_id = TextField()
    endpoint = TextField()
    """The whole address that spans are posted to, such as ``https://host/v1/traces``."""
    sealed_headers = TextField(null=True)
    header_names = JsonField(default=list)
    is_enabled = BooleanField(default=True)
    is_operator_address = BooleanField(default=False)
    """True when the operator wrote the address in a configuration file, so that it may be private."""
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)
    claimed_at = UtcField(null=True)
    """Since when somebody sends to it; one sender at a time keeps the order."""
    retry_at = UtcField(null=True)
    """Until when it is left alone after a failure."""
    failures = IntegerField(default=0)
    """In a row; 0 while it works."""
    last_sent_at = UtcField(null=True)
    last_error = TextField(default="")
    sent_spans = BigIntegerField(default=0)
    dropped_spans = BigIntegerField(default=0)
    """Refused by the endpoint for good, or older than what is kept for one that does not answer."""

    class Meta:
        indexes = ((("organization_id", "name"), False),)


class SpanBatch(Model):
    """Ledger rows of one inbox row that are still to be sent to one destination."""

    id = AutoField()
    destination_id = TextField()
    inbox_id = BigIntegerField()
    payload = BlobField()
    """The rows as JSON, as the inbox had them."""
    spans = IntegerField()
    queued_at = UtcField()

    class Meta:
        # Draining an inbox row again after a crash must not queue its spans twice.
        indexes = ((("destination_id", "inbox_id"), True),)
