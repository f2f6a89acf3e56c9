"""An index by which the audit rows about one thing are found.

A frozen copy of the change as it was made; the models may have moved on."""


def up(migrator, db):
    migrator.migrate(
        migrator.add_index("audit_log", ("organization_id", "target_id"), False),
    )
