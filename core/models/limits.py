"""Budgets, what they have settled in each period, and the slices of them that gateway workers hold."""

from peewee import AutoField, BigIntegerField, TextField

from core.database import Model
from core.fields import UtcField


class Budget(Model):
    """An amount of nano-USD a window at a scope. ``on_breach`` is block or warn.

    ``scope`` is organization, team, project, virtual_key or principal. ``on_unpriced`` says what happens
    to a model without a known price: flat (charge the stand-in price), refuse or allow. ``on_outage`` says
    what happens when the last lease is spent and the control plane is away: block or allow.
    """

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
        indexes = ((("organization_id", "name"), False),)


class LimitPeriod(Model):
    """What one limit has settled and leased out in one period.

    Invariant: a lease is granted only while settled + leased + granted <= the limit.
    """

    id = AutoField()
    limit_id = TextField()
    period_start = UtcField()
    settled_nanousd = BigIntegerField(default=0)
    leased_nanousd = BigIntegerField(default=0)

    class Meta:
        indexes = ((("limit_id", "period_start"), True),)


class Lease(Model):
    """A slice of a period that one gateway worker may admit against.

    ``owner`` is the worker's epoch, new at each start. ``remaining_nanousd`` falls as that worker's
    records settle; an expired lease counts for nothing and is removed when next met.
    """

    id = AutoField()
    limit_period_id = BigIntegerField(index=True)
    owner = TextField(index=True)
    remaining_nanousd = BigIntegerField()
    expires_at = UtcField()

    class Meta:
        indexes = ((("limit_period_id", "owner"), True),)
