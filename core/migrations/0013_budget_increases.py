"""Requests for a higher budget.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import BigIntegerField, Model, TextField

from core.fields import UtcField


def up(migrator, db):
    class BudgetIncrease(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        budget_id = TextField(index=True)
        requester = TextField()
        requester_user_id = TextField(null=True, index=True)
        virtual_key_id = TextField(null=True)
        wanted_limit_nanousd = BigIntegerField()
        wanted_until = UtcField(null=True)
        reason = TextField()
        status = TextField(default="pending")
        decided_by = TextField(null=True)
        decided_at = UtcField(null=True)
        granted_limit_nanousd = BigIntegerField(null=True)
        granted_until = UtcField(null=True)
        note = TextField(default="")
        created_at = UtcField()

        class Meta:
            database = db
            table_name = "budget_increase"
            indexes = ((("organization_id", "status"), False),)

    db.create_tables([BudgetIncrease])
