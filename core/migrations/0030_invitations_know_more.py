"""What an invitation says of somebody besides their address and role: their name and department.

A frozen copy of the change as it was made; the models may have moved on."""

from peewee import TextField


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("invitation", "name", TextField(default="")),
        migrator.add_column("invitation", "department_id", TextField(null=True)),
    )
