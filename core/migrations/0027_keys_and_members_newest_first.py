"""Indexes by which keys and members are listed newest first, a page at a time, however many there are.

A frozen copy of the change as it was made; the models may have moved on."""


def up(migrator, db):
    migrator.migrate(
        migrator.add_index("virtual_key", ("organization_id", "id"), False),
        migrator.add_index("member", ("organization_id", "id"), False),
    )
