"""An index by which the keys of one status are listed in the order of their names.

A frozen copy of the change as it was made; the models may have moved on."""


def up(migrator, db):
    migrator.migrate(
        migrator.add_index("virtual_key", ("organization_id", "status", "name"), False),
    )
