"""Where an organization's approvers are told of requests for more beside their mail: the sealed address of a webhook.

A frozen copy of the change as it was made; the models may have moved on."""

from peewee import TextField


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("organization", "sealed_request_channel", TextField(null=True)),
    )
