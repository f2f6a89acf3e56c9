"""Budgets, what limits have settled in each period, and the slices of them that gateway workers hold.

Rate limits have no row of their own: they stand with the key or the provider that they limit.
"""

from datetime import datetime

from peewee import AutoField, BigIntegerField, TextField

from core.database import Model
from core.fields import UtcField
from rules.limits import limit_at


class Budget(Model):
    """An amount of nano-USD a window at a scope. ``on_breach`` is block or warn.

    ``scope`` is organization, team, project, virtual_key or principal. ``on_unpriced`` says what happens
    to a model without a known price: flat (charge the stand-in price), refuse or allow. ``on_outage`` says
    what happens when the last lease is spent and the control plane is away: block or allow.
    A raise for a time ends when ``raised_until`` is past, whoever reads it; nobody has to end it.
    """

    id = TextField(primary_key=True)
    organization_id = TextField()
    name = TextField()
    scope = TextField()
    scope_id = TextField(index=True)
    window = TextField()
    cycle_anchor_at = UtcField(null=True)
    limit_nanousd = BigIntegerField()
    raised_limit_nanousd = BigIntegerField(null=True)
    raised_until = UtcField(null=True)
    last_reset_at = UtcField(null=True)
    """When someone began the period anew; see ``rules.windows``."""
    provider_id = TextField(null=True)
    """The one provider whose calls it counts; None counts all."""
    on_breach = TextField(default="block")
    on_unpriced = TextField(default="flat")
    on_outage = TextField(default="block")
    created_at = UtcField()
    updated_at = UtcField()
    archived_at = UtcField(null=True)

    class Meta:
        indexes = ((("organization_id", "name"), False),)

    def limit_at(self, now: datetime) -> int:
        """Return the limit in nano-USD as of a moment, with a raise that has not ended."""
        return limit_at(self.limit_nanousd, self.raised_limit_nanousd, self.raised_until, now)


class LimitPeriod(Model):
    """What one limit has settled and leased out in one period, in the limit's unit.

    Invariant: a lease is granted only while settled + leased + granted <= the limit. A rate limit has one row
    from the epoch on for what is leased, and one for each slot of its window for what is settled.
    """

    id = AutoField()
    limit_id = TextField()
    period_start = UtcField()
    settled = BigIntegerField(default=0)
    leased = BigIntegerField(default=0)

    class Meta:
        indexes = ((("limit_id", "period_start"), True),)


class Lease(Model):
    """A slice of a period that one gateway worker may admit against.

    ``owner`` is the worker's epoch, new at each start. ``remaining`` falls as that worker's
    records settle; an expired lease counts for nothing and is removed when next met.
    """

    id = AutoField()
    limit_period_id = BigIntegerField(index=True)
    owner = TextField(index=True)
    remaining = BigIntegerField()
    expires_at = UtcField()

    class Meta:
        indexes = ((("limit_period_id", "owner"), True),)
