"""Sources, rules, anomalies and their deliveries; the audit log and the pulse of jobs.

A frozen copy of the tables as they were; the models may have moved on."""

from peewee import BigIntegerField, IntegerField, Model, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    class IngestionSource(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        team_id = TextField(null=True)
        type = TextField()
        name = TextField()
        description = TextField(default="")
        secret_hash = TextField(unique=True)
        previous_secret_hash = TextField(index=True, null=True)
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
            database = db
            table_name = "ingestion_source"
            indexes = ((("organization_id", "name"), False),)

    class AnomalyRule(Model):
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
            database = db
            table_name = "anomaly_rule"
            indexes = ((("organization_id", "name"), False),)

    class Anomaly(Model):
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
            database = db
            table_name = "anomaly"
            indexes = ((("rule_id", "window_start"), True),)

    class AlertDelivery(Model):
        organization_id = TextField()
        anomaly_id = TextField(index=True)
        destination_type = TextField()
        sealed_destination = TextField()
        state = TextField(default="due")
        attempts = IntegerField(default=0)
        due_at = UtcField()
        claimed_at = UtcField(null=True)
        sent_at = UtcField(null=True)
        last_status = IntegerField(null=True)
        last_error = TextField(default="")

        class Meta:
            database = db
            table_name = "alert_delivery"
            indexes = ((("state", "due_at"), False),)

    class AuditRow(Model):
        organization_id = TextField(index=True)
        actor_id = TextField()
        action = TextField()
        target_kind = TextField()
        target_id = TextField()
        before = JsonField(null=True)
        after = JsonField(null=True)
        surface = TextField()
        ip_address = TextField(default="")
        created_at = UtcField()
        previous_hash = TextField()
        hash = TextField()

        class Meta:
            database = db
            table_name = "audit_log"

    class JobHeartbeat(Model):
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

        class Meta:
            database = db
            table_name = "job_heartbeat"

    db.create_tables([IngestionSource, AnomalyRule, Anomaly, AlertDelivery, AuditRow, JobHeartbeat])
