"""A virtual key that is off says why.

A frozen copy of the change as it was made; the models may have moved on."""

from peewee import TextField


def up(migrator, db):
    migrator.migrate(migrator.add_column("virtual_key", "status_reason", TextField(default="")))
