"""Ingestion sources, anomaly rules, the anomalies they found and where those were sent."""

from peewee import AutoField, BigIntegerField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class IngestionSource(Model):
    """A place activity comes from. ``status`` is awaiting_first_event, active or disabled."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    team_id = TextField(null=True)
    type = TextField()
    name = TextField()
    description = TextField(default="")
    secret_hash = TextField(unique=True)
    previous_secret_hash = TextField(null=True, index=True)
    previous_valid_until = UtcField(null=True)
    parser_config = JsonField(default=dict)
    status = TextField(default="awaiting_first_event")
    error_count = IntegerField(default=0)
    last_event_at = UtcField(null=True)
    created_by_id = TextField(null=True)
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "name"), False),)


class AnomalyRule(Model):
    """What to watch for. ``destinations`` is a list of objects whose secrets are sealed."""

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    description = TextField(default="")
    severity = TextField()
    type = TextField()
    scope = TextField()
    scope_id = TextField()
    threshold = JsonField(default=dict)
    destinations = JsonField(default=list)
    status = TextField(default="active")
    created_by_id = TextField(null=True)
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "name"), False),)


class Anomaly(Model):
    """An alert that a rule raised. ``state`` is open, acknowledged or resolved."""

    id = TextField(primary_key=True)
    organization_id = TextField(index=True)
    rule_id = TextField()
    rule_name = TextField()
    rule_type = TextField()
    severity = TextField()
    source_label = TextField(default="")
    window_start = UtcField()
    window_end = UtcField()
    spend_nanousd = BigIntegerField(null=True)
    event_count = IntegerField(null=True)
    detail = JsonField(default=dict)
    state = TextField(default="open")
    detected_at = UtcField()
    acknowledged_at = UtcField(null=True)
    acknowledged_by_id = TextField(null=True)
    resolved_at = UtcField(null=True)
    resolved_by_id = TextField(null=True)

    class Meta:
        indexes = ((("rule_id", "window_start"), True),)


class AlertDelivery(Model):
    """One anomaly on its way to one destination. ``state`` is due, sending, sent or failed."""

    id = AutoField()
    organization_id = TextField()
    anomaly_id = TextField(index=True)
    destination_type = TextField()
    sealed_destination = TextField()
    """The destination's JSON, sealed: a webhook address is a credential."""
    state = TextField(default="due")
    attempts = IntegerField(default=0)
    due_at = UtcField()
    claimed_at = UtcField(null=True)
    sent_at = UtcField(null=True)
    last_status = IntegerField(null=True)
    last_error = TextField(default="")

    class Meta:
        indexes = ((("state", "due_at"), False),)
