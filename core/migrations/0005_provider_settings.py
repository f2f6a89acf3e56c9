"""What a provider needs to be told beside its address, and when its credential was last set.

A frozen copy of the change as it was made; the models may have moved on."""

from core.fields import JsonField, UtcField


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("provider", "settings", JsonField(default={})),
        migrator.add_column("provider", "credential_set_at", UtcField(null=True)),
    )
