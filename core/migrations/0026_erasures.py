"""Erasures of people, and the page that somebody chose to land on.

A frozen copy of the table as it was; the model may have moved on."""

from peewee import Model, TextField

from core.fields import UtcField


def up(migrator, db):
    class Erasure(Model):
        id = TextField(primary_key=True)
        organization_id = TextField()
        user_id = TextField(unique=True)
        pseudonym = TextField()
        email = TextField(default="")
        name = TextField(default="")
        address_hash = TextField()
        requested_by_id = TextField()
        requested_at = UtcField()
        finished_at = UtcField(null=True)

        class Meta:
            database = db
            table_name = "erasure"

    db.create_tables([Erasure])
    migrator.migrate(migrator.add_column("user", "landing", TextField(default="auto")))
