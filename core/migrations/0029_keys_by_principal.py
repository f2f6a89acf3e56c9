"""An index by which a person's keys are found, and by which it is seen at once that nobody has any.

A frozen copy of the change as it was made; the models may have moved on."""


def up(migrator, db):
    migrator.migrate(
        migrator.add_index("virtual_key", ("organization_id", "principal_user_id"), False),
    )
