"""What else is known of a call, as one JSON column of the ledger.

A frozen copy of the change as it was made; the models may have moved on."""

from core.fields import JsonField


def up(migrator, db):
    migrator.migrate(migrator.add_column("ledger", "facts", JsonField(null=True)))
