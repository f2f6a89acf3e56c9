"""What gateways that hold all keys find a key by.

A frozen copy of the change as it was made; the models may have moved on."""

from peewee import TextField


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("virtual_key", "lookup_hash", TextField(null=True)),
        migrator.add_column("virtual_key", "previous_lookup_hash", TextField(null=True)),
    )
