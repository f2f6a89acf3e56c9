"""The record of administrative changes, and the pulse of the streamer's jobs."""

from peewee import AutoField, IntegerField, TextField

from core.database import Model
from core.fields import JsonField, UtcField


class AuditRow(Model):
    """One administrative change; append-only. ``hash`` covers the row and the hash before it."""

    id = AutoField()
    organization_id = TextField(index=True)
    actor_id = TextField()
    """A user id, or a named actor such as ``system`` or ``apply``."""
    action = TextField()
    target_kind = TextField()
    target_id = TextField()
    before = JsonField(null=True)
    after = JsonField(null=True)
    surface = TextField()
    """web, api, cli or system."""
    ip_address = TextField(default="")
    created_at = UtcField()
    previous_hash = TextField()
    hash = TextField()

    class Meta:
        table_name = "audit_log"
        indexes = ((("organization_id", "target_id"), False),)


class JobHeartbeat(Model):
    """How a scheduled job of the streamer last went. ``outcome`` is running, ok or failed."""

    name = TextField(primary_key=True)
    interval_seconds = IntegerField()
    outcome = TextField(default="")
    last_started_at = UtcField(null=True)
    last_finished_at = UtcField(null=True)
    last_success_at = UtcField(null=True)
    last_duration_ms = IntegerField(null=True)
    last_error = TextField(default="")
    runs = IntegerField(default=0)
    failures = IntegerField(default=0)
    detail = JsonField(default=dict)
