"""Rate limits of providers, budgets for one provider's calls, raises for a time and resets.

Limits count other things than money too, so the columns of their sums lose the unit from their names.
A frozen copy of the change as it was made; the models may have moved on."""

from peewee import BigIntegerField, TextField

from core.fields import JsonField, UtcField


def up(migrator, db):
    migrator.migrate(
        migrator.rename_column("limit_period", "settled_nanousd", "settled"),
        migrator.rename_column("limit_period", "leased_nanousd", "leased"),
        migrator.rename_column("lease", "remaining_nanousd", "remaining"),
        migrator.add_column("provider", "rate_limits", JsonField(default=dict)),
        migrator.add_column("budget", "raised_limit_nanousd", BigIntegerField(null=True)),
        migrator.add_column("budget", "raised_until", UtcField(null=True)),
        migrator.add_column("budget", "last_reset_at", UtcField(null=True)),
        migrator.add_column("budget", "provider_id", TextField(null=True)),
    )
