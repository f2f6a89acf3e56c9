"""Privacy rules say what becomes of personal data and credentials, and who may read what they restrict.

A frozen copy of the change as it was made; the models may have moved on."""

from peewee import TextField

from core.fields import JsonField


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("privacy_rule", "personal_data", TextField(default="")),
        migrator.add_column("privacy_rule", "secrets", TextField(default="")),
        migrator.add_column("privacy_rule", "audience", JsonField(default=list)),
    )
