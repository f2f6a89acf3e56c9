"""Requests for a higher budget, and what became of them."""

from peewee import BigIntegerField, TextField

from core.database import Model
from core.fields import UtcField


class BudgetIncrease(Model):
    """What somebody asked for and what was decided. ``status`` is pending, approved or declined.

    A link that came with a refusal names the virtual key; somebody signed in is named by their id.
    """

    id = TextField(primary_key=True)
    organization_id = TextField()
    budget_id = TextField(index=True)
    requester = TextField()
    """How the approver reads who asks."""
    requester_user_id = TextField(null=True, index=True)
    virtual_key_id = TextField(null=True)
    wanted_limit_nanousd = BigIntegerField()
    wanted_until = UtcField(null=True)
    """Until when; None asks for good."""
    reason = TextField()
    status = TextField(default="pending")
    decided_by = TextField(null=True)
    decided_at = UtcField(null=True)
    granted_limit_nanousd = BigIntegerField(null=True)
    granted_until = UtcField(null=True)
    note = TextField(default="")
    """What the approver said."""
    created_at = UtcField()

    class Meta:
        table_name = "budget_increase"
        indexes = ((("organization_id", "status"), False),)
