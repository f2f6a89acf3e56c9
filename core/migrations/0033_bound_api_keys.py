"""An API key that was given roles of its own stays held to them when the last one goes.

A frozen copy of the change as it was made; the models may have moved on."""

from peewee import BooleanField


def up(migrator, db):
    migrator.migrate(migrator.add_column("api_key", "is_bound", BooleanField(default=False)))
    db.execute_sql(
        "UPDATE api_key SET is_bound = TRUE WHERE id IN "
        "(SELECT principal_id FROM role_binding WHERE principal_kind = 'api_key')"
    )
